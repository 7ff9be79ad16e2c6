//! Bytes to lines, however they were cut (P1, P6, P7), and the Telnet subset (P26–P28).

use memchr::{memchr, memchr2};

#[cfg(test)]
mod tests;

const CR: u8 = b'\r';
const LF: u8 = b'\n';

// RFC 854 and RFC 855.
const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;
const IAC: u8 = 255;

/// Cuts a control connection into lines.
///
/// Keeps only an unfinished line: between lines it owns no heap. It stores at most `limit + 1`
/// bytes, whatever arrives.
#[derive(Debug)]
pub struct LineBuffer {
    /// The unfinished line, or the finished one that [`Item`] borrows until the next call.
    pending: Vec<u8>,
    limit: usize,
    bare_lf: bool,
    telnet: Option<Telnet>,
    /// The line is over the limit; its tail is being dropped.
    over: bool,
    /// The last byte of the line so far, stored or dropped, is a CR.
    cr: bool,
    /// `pending` was handed out.
    ended: bool,
}

/// What a [`LineBuffer`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A line without its end. May contain CR and NUL, and LF when only CRLF ends a line.
    Line(&'a [u8]),
    /// The first `limit` bytes of a longer line, reported once at its end. The tail is gone and
    /// is never read as another command (P7).
    TooLong(&'a [u8]),
    /// The answer to an option negotiation, for the side that sent it: IAC WONT x or IAC DONT x.
    Telnet([u8; 3]),
}

/// Where we are within a Telnet sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telnet {
    Data,
    /// After IAC.
    Command,
    /// After IAC WILL, WONT, DO or DONT.
    Option(u8),
    /// Within a subnegotiation, up to IAC SE or the end of the line.
    Sub,
    /// After IAC within a subnegotiation.
    SubCommand,
}

/// As [`Item`], without the borrow.
enum Step {
    LineEnd,
    Answer([u8; 3]),
}

impl LineBuffer {
    /// For a client's commands: Telnet sequences are taken out, and a bare LF ends a line if
    /// `bare_lf`. `limit` is the longest line in bytes without its end.
    pub fn commands(limit: usize, bare_lf: bool) -> Self {
        Self::new(limit, bare_lf, Some(Telnet::Data))
    }

    /// For a server's replies: no Telnet, and a bare LF ends a line. `limit` as above.
    pub fn replies(limit: usize) -> Self {
        Self::new(limit, true, None)
    }

    fn new(limit: usize, bare_lf: bool, telnet: Option<Telnet>) -> Self {
        Self { pending: Vec::new(), limit, bare_lf, telnet, over: false, cr: false, ended: false }
    }

    /// Whether no line is unfinished.
    pub fn is_empty(&self) -> bool {
        (self.ended || self.pending.is_empty())
            && !self.over
            && matches!(self.telnet, None | Some(Telnet::Data))
    }

    /// Takes the next item off the front of `input`. `None` when `input` is used up; an unfinished
    /// line is then kept inside. The cuts between inputs never change the items.
    pub fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Option<Item<'s>> {
        if self.ended {
            self.ended = false;
            self.pending.clear();
        }
        if self.is_empty()
            && let Some(line) = self.whole_line(input)
        {
            return Some(match line.get(..self.limit) {
                Some(head) if line.len() > self.limit => Item::TooLong(head),
                _ => Item::Line(line),
            });
        }
        match self.step(input) {
            Some(Step::Answer(answer)) => Some(Item::Telnet(answer)),
            Some(Step::LineEnd) => Some(self.finish()),
            None => {
                if self.pending.is_empty() {
                    self.pending = Vec::new();
                }
                None
            }
        }
    }

    /// The fast path: a line that lies whole in `input` and needs no change.
    fn whole_line<'i>(&self, input: &mut &'i [u8]) -> Option<&'i [u8]> {
        let (line, rest) = split_at_lf(input)?;
        if self.telnet.is_some() && memchr(IAC, line).is_some() {
            return None;
        }
        let line = match line.strip_suffix(&[CR]) {
            Some(line) => line,
            None if self.bare_lf => line,
            None => return None,
        };
        *input = rest;
        Some(line)
    }

    /// The slow path: moves `input` into `pending` up to a line end or an answer.
    fn step(&mut self, input: &mut &[u8]) -> Option<Step> {
        while !input.is_empty() {
            if matches!(self.telnet, None | Some(Telnet::Data)) {
                let special = match self.telnet {
                    None => memchr(LF, input),
                    Some(_) => memchr2(LF, IAC, input),
                };
                let (text, rest) = input.split_at(special.unwrap_or(input.len()));
                self.push(text);
                *input = rest;
            }
            let Some((&byte, rest)) = input.split_first() else { break };
            *input = rest;
            if let Some(answer) = self.telnet(byte) {
                return Some(Step::Answer(answer));
            }
            if byte == LF && self.line_feed() {
                return Some(Step::LineEnd);
            }
        }
        None
    }

    /// One byte that is special where we are; LF itself is left to [`Self::line_feed`].
    fn telnet(&mut self, byte: u8) -> Option<[u8; 3]> {
        let state = self.telnet?;
        let mut answer = None;
        let next = match (state, byte) {
            // A line end ends every sequence: nothing is lost but the sequence (P28).
            (Telnet::Data, LF) => Telnet::Data,
            (Telnet::Data, _) => Telnet::Command,
            // Stays doubled: it is a data byte 0xFF to the server too (P27).
            (Telnet::Command, IAC) => {
                self.push(&[IAC, IAC]);
                Telnet::Data
            }
            (Telnet::Command, WILL..=DONT) => Telnet::Option(byte),
            (Telnet::Command, SB) => Telnet::Sub,
            (Telnet::Command, SE..SB) => Telnet::Data,
            // Not a Telnet command: 0xFF is a letter in some 8-bit sets (P27).
            (Telnet::Command, _) => {
                self.push(&[IAC]);
                self.push_unless_lf(byte);
                Telnet::Data
            }
            (_, CR | LF) => {
                self.push_unless_lf(byte);
                Telnet::Data
            }
            (Telnet::Option(WILL), option) => {
                answer = Some([IAC, DONT, option]);
                Telnet::Data
            }
            (Telnet::Option(DO), option) => {
                answer = Some([IAC, WONT, option]);
                Telnet::Data
            }
            (Telnet::Option(_), _) => Telnet::Data,
            (Telnet::Sub, IAC) => Telnet::SubCommand,
            (Telnet::SubCommand, SE) => Telnet::Data,
            (Telnet::Sub | Telnet::SubCommand, _) => Telnet::Sub,
        };
        self.telnet = Some(next);
        answer
    }

    fn push_unless_lf(&mut self, byte: u8) {
        if byte != LF {
            self.push(&[byte]);
        }
    }

    /// Whether this LF ends the line; if not, it is part of it.
    fn line_feed(&mut self) -> bool {
        let ends = self.cr || self.bare_lf;
        if !ends {
            self.push(&[LF]);
        }
        ends
    }

    /// Appends to the line, as far as it may grow: one byte over the limit, for a CR whose LF is
    /// still to come.
    fn push(&mut self, text: &[u8]) {
        let Some(&last) = text.last() else { return };
        let room = self.limit.saturating_add(1).saturating_sub(self.pending.len());
        match text.get(..room) {
            Some(head) if head.len() < text.len() => {
                self.pending.extend_from_slice(head);
                self.over = true;
            }
            _ => self.pending.extend_from_slice(text),
        }
        self.cr = last == CR;
    }

    /// The line has ended: hands it out and starts anew.
    fn finish(&mut self) -> Item<'_> {
        if self.cr && !self.over {
            self.pending.pop();
        }
        let over = self.over || self.pending.len() > self.limit;
        self.pending.truncate(self.limit);
        self.over = false;
        self.cr = false;
        self.ended = true;
        if over { Item::TooLong(&self.pending) } else { Item::Line(&self.pending) }
    }
}

fn split_at_lf<'i>(input: &&'i [u8]) -> Option<(&'i [u8], &'i [u8])> {
    let (line, rest) = input.split_at_checked(memchr(LF, input)?)?;
    Some((line, rest.get(1..)?))
}
