//! The state machine of one session: events in, actions out.
//!
//! This file holds the state. The way that bytes take through it is in `input`, what a client's
//! command does in `commands`, what a server's reply does in `replies`, what lateness does in
//! `overdue`; data connections are in `grant`, `asking` and `transfer`.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::Desk;
use super::event::{Action, CloseReason, Event, Side, Stage};
use super::forward::Named;
use super::grant::Grant;
use super::pending::Pending;
use super::policy::{ClientTls, DataCommand, Policy};
use super::queue::Queue;
use super::rfc6384::Algs;
use super::secure::Secure;
use crate::ftp::addr::canonical;
use crate::ftp::canned;
use crate::ftp::line::LineBuffer;
use crate::ftp::reply::ReplyParser;

/// One session: a control dialogue and at most one data transfer.
///
/// The contract is single mutation: one [`handle`](Self::handle), then
/// [`poll_action`](Self::poll_action) until `None`, then the next.
#[derive(Debug)]
pub struct Machine {
    pub(super) policy: Arc<Policy>,
    /// The client's address, canonical.
    pub(super) client: IpAddr,
    /// Our end of the client's control connection, canonical address.
    pub(super) local: SocketAddr,
    /// What stands in for the server's address in its texts (P25).
    pub(super) outer: IpAddr,
    pub(super) phase: Phase,
    /// The server that the client named, in forward mode.
    pub(super) named: Option<Box<Named>>,
    pub(super) login: Login,
    pub(super) pending: VecDeque<Pending>,
    /// Which pending command the multi-line reply being read belongs to.
    pub(super) owner: Option<usize>,
    pub(super) grant: Grant,
    /// The command for data connections that the server took last.
    pub(super) agreed: Option<DataCommand>,
    pub(super) algs: Algs,
    /// `EPSV ALL` was said (P72).
    pub(super) epsv_all: bool,
    /// TYPE I or L is in force.
    pub(super) binary: bool,
    pub(super) parser: ReplyParser,
    pub(super) unsolicited: u32,
    pub(super) bad_commands: u32,
    /// The server may still answer an ABOR that was given up (P23).
    pub(super) late_abor: bool,
    /// A reply of the server is being passed: ours wait in `deferred` until it is whole.
    pub(super) mid_reply: bool,
    pub(super) deferred: Vec<u8>,
    /// What the server says to an ABOR, while the transfer has no reply yet.
    pub(super) held_abor: Vec<u8>,
    /// Which control connections are under TLS, and what PROT says.
    pub(super) secure: Secure,
    /// Of that side more bytes were read than the line being handled.
    pub(super) more: [bool; 2],
    pub(super) lines: [LineBuffer; 2],
    pub(super) queue: Queue,
    desk: Option<Box<Desk>>,
    /// No whole line of the client was read yet (S9).
    pub(super) fresh: bool,
    pub(super) client_gone: bool,
    /// It went while the data it had confirmed was still on its way to the client.
    pub(super) server_gone: bool,
    pub(super) draining: bool,
    pub(super) opened: Instant,
    pub(super) last_activity: Instant,
}

/// Where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// We greeted the client ourselves; no server yet (S20).
    Lazy,
    /// The server is being dialled.
    Connecting,
    /// Both control connections are up.
    Open(Link),
    /// Over, but for the report of a transfer that is being stopped.
    Ending { reason: CloseReason, until: Instant },
    /// [`Action::Close`] or [`Action::Tunnel`] was given.
    Closed,
}

/// The control connection to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) epsv: bool,
}

/// Who the client is.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) user: Box<[u8]>,
    pub(super) done: bool,
    /// [`Action::LoggedIn`] was given, which is once a session.
    pub(super) told: bool,
    pub(super) failures: u32,
}

impl Machine {
    /// A session whose client has just connected from `client` to `local`.
    pub fn new(policy: Arc<Policy>, client: SocketAddr, local: SocketAddr, now: Instant) -> Self {
        let lines = [
            LineBuffer::commands(policy.command_line, policy.bare_lf),
            LineBuffer::replies(policy.reply_line),
        ];
        let mut machine = Self {
            client: canonical(client.ip()),
            local: SocketAddr::new(canonical(local.ip()), local.port()),
            outer: canonical(local.ip()),
            phase: Phase::Lazy,
            named: None,
            login: Login::default(),
            // There is rarely more than one.
            pending: VecDeque::with_capacity(1),
            owner: None,
            grant: Grant::None,
            agreed: None,
            algs: Algs::default(),
            epsv_all: false,
            binary: false,
            parser: ReplyParser::default(),
            unsolicited: 0,
            bad_commands: 0,
            late_abor: false,
            mid_reply: false,
            deferred: Vec::new(),
            held_abor: Vec::new(),
            secure: Secure::default(),
            more: [false; 2],
            lines,
            queue: Queue::default(),
            desk: None,
            fresh: true,
            client_gone: false,
            server_gone: false,
            draining: false,
            opened: now,
            last_activity: now,
            policy,
        };
        if machine.policy.tls.client == ClientTls::Implicit {
            machine.start_tls(Side::Downstream);
        } else {
            machine.open_doors();
        }
        machine
    }

    /// Greets the client, or has the server do it.
    pub(super) fn open_doors(&mut self) {
        match &self.policy.greeting {
            Some(text) => {
                let text = text.clone();
                self.print(Side::Downstream, format_args!("220 {text}\r\n"));
            }
            None => self.connect(),
        }
    }

    /// Names the address to write where the server's stood, if that is to be hidden (P25): the one
    /// this client is told, not our end of its control connection, which may be an inner one too.
    pub fn hide_behind(&mut self, outer: IpAddr) {
        self.outer = canonical(outer);
    }

    /// Takes in one event that happened at `now`.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) {
        match event {
            Event::TransferDone(report) => self.transfer_done(report, now),
            Event::Deadline => self.deadline(now),
            _ if self.over() => return,
            Event::Bytes(Side::Downstream, bytes) => self.client_bytes(bytes, now),
            Event::Bytes(Side::Upstream, bytes) => self.server_bytes(bytes, now),
            Event::Eof(Side::Downstream) => self.client_eof(now),
            Event::Eof(Side::Upstream) => self.server_eof(now),
            Event::Connected { peer, local, epsv } => {
                let peer = SocketAddr::new(canonical(peer.ip()), peer.port());
                let local = SocketAddr::new(canonical(local.ip()), local.port());
                self.connected(Link { peer, local, epsv }, now);
            }
            Event::ConnectFailed if self.named.is_some() => self.server_refused(now),
            Event::ConnectFailed => {
                self.say(Side::Downstream, canned::SERVER_UNREACHABLE);
                self.end(CloseReason::ServerUnreachable, now);
            }
            Event::Listening(side, addr) => self.listening(side, addr, now),
            Event::ListenRefused(side, why) => self.listen_refused(side, why, now),
            Event::TlsUp(side) => self.tls_up(side, now),
            Event::TlsFailed(side) => self.tls_failed(side, now),
            Event::TransferJoined => self.transfer_joined(),
            Event::Drain => self.draining = true,
        }
        self.settle(now);
    }

    /// The next thing to do, if any.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.desk.as_mut()?.next()
    }

    /// Has the machine use this desk in place of its own. To be done between events.
    pub fn lend(&mut self, desk: Box<Desk>) {
        self.desk = Some(desk);
    }

    /// Takes the desk away: between events the machine needs none.
    pub fn take_desk(&mut self) -> Option<Box<Desk>> {
        self.desk.take()
    }

    /// Whether more bytes of that side are wanted now: `false` bounds the queue (P8). Bytes that
    /// come all the same are kept.
    pub fn wants_input(&self, side: Side) -> bool {
        if self.secure.shakes_hands(side) {
            return false;
        }
        match side {
            _ if self.over() => false,
            Side::Downstream if self.client_gone => false,
            Side::Downstream => self.queue.wants_more(self.policy.queued_commands),
            Side::Upstream => !self.server_gone,
        }
    }

    /// The user name as the client sent it; empty before USER.
    pub fn user(&self) -> &[u8] {
        &self.login.user
    }

    /// Whether a transfer command is under way.
    pub fn in_transfer(&self) -> bool {
        matches!(self.grant, Grant::Running(_))
    }

    // --- what the other files of the room use ---

    pub(super) fn act(&mut self, action: Action) {
        self.desk.get_or_insert_default().act(action);
    }

    /// Sends whole lines.
    pub(super) fn say(&mut self, to: Side, words: impl AsRef<[u8]>) {
        self.write(to, |line| line.extend_from_slice(words.as_ref()));
    }

    /// The same in print.
    pub(super) fn print(&mut self, to: Side, words: impl fmt::Display) {
        // Nothing that is written to a vector fails.
        self.write(to, |line| drop(write!(line, "{words}")));
    }

    /// The same, as `words` write them.
    pub(super) fn write(&mut self, to: Side, words: impl FnOnce(&mut Vec<u8>)) {
        self.desk.get_or_insert_default().write(to, words);
    }

    /// A reply of our own, never in the middle of one of the server's: the client would take it
    /// for a part of that (P14).
    pub(super) fn answer(&mut self, reply: impl AsRef<[u8]>) {
        if self.mid_reply {
            self.deferred.extend_from_slice(reply.as_ref());
        } else {
            self.say(Side::Downstream, reply);
        }
    }

    pub(super) fn advance(&mut self, stage: Stage) {
        self.act(Action::Advance(stage));
    }

    /// Puts a line back that found no server yet.
    pub(super) fn requeue(&mut self, line: &[u8]) {
        self.queue.put_back(line);
    }

    pub(super) fn connect(&mut self) {
        self.phase = Phase::Connecting;
        self.act(Action::Connect);
    }

    pub(super) const fn link(&self) -> Option<Link> {
        match self.phase {
            Phase::Open(link) => Some(link),
            _ => None,
        }
    }

    /// A command is under way: the next has to wait (P9).
    pub(super) fn busy(&self) -> bool {
        let connecting = self.phase == Phase::Connecting;
        let shaking = [Side::Downstream, Side::Upstream].map(|side| self.secure.shakes_hands(side));
        connecting
            || shaking.contains(&true)
            || !self.pending.is_empty()
            || !self.grant.is_settled()
    }

    /// Ends the session. A transfer that still runs is stopped first, so that its record is whole.
    pub(super) fn end(&mut self, reason: CloseReason, now: Instant) {
        if self.over() {
            return;
        }
        self.queue = Queue::default();
        if self.grant.is_moving() {
            self.stop_transfer();
            let until = now + self.policy.timeouts.grace;
            self.phase = Phase::Ending { reason, until };
        } else {
            self.close(reason);
        }
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        self.record_unfinished();
        self.phase = Phase::Closed;
        self.act(Action::Close(reason));
    }

    pub(super) const fn over(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. } | Phase::Closed)
    }

    pub(super) fn at_rest(&self) -> bool {
        !self.busy() && self.queue.is_empty()
    }
}

/// `after` from `now`, for deadlines.
pub(super) fn within(now: Instant, after: Duration) -> Option<Instant> {
    Some(now + after)
}
