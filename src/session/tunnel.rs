//! AUTH that is the server's (P122, P102): passed on, and once the server took it the session is a
//! byte pipe of which we know nothing.
//!
//! Nothing in the clear may lie around the turning point, on either side: whoever put it there
//! wants it taken for something that it is not (S12, S13).

use std::time::Instant;

use super::event::{Action, CloseReason, Side};
use super::machine::{Machine, Phase};
use super::pending::Kind;
use super::policy::ClientTls;
use super::transfer::hold;
use crate::ftp::canned;
use crate::ftp::command::{Command, Verb};
use crate::ftp::reply::{ReplyCode, ReplyLine};

impl Machine {
    /// Whether a command about protection is the server's business.
    pub(super) fn passes(&self, verb: Verb) -> bool {
        verb == Verb::Auth && self.policy.tls.client == ClientTls::Passthrough
    }

    /// Which mechanism is meant, and whether it comes too late, is the server's to say.
    pub(super) fn pass_auth(&mut self, command: &Command<'_>, now: Instant) {
        if !self.is_last_line(Side::Downstream) {
            return self.injected(canned::AUTH_NOT_LAST, now);
        }
        self.forward(command, Kind::Auth(Vec::new()), now);
    }

    /// Held until it is certain that the client may have it.
    pub(super) fn auth_line(&mut self, index: usize, reply: &ReplyLine<'_>) {
        let veil = self.veil();
        if let Some(Kind::Auth(words)) = self.pending.get_mut(index).map(|p| &mut p.kind) {
            hold(words, reply, veil);
        }
    }

    /// A refusal changes nothing. Else what follows is the client's and the server's alone.
    pub(super) fn auth_answered(&mut self, words: &[u8], code: ReplyCode, now: Instant) {
        if code.is_negative() {
            return self.answer(words);
        }
        if !self.is_last_line(Side::Downstream) {
            return self.injected(canned::AUTH_NOT_LAST, now);
        }
        if !self.is_last_line(Side::Upstream) {
            return self.injected(canned::SERVER_TLS_FAILED, now);
        }
        if self.client_gone {
            return self.end(CloseReason::ClientGone, now);
        }
        self.release();
        self.say(Side::Downstream, words);
        self.phase = Phase::Closed;
        self.act(Action::Tunnel);
    }

    fn injected(&mut self, reply: &'static [u8], now: Instant) {
        self.say(Side::Downstream, reply);
        self.end(CloseReason::Injection, now);
    }
}
