//! TLS as the dialogue sees it: AUTH, PBSZ and PROT of the client, and our own towards the server.
//!
//! The two sides are protected apart (P115). Nothing read before a handshake is used after it (S12–
//! S14), and where TLS is asked for and not had, the session ends (P114).

use std::time::Instant;

use super::event::{Action, CloseReason, Protection, Side};
use super::machine::{Machine, Phase};
use super::pending::{Kind, Own, Pending};
use super::policy::{ClientTls, ServerTls};
use crate::ftp::canned;
use crate::ftp::command::{Command, Verb};
use crate::ftp::feat;
use crate::ftp::reply::{Part, ReplyCode, ReplyLine};

/// How far one control connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Layer {
    #[default]
    Plain,
    Handshake,
    Tls,
}

/// The protection of both sides.
#[derive(Debug, Default)]
pub(super) struct Secure {
    layers: [Layer; 2],
    /// PBSZ was said (RFC 2228 wants it before PROT).
    pbsz: bool,
    /// The client's PROT is P.
    client_data: bool,
    /// Ours towards the server is P.
    server_data: bool,
}

impl Secure {
    pub(super) fn layer(&self, side: Side) -> Layer {
        self.layers[side.index() & 1]
    }

    pub(super) fn set(&mut self, side: Side, layer: Layer) {
        self.layers[side.index() & 1] = layer;
    }

    pub(super) fn shakes_hands(&self, side: Side) -> bool {
        self.layer(side) == Layer::Handshake
    }

    pub(super) fn is_tls(&self, side: Side) -> bool {
        self.layer(side) == Layer::Tls
    }

    /// What PROT says now, which is what counts when the transfer command comes (P116).
    pub(super) fn protection(&self) -> Protection {
        Protection {
            downstream: self.is_tls(Side::Downstream) && self.client_data,
            upstream: self.is_tls(Side::Upstream) && self.server_data,
        }
    }
}

impl Machine {
    /// Whether nothing was sent in the clear behind the line being handled (S12, S13).
    pub(super) fn is_last_line(&self, side: Side) -> bool {
        let index = side.index() & 1;
        let queued = side == Side::Downstream && !self.queue.is_empty();
        !queued && !self.more[index] && self.lines[index].is_empty()
    }

    /// The client after AUTH is one of whom nothing is known yet (P110, S14).
    fn client_is_new(&mut self) {
        self.release();
        self.fresh = true;
        self.epsv_all = false;
        self.login.user = Box::default();
    }

    pub(super) fn start_tls(&mut self, side: Side) {
        self.secure.set(side, Layer::Handshake);
        self.act(Action::StartTls(side));
    }

    /// The handshake is done: what was learned before it is forgotten (S14, P110).
    pub(super) fn tls_up(&mut self, side: Side, now: Instant) {
        self.secure.set(side, Layer::Tls);
        match side {
            Side::Downstream => {
                self.client_is_new();
                if self.phase == Phase::Lazy && self.policy.tls.client == ClientTls::Implicit {
                    self.secure.pbsz = true;
                    self.secure.client_data = true;
                    return self.open_doors();
                }
                let open = self.link().is_some() && !self.secure.is_tls(Side::Upstream);
                if open && self.policy.tls.server == ServerTls::Same {
                    self.own(Own::Auth, now);
                }
            }
            Side::Upstream if self.policy.tls.server == ServerTls::Implicit => {
                self.expect_greeting(now);
            }
            Side::Upstream => self.own(Own::Pbsz, now),
        }
    }

    pub(super) fn tls_failed(&mut self, side: Side, now: Instant) {
        match side {
            Side::Downstream => self.end(CloseReason::ClientTls, now),
            Side::Upstream => self.server_tls_failed(now),
        }
    }

    fn server_tls_failed(&mut self, now: Instant) {
        self.say(Side::Downstream, canned::SERVER_TLS_FAILED);
        self.end(CloseReason::ServerTls, now);
    }

    // --- the client's AUTH, PBSZ, PROT, CCC ---

    /// What has to wait for AUTH where TLS is required (S15). What is left tells nothing and
    /// does nothing.
    pub(super) fn needs_tls(&self, verb: Verb) -> bool {
        let harmless = matches!(
            verb,
            Verb::Feat
                | Verb::Quit
                | Verb::Noop
                | Verb::Help
                | Verb::Syst
                | Verb::Host
                | Verb::Clnt
        );
        self.policy.tls.client == ClientTls::Required
            && !self.secure.is_tls(Side::Downstream)
            && !harmless
            && !verb.is_security()
    }

    /// `last`: nothing came behind this line in the clear.
    pub(super) fn security(&mut self, command: &Command<'_>, last: bool, now: Instant) {
        if self.policy.tls.client == ClientTls::Off {
            return self.answer(canned::NOT_IMPLEMENTED);
        }
        let protected = self.secure.is_tls(Side::Downstream);
        match command.verb {
            // What protects, protects inside of the tunnel that AUTH opens.
            _ if self.policy.tls.client == ClientTls::Passthrough => {
                self.answer(canned::AUTH_FIRST);
            }
            Verb::Auth => self.auth(command.arg, last, now),
            Verb::Ccc if protected => self.answer(canned::CCC_REFUSED),
            Verb::Ccc => self.answer(canned::CCC_NOT_PROTECTED),
            Verb::Pbsz | Verb::Prot if !protected => self.answer(canned::AUTH_FIRST),
            Verb::Pbsz if command.arg.iter().all(u8::is_ascii_digit) => {
                self.secure.pbsz = true;
                self.answer(canned::PBSZ_OK);
            }
            Verb::Pbsz => self.answer(canned::BAD_ARGUMENT),
            Verb::Prot => self.prot(command.arg),
            _ => self.answer(canned::NOT_IMPLEMENTED),
        }
    }

    fn auth(&mut self, mechanism: &[u8], last: bool, now: Instant) {
        let old = [&b"SSL"[..], b"TLS-P"].iter().any(|m| mechanism.eq_ignore_ascii_case(m));
        let known =
            old || [&b"TLS"[..], b"TLS-C"].iter().any(|m| mechanism.eq_ignore_ascii_case(m));
        // A server named in the clear might be somebody else's choice (S14).
        let begun = !self.login.user.is_empty() || self.named.is_some();
        if self.secure.is_tls(Side::Downstream) || begun {
            self.answer(canned::AUTH_TOO_LATE);
        } else if !known {
            self.answer(canned::AUTH_UNKNOWN);
        } else if !last {
            self.say(Side::Downstream, canned::AUTH_NOT_LAST);
            self.end(CloseReason::Injection, now);
        } else {
            // In the old spellings the data are protected too.
            self.secure.pbsz = old;
            self.secure.client_data = old;
            self.say(Side::Downstream, canned::AUTH_OK);
            self.start_tls(Side::Downstream);
        }
    }

    fn prot(&mut self, level: &[u8]) {
        let level = level.to_ascii_uppercase();
        let reply = match &*level {
            _ if !self.secure.pbsz => canned::PBSZ_FIRST,
            b"C" if self.policy.tls.client_data => canned::PROT_REQUIRED,
            b"C" | b"P" => {
                self.secure.client_data = level == b"P";
                canned::PROT_OK
            }
            b"S" | b"E" => canned::PROT_NOT_SUPPORTED,
            _ => canned::PROT_UNKNOWN,
        };
        self.answer(reply);
    }

    /// Whether a transfer has to be refused because its data would travel in the clear (P117).
    pub(super) fn data_must_be_protected(&self) -> bool {
        self.policy.tls.client_data && !self.secure.protection().downstream
    }

    /// Whether the next transfer of the client is sure to be protected although PROT counts only at
    /// its command (P116): it is now, and PROT C, AUTH, REIN and CCC are refused.
    pub(super) fn data_stays_protected(&self) -> bool {
        self.policy.tls.client_data && self.secure.protection().downstream
    }

    // --- our own AUTH, PBSZ, PROT towards the server ---

    /// A greeting in the clear that says more than hello, while a side is yet to be protected:
    /// nobody is to believe that a login, or a password, was asked for (P114, S14).
    pub(super) fn promises_too_much(&self, greeting: ReplyCode) -> bool {
        let tls = &self.policy.tls;
        let server = matches!(tls.server, ServerTls::Explicit | ServerTls::Auto | ServerTls::Same);
        let client = tls.client == ClientTls::Required && !self.secure.is_tls(Side::Downstream);
        greeting.get() != 220 && !greeting.is_negative() && (server || client)
    }

    /// Whether the greeted server is to be protected first; if so it has begun.
    pub(super) fn secure_server(&mut self, now: Instant) {
        let client = self.secure.is_tls(Side::Downstream);
        match self.policy.tls.server {
            ServerTls::Explicit => self.own(Own::Auth, now),
            ServerTls::Same if client => self.own(Own::Auth, now),
            ServerTls::Auto => self.own(Own::Feat(false), now),
            // The handshake came before the greeting (P113).
            ServerTls::Implicit => self.own(Own::Pbsz, now),
            ServerTls::Same | ServerTls::Off => {}
        }
    }

    fn own(&mut self, own: Own, now: Instant) {
        let line: &[u8] = match own {
            Own::Feat(_) => b"FEAT\r\n",
            Own::Auth => b"AUTH TLS\r\n",
            Own::Pbsz => b"PBSZ 0\r\n",
            Own::Prot => b"PROT P\r\n",
        };
        self.say(Side::Upstream, line);
        let wait = now + self.policy.timeouts.reply;
        self.pending.push_back(Pending::new(Kind::Own(own), wait));
    }

    /// A line of the reply to one of ours.
    pub(super) fn own_line(own: &mut Own, reply: &ReplyLine<'_>) {
        if let (Own::Feat(seen), Part::Inner) = (own, reply.part) {
            let line = reply.text.trim_ascii();
            *seen |= feat::name(line) == b"AUTH" && line.windows(3).any(|w| w == b"TLS");
        }
    }

    /// The reply is whole. `last`: nothing came behind it in the clear (S13).
    pub(super) fn own_reply(&mut self, own: Own, code: ReplyCode, last: bool, now: Instant) {
        match own {
            Own::Feat(true) if code.is_positive() => self.own(Own::Auth, now),
            Own::Feat(_) => {}
            Own::Auth if code.get() == 234 && last => self.start_tls(Side::Upstream),
            Own::Auth if code.get() == 234 => {
                self.say(Side::Downstream, canned::SERVER_TLS_FAILED);
                self.end(CloseReason::Injection, now);
            }
            Own::Auth => self.server_tls_failed(now),
            // Some servers know no PBSZ: PROT decides.
            Own::Pbsz => self.own(Own::Prot, now),
            Own::Prot if code.is_positive() => self.secure.server_data = true,
            Own::Prot if self.policy.tls.server_data => self.server_tls_failed(now),
            Own::Prot => self.secure.server_data = false,
        }
    }
}
