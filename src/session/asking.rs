//! D1: the client has asked for a data connection and waits for its 227, 229 or 200.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::event::{Action, Leg, ListenError, Side, TransferPlan};
use super::grant::{Grant, Modes};
use super::machine::{Link, Machine, Phase};
use super::pending::{Kind, Pending};
use super::policy::{DataCommand, UpstreamMode};
use crate::ftp::addr::{HostPort, eprt, epsv_reply, pasv_reply};
use crate::ftp::canned;
use crate::ftp::command::Command;

/// How long between two looks for a free data port. The pool wakes nobody: it is asked again.
const LEASE_RETRY: Duration = Duration::from_millis(50);

/// D1: the client waits for the reply to its PASV, EPSV, PORT or EPRT.
#[derive(Debug)]
pub(super) struct Asking {
    modes: Modes,
    /// Where an active client wants to be dialled.
    client_target: Option<SocketAddr>,
    /// The leg towards the server, once it is known.
    upstream: Option<Leg>,
    /// Where we listen for the server, if we do.
    ours: Option<SocketAddr>,
    /// The server's port, read from its reply but not yet agreed on.
    target: Option<SocketAddr>,
    /// The server's refusal in its own words.
    refusal: Vec<u8>,
    waiting: Option<PortWait>,
    /// The leg towards a client that has its reply, before the server's is in.
    told: Option<Leg>,
}

/// All ports are leased to this client's address: asked again until the time is up.
#[derive(Debug)]
struct PortWait {
    side: Side,
    next: Instant,
    until: Instant,
}

impl Asking {
    /// When the next look for a free port is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|wait| wait.next)
    }

    /// Whether the client has its reply already.
    pub(super) const fn told(&self) -> bool {
        self.told.is_some()
    }
}

impl Machine {
    /// The client asked for a data connection: D0/D2/D3 → D1.
    pub(super) fn ask(&mut self, client: DataCommand, target: Option<SocketAddr>, now: Instant) {
        let Some(link) = self.link() else { return self.release() };
        let server = self.server_mode(client, link);
        self.begin(Modes { client, server }, target);
        if server.is_passive() {
            // A line of the server that is here already is no reply to what it has yet to hear.
            let known = self.agreed == Some(server)
                && self.login.done
                && self.pending.is_empty()
                && !self.more[1];
            self.send_mode(server, None, now);
            if known {
                self.tell_early(target);
            }
        } else {
            self.listen(Side::Upstream);
        }
    }

    /// What the client is told is ours, not the server's, and the server has taken this command in
    /// this session before: the client need not wait for it. Its next command does.
    fn tell_early(&mut self, target: Option<SocketAddr>) {
        match target {
            None => self.listen(Side::Downstream),
            Some(target) => self.tell(Leg::Connect(target), self.port_ok()),
        }
    }

    fn tell(&mut self, downstream: Leg, reply: impl AsRef<[u8]>) {
        if let Grant::Asking(asking) = &mut self.grant {
            asking.told = Some(downstream);
            self.say(Side::Downstream, reply);
        }
    }

    fn port_ok(&self) -> &'static [u8] {
        match self.asked_modes() {
            Some(Modes { client: DataCommand::Eprt, .. }) => canned::EPRT_OK,
            _ => canned::PORT_OK,
        }
    }

    /// The same with EPSV in the client's own words, whatever these mean to the server (P99).
    pub(super) fn ask_as_said(&mut self, command: &Command<'_>, now: Instant) {
        self.begin(Modes { client: DataCommand::Epsv, server: DataCommand::Epsv }, None);
        self.forward(command, Kind::Mode, now);
    }

    fn begin(&mut self, modes: Modes, client_target: Option<SocketAddr>) {
        self.release();
        self.algs.raw = false;
        self.grant = Grant::Asking(Box::new(Asking {
            modes,
            client_target,
            upstream: None,
            ours: None,
            target: None,
            refusal: Vec::new(),
            waiting: None,
            told: None,
        }));
    }

    /// Which command to send to the server for a client's `client` (P58, P73, P79).
    fn server_mode(&self, client: DataCommand, link: Link) -> DataCommand {
        if self.translates() {
            return if client.is_passive() { DataCommand::Pasv } else { DataCommand::Port };
        }
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
        let server = Side::Upstream;
        match (mode, ours) {
            (DataCommand::Port, Some(SocketAddr::V4(addr))) => {
                let ours = HostPort { ip: *addr.ip(), port: addr.port() };
                self.print(server, format_args!("PORT {ours}\r\n"));
            }
            (DataCommand::Eprt | DataCommand::Port, Some(addr)) => {
                self.print(server, format_args!("EPRT {}\r\n", eprt(addr)));
            }
            (DataCommand::Pasv, _) => self.say(server, b"PASV\r\n"),
            (_, _) => self.say(server, b"EPSV\r\n"),
        }
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
        let protected = side == Side::Downstream && self.data_stays_protected();
        self.act(Action::Listen { side, expected, advertise, protected });
    }

    /// A data port is there: the line that names it may go out now, not before (P76).
    pub(super) fn listening(&mut self, side: Side, addr: SocketAddr, now: Instant) {
        let Grant::Asking(asking) = &mut self.grant else { return self.release() };
        asking.waiting = None;
        let modes = asking.modes;
        match side {
            Side::Upstream => {
                asking.upstream = Some(Leg::Accept);
                asking.ours = Some(addr);
                self.send_mode(modes.server, Some(addr), now);
            }
            Side::Downstream => {
                let reply = match (modes.client, addr) {
                    (DataCommand::Pasv, SocketAddr::V4(v4)) => {
                        pasv_reply(HostPort { ip: *v4.ip(), port: v4.port() })
                    }
                    _ => epsv_reply(addr.port()),
                };
                if asking.upstream.is_none() {
                    return self.tell(Leg::Accept, reply);
                }
                self.granted(Leg::Accept, now);
                self.say(Side::Downstream, reply);
            }
        }
    }

    pub(super) fn listen_refused(&mut self, side: Side, why: ListenError, now: Instant) {
        let patience = self.policy.timeouts.lease_wait;
        let Grant::Asking(asking) = &mut self.grant else { return };
        if side == Side::Downstream && asking.upstream.is_none() {
            // It was early: asked again when the server's reply is in.
            return;
        }
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
        if let Grant::Asking(asking) = &mut self.grant
            && let Some(wait) = &mut asking.waiting
        {
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
        self.agreed = Some(asking.modes.server);
        match (asking.told, asking.client_target) {
            (Some(downstream), _) => self.granted(downstream, now),
            (None, None) => self.listen(Side::Downstream),
            (None, Some(target)) => {
                let reply = self.port_ok();
                self.granted(Leg::Connect(target), now);
                self.say(Side::Downstream, reply);
            }
        }
    }

    /// EPSV was refused: PASV instead, now and in later sessions (P73). EPRT was: PORT instead, for
    /// our FEAT has promised EPRT.
    pub(super) fn fall_back(&mut self, now: Instant) -> bool {
        let Phase::Open(link) = &mut self.phase else { return false };
        let Grant::Asking(asking) = &mut self.grant else { return false };
        let instead = match asking.modes.server {
            _ if link.peer.is_ipv6() || self.algs.disabled => return false,
            DataCommand::Epsv => DataCommand::Pasv,
            DataCommand::Eprt => DataCommand::Port,
            DataCommand::Pasv | DataCommand::Port => return false,
        };
        asking.modes.server = instead;
        let ours = asking.ours;
        if instead == DataCommand::Pasv {
            link.epsv = false;
            self.act(Action::EpsvRefused);
        }
        self.send_mode(instead, ours, now);
        true
    }

    /// The server left, or fell silent, over our EPSV: its other sessions ask with PASV (P73).
    pub(super) fn epsv_unanswered(&mut self) {
        let asked = self.pending.iter().any(|p| matches!(p.kind, Kind::Mode));
        let epsv = self.asked_modes().is_some_and(|modes| modes.server == DataCommand::Epsv);
        if asked && epsv && self.link().is_some_and(|link| link.peer.is_ipv4()) {
            self.act(Action::EpsvRefused);
        }
    }

    fn granted(&mut self, downstream: Leg, now: Instant) {
        let Grant::Asking(asking) = &self.grant else { return };
        let (modes, Some(upstream)) = (asking.modes, asking.upstream) else { return };
        self.grant = Grant::Ready { modes, expired: false };
        self.act(Action::Open(TransferPlan { downstream, upstream }));
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

    /// The modes of the grant being asked for.
    pub(super) const fn asked_modes(&self) -> Option<Modes> {
        match &self.grant {
            Grant::Asking(asking) => Some(asking.modes),
            _ => None,
        }
    }
}
