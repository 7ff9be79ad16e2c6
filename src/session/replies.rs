//! What each reply of the server does to the machine.
//!
//! A reply belongs to the oldest command that waits for one, and only its own first line, read in
//! its own place, can open anything (P14, P82): a `227` in a listing, an error text or an
//! unrequested line has no effect (S7).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::event::{Action, CloseReason, Side};
use super::grant::Grant;
use super::machine::{Machine, within};
use super::pending::Kind;
use super::rfc6384::Algs;
use crate::ftp::addr::{HostPort, replace_address, scan_epsv_reply};
use crate::ftp::canned;
use crate::ftp::command::Verb;
use crate::ftp::feat;
use crate::ftp::reply::{Part, ReplyCode, ReplyLine};

impl Machine {
    /// One line from the server.
    pub(super) fn reply_line(&mut self, line: &[u8], now: Instant) {
        let Ok(reply) = self.parser.accept(line) else {
            return self.unsolicited(now);
        };
        if reply.code.get() == 421 {
            return self.service_closing(&reply, now);
        }
        if reply.starts() {
            self.owner =
                if self.is_late_abor(reply.code) { None } else { self.owner_of(reply.code) };
        }
        match self.owner {
            None if self.late_abor => self.late_abor = !reply.ends(),
            Some(index) => self.owned_line(index, &reply, now),
            None if reply.ends() => self.unsolicited(now),
            None => {}
        }
    }

    /// A 421 may come at any time; it is passed and both sides end (P21).
    fn service_closing(&mut self, reply: &ReplyLine<'_>, now: Instant) {
        self.pass(reply);
        if reply.ends() {
            let greeting = matches!(self.pending.front().map(|p| &p.kind), Some(Kind::Greeting));
            let reason =
                if greeting { CloseReason::ServerRefused } else { CloseReason::ServerGone };
            self.end(reason, now);
        }
    }

    /// Whether this answers an ABOR that was given up (P23): its codes, which nothing else gets
    /// before the next transfer. Whatever else comes, the server has passed that ABOR over.
    fn is_late_abor(&mut self, code: ReplyCode) -> bool {
        self.late_abor &= matches!(code.get(), 225 | 226 | 426);
        self.late_abor
    }

    /// The command a reply with this code answers.
    ///
    /// The oldest one, but for STAT in a transfer: its 21z overtakes the transfer's reply.
    fn owner_of(&self, code: ReplyCode) -> Option<usize> {
        let stat = self.pending.iter().position(|p| matches!(p.kind, Kind::Stat));
        match (stat, code.get()) {
            (Some(stat), 211..=213 | 500..=504 | 530) => Some(stat),
            _ if self.pending.is_empty() => None,
            _ => Some(0),
        }
    }

    fn owned_line(&mut self, index: usize, reply: &ReplyLine<'_>, now: Instant) {
        let Some(pending) = self.pending.get_mut(index) else { return };
        let preliminary = reply.code.is_preliminary();
        let answered = pending.answered;
        self.unsolicited = 0;
        if preliminary {
            return self.preliminary(index, reply, now);
        }
        // What the client has begun to read it reads to the end.
        if !answered || self.mid_reply {
            self.final_line(index, reply);
        }
        if !reply.ends() {
            // A long reply is not a late one, as long as it is being read (P24).
            let wait = within(now, self.policy.timeouts.reply);
            if let Some(pending) = self.pending.get_mut(index).filter(|p| p.deadline.is_some()) {
                pending.deadline = wait;
            }
        }
        if reply.ends() {
            let done = self.pending.remove(index);
            self.owner = None;
            self.last_activity = now;
            if let Some(done) = done.filter(|_| !answered) {
                self.final_reply(&done.kind, reply.code, now);
            }
            self.next_in_line(now);
        }
    }

    /// What waited behind another command's reply has the server to itself. After a transfer an
    /// ABOR gets a short time, for the one reply may have been for both (P23, P33).
    pub(super) fn next_in_line(&mut self, now: Instant) {
        let timeouts = self.policy.timeouts;
        let Some(front) = self.pending.front_mut() else { return };
        match front.kind {
            Kind::Transfer => {}
            Kind::Abor { .. } => front.deadline = within(now, timeouts.grace),
            _ => front.deadline = front.deadline.or(within(now, timeouts.reply)),
        }
    }

    /// 1yz never ends a command (P17); its text goes through untouched (P18).
    fn preliminary(&mut self, index: usize, reply: &ReplyLine<'_>, now: Instant) {
        let greets_itself = self.greets_itself();
        let Some(pending) = self.pending.get_mut(index) else { return };
        let transfer = matches!(pending.kind, Kind::Transfer);
        let hidden = match pending.kind {
            Kind::Mode | Kind::Own(_) | Kind::Noop(_) => true,
            Kind::Greeting => greets_itself,
            _ => pending.answered && !self.mid_reply,
        };
        if !transfer {
            pending.deadline = within(now, self.policy.timeouts.reply_long);
        }
        if !hidden {
            self.pass(reply);
        }
        if reply.ends() {
            self.owner = None;
            if transfer && !hidden {
                self.transfer_started();
            }
        }
    }

    /// A line of a final reply, before it is known to be the last.
    fn final_line(&mut self, index: usize, reply: &ReplyLine<'_>) {
        let greets_itself = self.greets_itself();
        let Some(pending) = self.pending.get_mut(index) else { return };
        match &mut pending.kind {
            Kind::Greeting => {
                if !greets_itself && !self.promises_too_much(reply.code) {
                    self.pass(reply);
                }
            }
            Kind::Mode => self.mode_line(reply),
            Kind::Own(own) => Self::own_line(own, reply),
            Kind::Transfer => {
                self.hold_line(reply);
            }
            // The transfer's own reply is held, and comes first.
            Kind::Abor { .. } if self.grant.is_moving() || !self.held_abor.is_empty() => {
                self.hold_abor_line(reply);
            }
            Kind::Feat(_) => self.feat_line(index, reply),
            Kind::Auth(_) => self.auth_line(index, reply),
            Kind::Noop(_) => {}
            _ => self.pass(reply),
        }
    }

    /// A final reply is complete and its command forgotten.
    fn final_reply(&mut self, kind: &Kind, code: ReplyCode, now: Instant) {
        self.note_sequence(kind, code);
        match kind {
            Kind::Greeting if code.is_negative() => {
                if self.greets_itself() {
                    self.say(Side::Downstream, canned::SERVER_UNREACHABLE);
                }
                self.end(CloseReason::ServerRefused, now);
            }
            Kind::Noop(reply) => self.noop_answered(reply, code, now),
            Kind::Raw => self.raw_answered(code),
            Kind::Greeting => {
                if !self.greets_itself() && self.promises_too_much(code) {
                    self.say(Side::Downstream, canned::READY);
                }
                self.secure_server(now);
            }
            Kind::Auth(words) => self.auth_answered(words, code, now),
            Kind::Own(own) => self.own_reply(*own, code, self.is_last_line(Side::Upstream), now),
            Kind::Login(verb) => self.login_reply(*verb, code, now),
            Kind::Mode => self.mode_reply(code, now),
            Kind::Transfer => self.transfer_answered(code.get(), now),
            Kind::Abor { .. } => self.abor_answered(),
            Kind::Type(binary) if code.is_positive() => self.binary = *binary,
            Kind::Rein if code.is_positive() => {
                self.release();
                self.epsv_all = false;
                self.algs = Algs::default();
                self.binary = false;
                // Nobody is logged in: the deadline of the login counts anew (P109).
                self.login.user = Box::default();
                self.login.done = false;
                self.opened = now;
            }
            Kind::Quit => self.end(CloseReason::Quit, now),
            _ => {}
        }
    }

    // --- login (P105) ---

    fn login_reply(&mut self, verb: Verb, code: ReplyCode, now: Instant) {
        if code.is_positive() {
            self.login.done = true;
            if !std::mem::replace(&mut self.login.told, true) {
                self.act(Action::LoggedIn);
            }
            self.login.failures = 0;
            return;
        }
        let failed = code.get() == 530 || (code.is_negative() && verb != Verb::User);
        if failed {
            self.login_failed(now);
        }
    }

    /// One more failed login, or the last one.
    pub(super) fn login_failed(&mut self, now: Instant) {
        self.login.failures += 1;
        if self.login.failures >= self.policy.login_failures {
            self.say(Side::Downstream, canned::TOO_MANY_LOGIN_FAILURES);
            self.end(CloseReason::LoginFailures, now);
        }
    }

    // --- FEAT (P85–P91) ---

    fn feat_line(&mut self, index: usize, reply: &ReplyLine<'_>) {
        let Some(pending) = self.pending.get_mut(index) else { return };
        let Kind::Feat(editor) = &mut pending.kind else { return };
        let missing = editor.missing();
        let ours =
            missing.into_iter().filter(|line| !is_denied(&self.policy.deny, line.as_bytes()));
        let unknown = matches!(reply.code.get(), 500 | 502);
        let bytes = match reply.part {
            Part::Only if unknown || reply.code.is_positive() => canned::feat(ours),
            Part::Last if unknown => canned::feat(ours),
            Part::First | Part::Inner if unknown => return,
            Part::Inner => {
                if !editor.keep(reply.text) || is_denied(&self.policy.deny, reply.text) {
                    return;
                }
                return self.pass(reply);
            }
            Part::Last if reply.code.is_positive() => {
                ours.flat_map(|line| [" ", line, "\r\n"]).collect::<String>().into_bytes()
            }
            _ => return self.pass(reply),
        };
        let last = reply.part == Part::Last && !unknown;
        self.say(Side::Downstream, bytes);
        if last {
            self.pass(reply);
        }
    }

    // --- our own PASV, EPSV, PORT, EPRT ---

    /// The address stands in the first or last line, the ones that carry the code (P16). It is
    /// kept as the reply's target until the reply is whole.
    fn mode_line(&mut self, reply: &ReplyLine<'_>) {
        if reply.part == Part::Inner {
            return;
        }
        let (Some(link), Some(modes)) = (self.link(), self.asked_modes()) else { return };
        // Some servers answer EPSV with 227: the port in it is as good.
        let port = match (modes.server.is_passive(), reply.code.get()) {
            (true, 227) => HostPort::scan(reply.text).map(|named| named.port),
            (true, 229) => scan_epsv_reply(reply.text),
            _ => None,
        };
        // Only the port is believed; the host is the one we talk to (P63).
        self.note_target(port.map(|port| SocketAddr::new(link.peer.ip(), port)));
        if reply.code.is_negative() && reply.ends() {
            let mut words = Vec::new();
            print(reply, self.veil(), &mut words);
            self.note_refusal(words);
        }
    }

    fn mode_reply(&mut self, code: ReplyCode, now: Instant) {
        let Some(modes) = self.asked_modes() else { return };
        if !code.is_positive() {
            // Not the family, not the login: the command itself is refused (P73).
            let refused = code.class() == 5 && code.get() != 530;
            if !(refused && self.fall_back(now)) {
                self.mode_refused(code, now);
            }
            return;
        }
        if !modes.server.is_passive() {
            return self.mode_accepted(None, now);
        }
        match self.take_target().filter(|target| self.may_dial(*target)) {
            Some(target) => self.mode_accepted(Some(target), now),
            None => self.refuse_grant(canned::BAD_DATA_ADDRESS, now),
        }
    }

    /// The server's own words where they answer the client's own command; ours where the client
    /// asked something else.
    fn mode_refused(&mut self, code: ReplyCode, now: Instant) {
        let words = self.take_refusal();
        let told = matches!(&self.grant, Grant::Asking(asking) if asking.told());
        let own = !told && self.asked_modes().is_some_and(|modes| modes.client == modes.server);
        if !words.is_empty() && (own || code.get() == 530 || (self.translates() && !told)) {
            self.refuse_grant(words, now);
        } else {
            self.refuse_grant(canned::NO_DATA_FROM_SERVER, now);
        }
    }

    // --- to the client ---

    /// Passes one line on.
    fn pass(&mut self, reply: &ReplyLine<'_>) {
        let veil = self.veil();
        self.write(Side::Downstream, |line| print(reply, veil, line));
        self.mid_reply = !reply.ends();
        if !self.mid_reply && !self.deferred.is_empty() {
            let deferred = std::mem::take(&mut self.deferred);
            self.say(Side::Downstream, deferred);
        }
    }

    /// What is hidden of the server, if that is configured (P25).
    pub(super) fn veil(&self) -> Option<Veil> {
        let link = self.link().filter(|_| self.policy.hide_addresses)?;
        Some(Veil { inner: link.peer.ip(), outer: self.outer })
    }
}

/// An address, and what to write in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Veil {
    inner: IpAddr,
    outer: IpAddr,
}

/// Writes a line anew (P2), behind what is there.
pub(super) fn print(reply: &ReplyLine<'_>, veil: Option<Veil>, out: &mut Vec<u8>) {
    let start = out.len();
    reply.write_to(out);
    let line = out.get(start..).unwrap_or_default();
    if let Some(line) = veil.and_then(|veil| replace_address(line, veil.inner, veil.outer)) {
        out.truncate(start);
        out.extend_from_slice(&line);
    }
}

/// Whether a line of FEAT names a command that the configuration denies.
fn is_denied(deny: &[String], line: &[u8]) -> bool {
    deny.iter().any(|denied| feat::name(line).eq_ignore_ascii_case(denied.as_bytes()))
}
