//! Data connections as the dialogue sees them: the grant states D0–D7 (`requirements.md` §18).
//!
//! D0 is [`Grant::None`], D1 [`Grant::Asking`], D2/D3 [`Grant::Ready`], D4–D7
//! [`Grant::Running`]. Any client mode joins with any server mode: each is one leg, and legs know
//! nothing of each other (P79).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::event::{
    Action, Direction, Leg, ListenError, Outcome, Side, Stage, TransferPlan, TransferRecord,
    TransferReport,
};
use super::machine::{Link, Machine, Phase, within};
use super::pending::{Kind, Pending};
use super::policy::{DataCommand, UpstreamMode};
use crate::ftp::addr::{HostPort, eprt, epsv_reply, pasv_reply};
use crate::ftp::canned;
use crate::ftp::command::Command;

/// How long between two looks for a free data port. The pool wakes nobody: it is asked again.
const LEASE_RETRY: Duration = Duration::from_millis(50);

/// What is kept of a final reply that waits for the data; inner lines beyond are left out (P24).
const MAX_HELD_REPLY: usize = 64 << 10;

/// The data grant: at most one a session.
#[derive(Debug)]
pub(super) enum Grant {
    None,
    Asking(Asking),
    Ready { modes: Modes, expired: bool },
    Running(Box<Running>),
}

/// Which commands set the connection up, on either side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modes {
    pub(super) client: DataCommand,
    pub(super) server: DataCommand,
}

/// D1: the client waits for the reply to its PASV, EPSV, PORT or EPRT.
#[derive(Debug)]
pub(super) struct Asking {
    modes: Modes,
    /// Where an active client wants to be dialled.
    client_target: Option<SocketAddr>,
    /// The leg towards the server, once it is known.
    upstream: Option<Leg>,
    /// The server's port, read from its reply but not yet agreed on.
    target: Option<SocketAddr>,
    /// The server's refusal in its own words.
    refusal: Vec<u8>,
    waiting: Option<PortWait>,
}

/// All ports are leased to this client's address: asked again until the time is up.
#[derive(Debug)]
struct PortWait {
    side: Side,
    next: Instant,
    until: Instant,
}

/// D4–D7: a transfer command was forwarded.
#[derive(Debug)]
pub(super) struct Running {
    modes: Modes,
    verb: String,
    path: Vec<u8>,
    direction: Direction,
    started: bool,
    report: Option<TransferReport>,
    /// The server's final reply, held until the data plane has reported (P48).
    held: Vec<u8>,
    server_code: Option<u16>,
}

impl Grant {
    /// Whether the client may give its next command.
    pub(super) const fn is_settled(&self) -> bool {
        matches!(self, Self::None | Self::Ready { .. })
    }

    /// Whether a transfer runs that has not reported yet.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self, Self::Running(running) if running.report.is_none())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Asking(Asking { waiting: Some(wait), .. }) => Some(wait.next),
            _ => None,
        }
    }
}

impl Machine {
    /// The client asked for a data connection: D0/D2/D3 → D1.
    pub(super) fn ask(&mut self, client: DataCommand, target: Option<SocketAddr>, now: Instant) {
        self.release();
        let Some(link) = self.link() else { return };
        let server = self.server_mode(client, link);
        let modes = Modes { client, server };
        self.grant = Grant::Asking(Asking {
            modes,
            client_target: target,
            upstream: None,
            target: None,
            refusal: Vec::new(),
            waiting: None,
        });
        if server.is_passive() {
            self.send_mode(server, None, now);
        } else {
            self.listen(Side::Upstream);
        }
    }

    /// Which command to send to the server for a client's `client` (P58, P73, P79).
    fn server_mode(&self, client: DataCommand, link: Link) -> DataCommand {
        let wanted = match self.policy.upstream_mode {
            UpstreamMode::Same => client,
            UpstreamMode::Passive => DataCommand::Pasv,
            UpstreamMode::Active => DataCommand::Port,
            UpstreamMode::Command(command) => command,
        };
        match (wanted, link.peer.is_ipv6()) {
            (DataCommand::Pasv, true) => DataCommand::Epsv,
            (DataCommand::Port, true) => DataCommand::Eprt,
            (DataCommand::Epsv, false) if !link.epsv => DataCommand::Pasv,
            (wanted, _) => wanted,
        }
    }

    fn send_mode(&mut self, mode: DataCommand, ours: Option<SocketAddr>, now: Instant) {
        let line = match (mode, ours) {
            (DataCommand::Port, Some(SocketAddr::V4(addr))) => {
                format!("PORT {}\r\n", HostPort { ip: *addr.ip(), port: addr.port() })
            }
            (DataCommand::Eprt | DataCommand::Port, Some(addr)) => {
                format!("EPRT {}\r\n", eprt(addr))
            }
            (DataCommand::Pasv, _) => "PASV\r\n".to_owned(),
            (_, _) => "EPSV\r\n".to_owned(),
        };
        self.say(Side::Upstream, line);
        self.pending.push_back(Pending::new(Kind::Mode, now + self.policy.timeouts.reply));
    }

    fn listen(&mut self, side: Side) {
        let Grant::Asking(asking) = &self.grant else { return };
        let expected = match side {
            Side::Downstream => self.client,
            Side::Upstream => match self.link() {
                Some(link) => link.peer.ip(),
                None => return,
            },
        };
        let advertise = side == Side::Downstream && asking.modes.client == DataCommand::Pasv;
        self.act(Action::Listen { side, expected, advertise });
    }

    /// A data port is there: the line that names it may go out now, not before (P76).
    pub(super) fn listening(&mut self, side: Side, addr: SocketAddr, now: Instant) {
        let Grant::Asking(asking) = &mut self.grant else { return self.release() };
        asking.waiting = None;
        let modes = asking.modes;
        match side {
            Side::Upstream => {
                asking.upstream = Some(Leg::Accept);
                self.send_mode(modes.server, Some(addr), now);
            }
            Side::Downstream => {
                let reply = match (modes.client, addr) {
                    (DataCommand::Pasv, SocketAddr::V4(v4)) => {
                        pasv_reply(HostPort { ip: *v4.ip(), port: v4.port() })
                    }
                    _ => epsv_reply(addr.port()),
                };
                self.granted(Leg::Accept, reply, now);
            }
        }
    }

    pub(super) fn listen_refused(&mut self, side: Side, why: ListenError, now: Instant) {
        let patience = self.policy.timeouts.lease_wait;
        let Grant::Asking(asking) = &mut self.grant else { return };
        let until = asking.waiting.as_ref().map_or(now + patience, |wait| wait.until);
        if why == ListenError::Exhausted && now < until {
            let next = (now + LEASE_RETRY).min(until);
            asking.waiting = Some(PortWait { side, next, until });
            return;
        }
        let reply = match why {
            ListenError::Exhausted => canned::NO_FREE_PORT,
            ListenError::NoAddress => canned::NO_ADDRESS,
            ListenError::Local => canned::NO_LISTENER,
        };
        self.refuse_grant(reply, now);
    }

    pub(super) fn ask_port_again(&mut self, now: Instant) {
        if let Grant::Asking(Asking { waiting: Some(wait), .. }) = &mut self.grant {
            let side = wait.side;
            // Not due again before the answer to this try is in.
            wait.next = now + LEASE_RETRY;
            self.listen(side);
        }
    }

    /// The first and only line of a good reply to our mode command came (P82).
    pub(super) fn mode_accepted(&mut self, target: Option<SocketAddr>, now: Instant) {
        let Grant::Asking(asking) = &mut self.grant else { return };
        if let Some(target) = target {
            asking.upstream = Some(Leg::Connect(target));
        }
        match asking.client_target {
            None => self.listen(Side::Downstream),
            Some(target) => {
                let reply = match asking.modes.client {
                    DataCommand::Eprt => canned::EPRT_OK,
                    _ => canned::PORT_OK,
                };
                self.granted(Leg::Connect(target), reply, now);
            }
        }
    }

    /// EPSV was refused: PASV instead, now and in later sessions (P73).
    pub(super) fn fall_back_to_pasv(&mut self, now: Instant) -> bool {
        let Phase::Open(link) = &mut self.phase else { return false };
        let Grant::Asking(asking) = &mut self.grant else { return false };
        if asking.modes.server != DataCommand::Epsv || link.peer.is_ipv6() {
            return false;
        }
        link.epsv = false;
        asking.modes.server = DataCommand::Pasv;
        self.act(Action::EpsvRefused);
        self.send_mode(DataCommand::Pasv, None, now);
        true
    }

    fn granted(&mut self, downstream: Leg, reply: impl Into<Vec<u8>>, now: Instant) {
        let Grant::Asking(Asking { modes, upstream: Some(upstream), .. }) = self.grant else {
            return;
        };
        self.grant = Grant::Ready { modes, expired: false };
        self.act(Action::Open(TransferPlan { downstream, upstream }));
        self.say(Side::Downstream, reply);
        self.last_activity = now;
    }

    /// D1 → D0: the client is told why, ports go back.
    pub(super) fn refuse_grant(&mut self, reply: impl Into<Vec<u8>>, now: Instant) {
        self.release();
        self.say(Side::Downstream, reply);
        self.last_activity = now;
    }

    /// A data port that the server named; an address seen once is not lost to a later line.
    pub(super) fn note_target(&mut self, target: Option<SocketAddr>) {
        if let (Grant::Asking(asking), Some(target)) = (&mut self.grant, target) {
            asking.target = Some(target);
        }
    }

    pub(super) fn take_target(&mut self) -> Option<SocketAddr> {
        match &mut self.grant {
            Grant::Asking(asking) => asking.target.take(),
            _ => None,
        }
    }

    pub(super) fn note_refusal(&mut self, words: Vec<u8>) {
        if let Grant::Asking(asking) = &mut self.grant {
            asking.refusal = words;
        }
    }

    pub(super) fn take_refusal(&mut self) -> Vec<u8> {
        match &mut self.grant {
            Grant::Asking(asking) => std::mem::take(&mut asking.refusal),
            _ => Vec::new(),
        }
    }

    /// Keeps a line of the final reply until the data plane has reported.
    pub(super) fn hold_line(&mut self, line: &[u8], last: bool) {
        if let Grant::Running(running) = &mut self.grant {
            if last || running.held.len() + line.len() <= MAX_HELD_REPLY {
                running.held.extend_from_slice(line);
            }
        }
    }

    /// The modes of the grant being asked for.
    pub(super) const fn asked_modes(&self) -> Option<Modes> {
        match &self.grant {
            Grant::Asking(asking) => Some(asking.modes),
            _ => None,
        }
    }

    /// Any state → D0.
    pub(super) fn release(&mut self) {
        if !matches!(self.grant, Grant::None) {
            self.grant = Grant::None;
            self.act(Action::CloseTransfer);
        }
    }

    /// A transfer command: D2/D3 → D4, or 425 when nothing was agreed on (P39).
    pub(super) fn transfer(&mut self, command: &Command<'_>, direction: Direction, now: Instant) {
        let Grant::Ready { modes, expired: false } = self.grant else {
            let reply = match self.grant {
                Grant::Ready { .. } => canned::DATA_TIMED_OUT,
                _ => canned::USE_PASV_FIRST,
            };
            return self.refuse_grant(reply, now);
        };
        self.grant = Grant::Running(Box::new(Running {
            modes,
            verb: String::from_utf8_lossy(command.name).to_ascii_uppercase(),
            path: command.arg.to_vec(),
            direction,
            started: false,
            report: None,
            held: Vec::new(),
            server_code: None,
        }));
        self.say(Side::Upstream, command.to_line());
        self.advance(Stage::Requested(direction));
        let wait = now + self.policy.timeouts.preliminary;
        self.pending.push_back(Pending::new(Kind::Transfer, wait));
    }

    /// A 1yz to the transfer command: D4 → D5.
    pub(super) fn transfer_started(&mut self) {
        let Grant::Running(running) = &mut self.grant else { return };
        let direction = running.direction;
        let first = !std::mem::replace(&mut running.started, true);
        if running.report.is_none() {
            // From here on the data plane bounds the wait.
            self.bound_transfer_wait(None);
            if first {
                self.advance(Stage::Started(direction));
            }
        }
    }

    /// The final reply to the transfer command is in: D5 → D6 or D7.
    pub(super) fn transfer_answered(&mut self, code: u16, now: Instant) {
        let Grant::Running(running) = &mut self.grant else { return };
        running.server_code = Some(code);
        let direction = running.direction;
        if running.report.is_some() {
            return self.resolve(now);
        }
        if (200..300).contains(&code) {
            self.advance(Stage::Finished(direction));
        } else {
            self.advance(Stage::Failed);
        }
    }

    /// The data plane has spoken its last word.
    pub(super) fn transfer_done(&mut self, report: TransferReport, now: Instant) {
        match &mut self.grant {
            Grant::Ready { expired, .. } => *expired = true,
            Grant::Running(running) => {
                running.report = Some(report);
                if running.server_code.is_some() {
                    self.resolve(now);
                } else {
                    let wait = self.patience_after(report.outcome);
                    self.bound_transfer_wait(within(now, wait));
                }
            }
            Grant::None | Grant::Asking(_) => {}
        }
        if let Phase::Ending { reason, .. } = self.phase {
            self.close(reason);
        }
    }

    /// How long the server's final reply may take, now that the data is over (P44).
    fn patience_after(&self, outcome: Outcome) -> Duration {
        let timeouts = &self.policy.timeouts;
        match outcome {
            Outcome::Delivered | Outcome::NoData => timeouts.reply_long,
            Outcome::NotOpened(Side::Upstream, _) => timeouts.grace,
            Outcome::NotOpened(..) | Outcome::Broken(..) | Outcome::Stopped => timeouts.abort,
        }
    }

    fn bound_transfer_wait(&mut self, deadline: Option<Instant>) {
        let transfer = self.pending.iter_mut().find(|p| matches!(p.kind, Kind::Transfer));
        if let Some(pending) = transfer {
            pending.deadline = deadline;
        }
    }

    /// Both are in, the server's verdict and the data plane's: the client gets its reply (P48–P50).
    fn resolve(&mut self, now: Instant) {
        let Grant::Running(running) = std::mem::replace(&mut self.grant, Grant::None) else {
            return;
        };
        let mut running = running;
        let (Some(code), Some(report)) = (running.server_code, running.report) else { return };
        let good = (200..300).contains(&code);
        let reply = match report.outcome {
            Outcome::NotOpened(..) if good => Some(canned::CANNOT_OPEN_DATA),
            Outcome::NotOpened(Side::Downstream, _) if running.started => {
                Some(canned::CANNOT_OPEN_DATA)
            }
            Outcome::Broken(..) | Outcome::Stopped if good => Some(canned::TRANSFER_BROKEN),
            _ => None,
        };
        match reply {
            Some(line) => self.say(Side::Downstream, line),
            None => self.say(Side::Downstream, std::mem::take(&mut running.held)),
        }
        let client_code = reply.map_or(code, canned::code);
        self.finish(*running, client_code, now);
    }

    /// The server is late with its final reply: the client is not made to wait for it.
    ///
    /// Returns whether there was a transfer to answer for.
    pub(super) fn answer_for_server(&mut self, now: Instant) -> bool {
        let Grant::Running(running) = std::mem::replace(&mut self.grant, Grant::None) else {
            return false;
        };
        let line = match running.report.map(|report| report.outcome) {
            Some(Outcome::Broken(..) | Outcome::Stopped) => canned::TRANSFER_BROKEN,
            Some(Outcome::NotOpened(..)) | None => canned::CANNOT_OPEN_DATA,
            Some(Outcome::Delivered | Outcome::NoData) => {
                // Delivered, but the server never confirmed it: not ours to promise (P49).
                canned::NOT_CONFIRMED
            }
        };
        self.say(Side::Downstream, line);
        if running.report.is_none() {
            self.act(Action::CloseTransfer);
        }
        self.finish(*running, canned::code(line), now);
        true
    }

    /// The session ends in the middle of a transfer: its record is written all the same (S30).
    pub(super) fn record_unfinished(&mut self) {
        if let Grant::Running(running) = std::mem::replace(&mut self.grant, Grant::None) {
            self.record(*running, 0);
        }
    }

    fn finish(&mut self, running: Running, client_code: u16, now: Instant) {
        self.last_activity = now;
        self.record(running, client_code);
    }

    fn record(&mut self, running: Running, client_code: u16) {
        self.act(Action::Record(Box::new(TransferRecord {
            verb: running.verb,
            path: running.path,
            user: self.login.user.clone(),
            direction: running.direction,
            binary: self.binary,
            client_mode: running.modes.client.name(),
            server_mode: running.modes.server.name(),
            server_code: running.server_code,
            client_code,
            report: running.report,
        })));
    }
}

impl DataCommand {
    /// As it stands on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pasv => "PASV",
            Self::Epsv => "EPSV",
            Self::Port => "PORT",
            Self::Eprt => "EPRT",
        }
    }

    /// Whether the one who gets this command listens.
    pub const fn is_passive(self) -> bool {
        matches!(self, Self::Pasv | Self::Epsv)
    }
}
