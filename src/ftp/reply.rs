//! A server's lines to replies, one line at a time (P13–P16, P24).

use std::fmt;

use memchr::memchr3;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Three digits, of which the first is 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// `None` unless 100 to 599.
    pub const fn new(code: u16) -> Option<Self> {
        if matches!(code, 100..600) { Some(Self(code)) } else { None }
    }

    /// As a number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The first digit, 1 to 5: most of the time the only one to act on (P20).
    pub const fn class(self) -> u8 {
        (self.0 / 100) as u8
    }

    /// 1yz: another reply to the same command will follow.
    pub const fn is_preliminary(self) -> bool {
        self.class() == 1
    }

    /// 2yz: done.
    pub const fn is_positive(self) -> bool {
        self.class() == 2
    }

    /// 3yz: so far so good, the next command of the sequence is awaited.
    pub const fn is_intermediate(self) -> bool {
        self.class() == 3
    }

    /// 4yz or 5yz: not done.
    pub const fn is_negative(self) -> bool {
        self.class() >= 4
    }

    /// The code at the start of a line.
    fn leading(line: &[u8]) -> Option<Self> {
        let [a, b, c, ..] = line else { return None };
        if ![a, b, c].iter().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let digit = |digit: u8| u16::from(digit - b'0');
        Self::new(digit(*a) * 100 + digit(*b) * 10 + digit(*c))
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of a line in its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The whole reply is this line.
    Only,
    /// The first line of many: `ddd-`.
    First,
    /// A line between. It means nothing, whatever it looks like (P14, S7).
    Inner,
    /// The last line of many: the code of the first again, and a blank.
    Last,
}

/// One line of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLine<'a> {
    /// The code of the reply this line belongs to.
    pub code: ReplyCode,
    /// Where in the reply it stands.
    pub part: Part,
    /// What follows the separator; of an inner line all of it.
    pub text: &'a [u8],
    /// The line as it came, without its end.
    pub raw: &'a [u8],
}

impl ReplyLine<'_> {
    /// Whether a reply starts here.
    pub fn starts(&self) -> bool {
        matches!(self.part, Part::Only | Part::First)
    }

    /// Whether the reply is complete.
    pub fn ends(&self) -> bool {
        matches!(self.part, Part::Only | Part::Last)
    }

    /// Writes the line anew, with CRLF. Bytes that some clients take for the end of a line become
    /// `?`; a code alone gets its blank (P13).
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let separator = match self.part {
            Part::Only | Part::Last => Some(b' '),
            Part::First => Some(b'-'),
            Part::Inner => None,
        };
        if let Some(separator) = separator {
            let code = self.code.get();
            let digit = |n: u16| b'0' + (n % 10) as u8;
            out.extend([digit(code / 100), digit(code / 10), digit(code), separator]);
        }
        write_text(self.text, out);
        out.extend_from_slice(b"\r\n");
    }
}

fn write_text(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some((head, rest)) =
        memchr3(b'\r', b'\n', 0, text).and_then(|at| text.split_at_checked(at))
    {
        out.extend_from_slice(head);
        out.push(b'?');
        text = rest.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(text);
}

/// The line is no start of a reply, and none was in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a reply")]
pub struct NotAReply;

/// Puts replies together line by line. It holds nothing but the code of the reply in progress, so
/// a reply may have any number of lines (P24).
#[derive(Debug, Default)]
pub struct ReplyParser {
    open: Option<ReplyCode>,
}

impl ReplyParser {
    /// Takes a line without its end. CRs left at its end (servers that send CR CR LF) are dropped.
    ///
    /// # Errors
    ///
    /// [`NotAReply`] when a reply should start here and does not.
    pub fn accept<'a>(&mut self, line: &'a [u8]) -> Result<ReplyLine<'a>, NotAReply> {
        let raw = trim_cr(line);
        let code = ReplyCode::leading(raw);
        let separator = raw.get(3);
        let text = raw.get(4..).unwrap_or_default();
        // A code alone is the end of a reply too (P13).
        let last = matches!(separator, None | Some(b' '));
        let (code, part, text) = match (self.open, code) {
            (Some(open), Some(code)) if open == code && last => (open, Part::Last, text),
            (Some(open), _) => (open, Part::Inner, raw),
            (None, Some(code)) if last => (code, Part::Only, text),
            (None, Some(code)) if separator == Some(&b'-') => (code, Part::First, text),
            (None, _) => return Err(NotAReply),
        };
        let line = ReplyLine { code, part, text, raw };
        self.open = (!line.ends()).then_some(code);
        Ok(line)
    }

    /// The code of the reply whose last line is still to come.
    pub fn in_progress(&self) -> Option<ReplyCode> {
        self.open
    }
}

fn trim_cr(mut line: &[u8]) -> &[u8] {
    while let Some(trimmed) = line.strip_suffix(b"\r") {
        line = trimmed;
    }
    line
}
