//! The translator of RFC 6384, between an IPv6 client and an IPv4 server (P93–P104).
//!
//! The RFC has a box in mind that changes packets in passing. This one ends both connections, so
//! what it does not translate it still has to carry: after `ALGS DISABLE64` EPSV goes to the server
//! as it is said, and the port in its 229 is ours all the same. What goes to the server untouched
//! (PASV, and more in strict mode) sets up a connection past us, if any: the transfer commands
//! behind it are passed on like any other.
//!
//! Where the RFC is unsafe it is followed in strict mode only: PORT and EPRT with a foreign address,
//! and other ways to set up data connections, make the server connect to whomever the client names,
//! this gateway's own data ports included (S1); a NOOP that is refused ends a session that has not
//! logged in, and many servers refuse it then.

use std::time::Instant;

use super::event::{CloseReason, Side};
use super::machine::Machine;
use super::pending::{Kind, Pending};
use super::policy::Rfc6384;
use crate::ftp::addr::{EpsvArg, parse_eprt};
use crate::ftp::canned;
use crate::ftp::command::{Command, Verb};
use crate::ftp::reply::ReplyCode;

/// What a session knows as a translator.
#[derive(Debug, Default)]
pub(super) struct Algs {
    /// `ALGS DISABLE64` was said.
    pub(super) disabled: bool,
    /// A data connection that is none of ours was agreed on.
    pub(super) raw: bool,
    /// The server waits for the next command of a sequence: RNTO, PASS (P10).
    sequence: bool,
}

impl Machine {
    /// Whether the session is between an IPv6 client and an IPv4 server, and to be treated so.
    pub(super) fn translates(&self) -> bool {
        self.policy.rfc6384 != Rfc6384::Off
            && self.client.is_ipv6()
            && self.link().is_some_and(|link| link.peer.is_ipv4())
    }

    fn is_strict(&self) -> bool {
        self.policy.rfc6384 == Rfc6384::Strict
    }

    /// What is different in such a session; `false`: nothing is, about this command.
    pub(super) fn translate(&mut self, command: &Command<'_>, now: Instant) -> bool {
        match command.verb {
            Verb::Algs => self.algs(command.arg, now),
            Verb::Epsv => self.translate_epsv(command, now),
            Verb::Eprt if self.is_to_be_passed(command.arg) => self.pass_raw(command, now),
            Verb::Pasv => self.pass_raw(command, now),
            Verb::Port if self.is_strict() => self.pass_raw(command, now),
            verb if verb.sets_up_foreign_data() && self.is_strict() => self.pass_raw(command, now),
            verb if verb.opens_data() && self.algs.raw => self.transfer_raw(command, now),
            _ => return false,
        }
        true
    }

    /// ALGS is ours (P99).
    fn algs(&mut self, arg: &[u8], now: Instant) {
        match &*arg.to_ascii_uppercase() {
            b"STATUS64" => {}
            b"ENABLE64" => self.algs.disabled = false,
            b"DISABLE64" => self.algs.disabled = true,
            _ => return self.substitute(canned::ALGS_UNKNOWN, now),
        }
        let state = if self.algs.disabled { canned::ALGS_NONE } else { canned::ALGS_EPSV_EPRT };
        self.substitute(state, now);
    }

    /// P94, P95, P99.
    fn translate_epsv(&mut self, command: &Command<'_>, now: Instant) {
        match EpsvArg::parse(command.arg) {
            EpsvArg::All if self.algs.disabled => self.forward(command, Kind::Plain, now),
            _ if self.algs.disabled => self.ask_as_said(command, now),
            EpsvArg::All => self.substitute(canned::EPSV_ALL_REFUSED, now),
            EpsvArg::Default | EpsvArg::V6 => self.epsv(command.arg, now),
            EpsvArg::V4 | EpsvArg::Other => self.decline(canned::USE_FAMILY_2, now),
        }
    }

    /// Whether an EPRT is not translated: one that is the client's own while that is disabled, and in
    /// strict mode any that is not its own (P96, P99). A foreign one is refused otherwise.
    fn is_to_be_passed(&self, arg: &[u8]) -> bool {
        let own = parse_eprt(arg).is_ok_and(|named| named.ip() == self.client);
        if own { self.algs.disabled } else { self.is_strict() }
    }

    /// To the server as it is, and the reply back as it is (P98).
    fn pass_raw(&mut self, command: &Command<'_>, now: Instant) {
        self.release();
        self.algs.raw = false;
        self.forward(command, Kind::Raw, now);
    }

    pub(super) fn raw_answered(&mut self, code: ReplyCode) {
        self.algs.raw = code.is_positive();
    }

    /// A transfer of which we carry the words alone. What may not travel in the clear does not do so
    /// here either.
    fn transfer_raw(&mut self, command: &Command<'_>, now: Instant) {
        self.algs.raw = false;
        if self.data_must_be_protected() {
            return self.answer(canned::DATA_MUST_BE_PROTECTED);
        }
        self.forward(command, Kind::Plain, now);
    }

    /// Refuses a command that asks for a data connection.
    pub(super) fn decline(&mut self, reply: &'static [u8], now: Instant) {
        self.release();
        self.substitute(reply, now);
    }

    /// Answers a command that the server does not hear of. A translator says NOOP to it instead, so
    /// that it does not think the client idle, and answers when that is answered (P100); never
    /// inside of a sequence (P10).
    fn substitute(&mut self, reply: &'static [u8], now: Instant) {
        self.last_activity = now;
        let fit = self.login.done || self.is_strict();
        if !self.translates() || !fit || self.algs.sequence {
            return self.say(Side::Downstream, reply);
        }
        self.say(Side::Upstream, b"NOOP\r\n");
        let wait = now + self.policy.timeouts.reply;
        self.pending.push_back(Pending::new(Kind::Noop(reply), wait));
    }

    /// RFC 6384 §12: anything but 200 ends the session. Some servers have another 2yz for it.
    pub(super) fn noop_answered(&mut self, reply: &'static [u8], code: ReplyCode, now: Instant) {
        let strict = self.is_strict() && code.get() != 200;
        if code.is_positive() && !strict {
            return self.say(Side::Downstream, reply);
        }
        self.say(Side::Downstream, canned::NOOP_REFUSED);
        self.end(CloseReason::NoopRefused, now);
    }

    /// Remembers whether the server waits for a certain command.
    pub(super) fn note_sequence(&mut self, kind: &Kind, code: ReplyCode) {
        if !matches!(kind, Kind::Mode | Kind::Noop(_) | Kind::Own(_)) {
            self.algs.sequence = code.is_intermediate();
        }
    }
}
