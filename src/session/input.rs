//! The way from bytes to commands and replies, and whose turn it is.

use std::time::Instant;

use super::event::{Action, CloseReason, Side};
use super::machine::{Link, Machine, Phase};
use super::pending::{Kind, Pending};
use super::policy::ServerTls;
use super::queue::Queued;
use crate::ftp::canned;
use crate::ftp::command::{foreign_protocol, foreign_start};
use crate::ftp::line::{Item, LineBuffer};

/// Replies in a row that nobody asked for until the server is given up (P21).
const MAX_UNSOLICITED: u32 = 3;

impl Machine {
    // --- the client's lines ---

    pub(super) fn client_bytes(&mut self, mut bytes: &[u8], now: Instant) {
        if self.fresh && foreign_start(bytes) {
            return self.end(CloseReason::WrongProtocol, now);
        }
        if self.queue.keeps_bytes() {
            return self.queue.keep(bytes);
        }
        let limit = self.policy.queued_commands;
        let mut lines = std::mem::replace(&mut self.lines[0], LineBuffer::replies(0));
        while self.queue.has_room(limit)
            && let Some(item) = lines.next(&mut bytes)
        {
            self.more[0] = !bytes.is_empty();
            match item {
                Item::Telnet(answer) => self.say(Side::Downstream, answer),
                Item::Line(line) if self.fresh && foreign_protocol(line) => {
                    self.end(CloseReason::WrongProtocol, now);
                }
                Item::Line(line) => {
                    self.fresh = false;
                    let at_once = (!self.busy() && self.queue.is_empty())
                        || self.jumps_queue(line, self.queue.is_empty());
                    if at_once {
                        self.command(line, now);
                    } else {
                        self.queue.push(line);
                    }
                }
                Item::TooLong(_) => self.queue.push_too_long(),
            }
            self.run_queue(now);
            if self.over() {
                break;
            }
        }
        self.lines[0] = lines;
        self.more[0] = false;
        if !self.over() {
            self.queue.keep(bytes);
        }
    }

    /// Gives the waiting lines their turn.
    fn run_queue(&mut self, now: Instant) {
        while !self.busy() && !self.over() {
            match self.queue.pop() {
                Some(Queued::Line(line)) => self.command(&line, now),
                Some(Queued::TooLong) => self.bad_command(canned::LINE_TOO_LONG, now),
                None => break,
            }
        }
    }

    /// After each event: what waited goes on, and who has nothing more to do leaves.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.server_gone && !self.in_transfer() && !self.over() {
            self.say(Side::Downstream, canned::SERVER_GONE);
            return self.end(CloseReason::ServerGone, now);
        }
        self.run_queue(now);
        while let Some(bytes) = self.queue.take_kept() {
            self.client_bytes(&bytes, now);
        }
        if self.over() || !self.at_rest() {
            return;
        }
        if self.client_gone {
            self.end(CloseReason::ClientGone, now);
        } else if self.draining {
            self.say(Side::Downstream, canned::SHUTTING_DOWN);
            self.end(CloseReason::Drain, now);
        }
    }

    /// A client that pipes its whole dialogue in and closes still gets it carried out, if its data
    /// connections come soon; one that leaves with nothing else to say has hung up (P32).
    pub(super) fn client_eof(&mut self, now: Instant) {
        self.client_gone = true;
        if self.queue.is_empty() && (self.in_transfer() || self.phase == Phase::Connecting) {
            self.end(CloseReason::ClientGone, now);
        } else if self.grant.is_moving() {
            self.act(Action::Hurry);
        }
    }

    // --- the server's lines ---

    pub(super) fn connected(&mut self, link: Link, now: Instant) {
        self.phase = Phase::Open(link);
        if self.policy.tls.server == ServerTls::Implicit {
            self.start_tls(Side::Upstream);
        } else {
            self.expect_greeting(now);
        }
    }

    pub(super) fn expect_greeting(&mut self, now: Instant) {
        self.pending.push_back(Pending::new(Kind::Greeting, now + self.policy.timeouts.reply));
    }

    pub(super) fn server_bytes(&mut self, mut bytes: &[u8], now: Instant) {
        let mut lines = std::mem::replace(&mut self.lines[1], LineBuffer::replies(0));
        while let Some(item) = lines.next(&mut bytes) {
            self.more[1] = !bytes.is_empty();
            match item {
                Item::Line(line) | Item::TooLong(line) => self.reply_line(line, now),
                Item::Telnet(_) => {}
            }
            self.run_queue(now);
            if self.over() {
                break;
            }
        }
        self.lines[1] = lines;
    }

    /// What the server has confirmed is carried to its end first (P48).
    pub(super) fn server_eof(&mut self, now: Instant) {
        self.last_words(now);
        if self.over() {
            return;
        }
        if self.pending.iter().any(|p| matches!(p.kind, Kind::Quit)) {
            return self.end(CloseReason::Quit, now);
        }
        self.epsv_unanswered();
        self.server_gone = true;
        if !self.is_draining_data() {
            self.say(Side::Downstream, canned::SERVER_GONE);
            self.end(CloseReason::ServerGone, now);
        }
    }

    /// A line that ends with the connection is a line, for those who are told it.
    fn last_words(&mut self, now: Instant) {
        let ours = |kind: &Kind| matches!(kind, Kind::Mode | Kind::Own(_));
        let mut lines = std::mem::replace(&mut self.lines[1], LineBuffer::replies(0));
        if lines.is_empty() || self.pending.front().is_none_or(|pending| ours(&pending.kind)) {
            return;
        }
        if let Some(Item::Line(line) | Item::TooLong(line)) = lines.next(&mut b"\n".as_slice()) {
            self.reply_line(line, now);
        }
    }

    pub(super) fn unsolicited(&mut self, now: Instant) {
        self.unsolicited += 1;
        if self.unsolicited >= MAX_UNSOLICITED {
            self.say(Side::Downstream, canned::SERVER_CONFUSED);
            self.end(CloseReason::ServerConfused, now);
        }
    }
}
