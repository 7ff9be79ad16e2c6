//! The state machine of one session: events in, actions out.
//!
//! This file holds the state, the way lines take through it and the clock. What a client's command
//! does is in `commands`, what a server's reply does in `replies`; data connections are in `grant`,
//! `asking` and `transfer`.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::{Action, CloseReason, Event, Side, Stage};
use super::grant::Grant;
use super::pending::{Kind, Pending};
use super::policy::Policy;
use super::queue::{Queue, Queued};
use crate::ftp::addr::canonical;
use crate::ftp::canned;
use crate::ftp::command::{foreign_protocol, foreign_start};
use crate::ftp::line::{Item, LineBuffer};
use crate::ftp::reply::ReplyParser;

/// Replies in a row that nobody asked for until the server is given up (P21).
const MAX_UNSOLICITED: u32 = 3;

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
    pub(super) phase: Phase,
    pub(super) login: Login,
    pub(super) pending: VecDeque<Pending>,
    /// Which pending command the multi-line reply being read belongs to.
    pub(super) owner: Option<usize>,
    pub(super) grant: Grant,
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
    lines: [LineBuffer; 2],
    queue: Queue,
    actions: VecDeque<Action>,
    /// No whole line of the client was read yet (S9).
    fresh: bool,
    client_gone: bool,
    /// It went while the data it had confirmed was still on its way to the client.
    pub(super) server_gone: bool,
    draining: bool,
    opened: Instant,
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
    /// [`Action::Close`] was given.
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
    pub(super) user: Vec<u8>,
    pub(super) done: bool,
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
            phase: Phase::Lazy,
            login: Login::default(),
            pending: VecDeque::new(),
            owner: None,
            grant: Grant::None,
            epsv_all: false,
            binary: false,
            parser: ReplyParser::default(),
            unsolicited: 0,
            bad_commands: 0,
            late_abor: false,
            mid_reply: false,
            deferred: Vec::new(),
            lines,
            queue: Queue::default(),
            actions: VecDeque::new(),
            fresh: true,
            client_gone: false,
            server_gone: false,
            draining: false,
            opened: now,
            last_activity: now,
            policy,
        };
        match &machine.policy.greeting {
            Some(text) => {
                let greeting = format!("220 {text}\r\n").into_bytes();
                machine.say(Side::Downstream, greeting);
            }
            None => machine.connect(),
        }
        machine
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
            Event::ConnectFailed => {
                self.say(Side::Downstream, canned::SERVER_UNREACHABLE);
                self.end(CloseReason::ServerUnreachable, now);
            }
            Event::Listening(side, addr) => self.listening(side, addr, now),
            Event::ListenRefused(side, why) => self.listen_refused(side, why, now),
            Event::Drain => self.draining = true,
        }
        self.settle(now);
    }

    /// The next thing to do, if any.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether more bytes of that side are wanted now: `false` bounds the queue (P8). Bytes that
    /// come all the same are kept.
    pub fn wants_input(&self, side: Side) -> bool {
        match side {
            Side::Downstream => {
                let room = self.queue.wants_more(self.policy.queued_commands);
                !self.over() && !self.client_gone && room
            }
            Side::Upstream => !self.over() && !self.server_gone,
        }
    }

    /// When [`Event::Deadline`] is due.
    pub fn poll_deadline(&self) -> Option<Instant> {
        let timeouts = &self.policy.timeouts;
        match self.phase {
            Phase::Closed => return None,
            Phase::Ending { until, .. } => return Some(until),
            Phase::Lazy | Phase::Connecting | Phase::Open(_) => {}
        }
        let login = (!self.login.done).then(|| self.opened + timeouts.login);
        let idle = self.at_rest().then(|| self.last_activity + timeouts.idle);
        let replies = self.pending.iter().filter_map(|p| p.deadline).min();
        [login, idle, replies, self.grant.deadline()].into_iter().flatten().min()
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
        self.actions.push_back(action);
    }

    pub(super) fn say(&mut self, to: Side, bytes: impl Into<Vec<u8>>) {
        self.act(Action::Send { to, bytes: bytes.into(), urgent: false });
    }

    /// A reply of our own, never in the middle of one of the server's: the client would take it
    /// for a part of that (P14).
    pub(super) fn answer(&mut self, reply: impl Into<Vec<u8>>) {
        if self.mid_reply {
            self.deferred.extend(reply.into());
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
        connecting || !self.pending.is_empty() || !self.grant.is_settled()
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

    const fn over(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. } | Phase::Closed)
    }

    fn at_rest(&self) -> bool {
        !self.busy() && self.queue.is_empty()
    }

    // --- the client's lines ---

    fn client_bytes(&mut self, mut bytes: &[u8], now: Instant) {
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
    fn settle(&mut self, now: Instant) {
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

    /// A client that pipes its whole dialogue in and closes still gets it carried out; one that
    /// leaves with nothing else to say has hung up (P32).
    fn client_eof(&mut self, now: Instant) {
        self.client_gone = true;
        if self.queue.is_empty() && (self.in_transfer() || self.phase == Phase::Connecting) {
            self.end(CloseReason::ClientGone, now);
        }
    }

    // --- the server's lines ---

    fn connected(&mut self, link: Link, now: Instant) {
        self.phase = Phase::Open(link);
        let wait = now + self.policy.timeouts.reply;
        self.pending.push_back(Pending::new(Kind::Greeting, wait));
    }

    fn server_bytes(&mut self, mut bytes: &[u8], now: Instant) {
        let mut lines = std::mem::replace(&mut self.lines[1], LineBuffer::replies(0));
        while let Some(item) = lines.next(&mut bytes) {
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
    fn server_eof(&mut self, now: Instant) {
        if self.pending.iter().any(|p| matches!(p.kind, Kind::Quit)) {
            return self.end(CloseReason::Quit, now);
        }
        self.server_gone = true;
        if !self.is_draining_data() {
            self.say(Side::Downstream, canned::SERVER_GONE);
            self.end(CloseReason::ServerGone, now);
        }
    }

    pub(super) fn unsolicited(&mut self, now: Instant) {
        self.unsolicited += 1;
        if self.unsolicited >= MAX_UNSOLICITED {
            self.say(Side::Downstream, canned::SERVER_CONFUSED);
            self.end(CloseReason::ServerConfused, now);
        }
    }

    // --- the clock ---

    fn deadline(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let Phase::Ending { reason, until } = self.phase {
            if until <= now {
                self.close(reason);
            }
            return;
        }
        if self.phase == Phase::Closed {
            return;
        }
        let timeouts = &self.policy.timeouts;
        if !self.login.done && self.opened + timeouts.login <= now {
            self.say(Side::Downstream, canned::LOGIN_TIMEOUT);
            return self.end(CloseReason::LoginTimeout, now);
        }
        if self.at_rest() && self.last_activity + timeouts.idle <= now {
            self.say(Side::Downstream, canned::IDLE_TIMEOUT);
            return self.end(CloseReason::Idle, now);
        }
        if due(self.grant.deadline()) {
            self.ask_port_again(now);
        }
        if let Some(late) = self.pending.iter().position(|p| due(p.deadline)) {
            self.reply_overdue(late, now);
        }
    }
}

/// `after` from `now`, for deadlines.
pub(super) fn within(now: Instant, after: Duration) -> Option<Instant> {
    Some(now + after)
}
