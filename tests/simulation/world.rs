//! One session: the machine, and everything around it that chance decides.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ftpgate::session::Machine;
use ftpgate::session::event::{Action, Event, ListenError, Side, Stage};
use ftpgate::session::policy::Policy;

use super::client;
use super::dice::Dice;
use super::ledger::{Ledger, Verdict};
use super::server::Server;
use super::setting::{escape, leg, policy, words};
use super::tally::Tally;
use super::tls::Tls;

pub(crate) struct World {
    pub(super) dice: Dice,
    pub(super) machine: Machine,
    pub(super) policy: Arc<Policy>,
    pub(super) ledger: Ledger,
    pub(super) client: SocketAddr,
    pub(super) server: Server,
    /// It answers everything once and in order.
    pub(super) honest: bool,
    pub(super) tls: Tls,
    /// Typed by the client, not yet arrived.
    pub(super) typed: Vec<u8>,
    pub(super) gone: [bool; 2],
    pub(super) dialing: bool,
    pub(super) connected: bool,
    /// Since when the data plane works, and how far it was told the dialogue has come.
    pub(super) data: Option<Stage>,
    pub(super) next_port: u16,
    pub(super) begun: Instant,
    pub(super) now: Instant,
    pub(super) steps: usize,
    pub(super) story: Vec<String>,
    pub(super) tally: Tally,
}

impl World {
    pub(crate) fn new(mut dice: Dice) -> Self {
        let v6 = dice.once_in(5);
        let client = if v6 { "[2001:db8::9]:40000" } else { "198.51.100.10:40000" };
        let client: SocketAddr =
            if dice.once_in(9) && !v6 { "[::ffff:198.51.100.10]:40000" } else { client }
                .parse()
                .unwrap();
        let local = if v6 { "[2001:db8::1]:21" } else { "203.0.113.1:21" }.parse().unwrap();
        let honest = dice.once_in(2);
        let policy = Arc::new(policy(&mut dice));
        let now = Instant::now();
        let mut typed = Vec::new();
        if !dice.once_in(6) {
            typed.extend_from_slice(b"USER ann\r\nPASS secret\r\n");
        }
        let mut world = Self {
            machine: Machine::new(policy.clone(), client, local, now),
            ledger: Ledger::new(client.ip(), &policy, honest),
            tls: Tls::new(policy.tls),
            policy,
            client,
            server: Server::new(honest),
            honest,
            typed,
            gone: [false, false],
            dialing: false,
            connected: false,
            data: None,
            next_port: 10_100,
            begun: now,
            now,
            steps: 0,
            story: Vec::new(),
            tally: Tally::default(),
            dice,
        };
        if let Err(why) = world.obey() {
            world.story.push(why);
        }
        world
    }

    /// Plays to the end, which comes after `steps` steps at the latest.
    pub(crate) fn play(&mut self, steps: usize) -> Verdict {
        let steps = steps / 5 + self.dice.below(steps);
        while self.steps < steps && !self.ledger.closed && !self.dice.is_over() {
            self.steps += 1;
            self.step()?;
        }
        self.settle()
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Where it failed.
    pub(crate) fn place(&self) -> String {
        format!("step {}, {:?}", self.steps, self.now - self.begun)
    }

    /// The last `lines` of what happened.
    pub(crate) fn story(&self, lines: usize) -> String {
        let from = self.story.len().saturating_sub(lines);
        self.story[from..].iter().fold(String::new(), |mut out, line| {
            let _ = writeln!(out, "  {line}");
            out
        })
    }

    // --- one step ---

    fn step(&mut self) -> Verdict {
        match self.dice.below(200) {
            0..60 => self.client_speaks(),
            60..140 => self.server_speaks(),
            140..170 => self.data_ends(),
            170..185 => self.connection_answers(),
            185..196 => self.time_passes(),
            196 if self.server_may_speak() && !self.honest => {
                self.server.interrupt(&mut self.dice);
                Ok(())
            }
            197 if self.dice.once_in(6) => self.hang_up(Side::Downstream),
            198 if self.dice.once_in(6) && self.connected => self.hang_up(Side::Upstream),
            199 if self.dice.once_in(12) => self.give(Event::Drain),
            _ => Ok(()),
        }
    }

    fn client_speaks(&mut self) -> Verdict {
        // At times unasked: the queue must take it.
        let asked = self.machine.wants_input(Side::Downstream) || self.dice.once_in(16);
        let asked = asked && !self.tls.is_shaking(Side::Downstream);
        if self.gone[0] || self.ledger.is_closing() || !asked {
            return Ok(());
        }
        while self.typed.is_empty() || self.dice.once_in(3) {
            let (limit, bare_lf) = (self.policy.command_line, self.policy.bare_lf);
            let moving = self.machine.in_transfer();
            let ip = self.client.ip().to_canonical();
            let line = client::line(&mut self.dice, ip, limit, bare_lf, moving);
            self.typed.extend(line);
        }
        let chunk = self.chunk(self.typed.len());
        let bytes: Vec<u8> = self.typed.drain(..chunk).collect();
        self.ledger.client_says(&bytes);
        self.give(Event::Bytes(Side::Downstream, &bytes))
    }

    pub(super) fn server_may_speak(&self) -> bool {
        self.connected && !self.gone[1] && self.machine.wants_input(Side::Upstream)
    }

    fn server_speaks(&mut self) -> Verdict {
        if !self.server_may_speak() {
            return Ok(());
        }
        if self.server.said.is_empty() || self.dice.once_in(3) {
            self.server.answer(&mut self.dice);
        }
        let chunk = self.server_chunk();
        self.server_bytes(chunk)
    }

    pub(super) fn server_bytes(&mut self, count: usize) -> Verdict {
        let bytes: Vec<u8> = self.server.said.drain(..count).collect();
        if bytes.is_empty() {
            return Ok(());
        }
        self.ledger.server_says(&bytes);
        self.give(Event::Bytes(Side::Upstream, &bytes))?;
        self.ledger.server_said();
        Ok(())
    }

    /// Mostly all of it, at times cut anywhere.
    fn chunk(&mut self, len: usize) -> usize {
        if len > 0 && self.dice.once_in(3) { 1 + self.dice.below(len) } else { len }
    }

    /// At times a line alone, so that much happens in the middle of a reply.
    fn server_chunk(&mut self) -> usize {
        let said = &self.server.said;
        match said.iter().position(|byte| *byte == b'\n') {
            Some(end) if self.dice.once_in(3) => end + 1,
            _ => self.chunk(self.server.said.len()),
        }
    }

    // --- the machine ---

    pub(super) fn give(&mut self, event: Event<'_>) -> Verdict {
        let text = match &event {
            Event::Bytes(side, bytes) => format!("{} says {:?}", side.label(), escape(bytes)),
            other => format!("{other:?}"),
        };
        self.story.push(format!("{:?}: {text}", self.now - self.begun));
        self.machine.handle(event, self.now);
        self.obey()
    }

    /// As the driver does it.
    fn obey(&mut self) -> Verdict {
        loop {
            let mut answer = None;
            while let Some(action) = self.machine.poll_action() {
                self.story.push(format!("    {}", words(&action)));
                if self.ledger.closed {
                    return Err("an action after the close".into());
                }
                answer = self.perform(action)?.or(answer);
            }
            let Some(event) = answer else { break };
            self.story.push(format!("{:?}: {event:?}", self.now - self.begun));
            self.machine.handle(event, self.now);
        }
        let waiting = self.ledger.missing();
        if self.machine.wants_input(Side::Downstream) && waiting > self.policy.queued_commands + 4 {
            return Err(format!("reads on while {waiting} commands wait"));
        }
        match (self.machine.poll_deadline(), self.ledger.closed) {
            (Some(_), true) => Err("a deadline after the close".into()),
            // A running transfer bounds its own waits, and so does a handshake.
            (None, false) if self.data.is_none() && !self.is_shaking() => {
                Err("nothing bounds the wait".into())
            }
            _ => Ok(()),
        }
    }

    fn perform(&mut self, action: Action) -> Result<Option<Event<'static>>, String> {
        match action {
            Action::Send { to: Side::Downstream, bytes, .. } => self.ledger.told_client(&bytes)?,
            Action::Send { urgent: true, bytes, .. } if bytes == b"\xff\xf4\xff\xf2" => {}
            Action::Send { bytes, .. } => {
                if !self.connected {
                    return Err("words for a server that is not there".into());
                }
                for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                    self.tls.told_server(line)?;
                    let line = self.ledger.told_server(line)?;
                    self.server.hear(line);
                }
            }
            Action::Connect | Action::ConnectTo { .. } => self.dialing = true,
            Action::Listen { side, advertise, .. } => {
                return self.listen(side, advertise).map(Some);
            }
            Action::Open(plan) => {
                self.tally.count(format!("open {}{}", leg(plan.downstream), leg(plan.upstream)));
                self.ledger.opened(plan)?;
                self.data = Some(Stage::Granted);
            }
            Action::Advance(stage) => {
                self.ledger.advanced(stage)?;
                self.tls.advanced(stage)?;
                if let Some(data) = &mut self.data {
                    *data = stage;
                }
            }
            Action::Tunnel => {
                self.tally.count("tunnelled");
                self.tls.tunnelled()?;
                self.ledger.closes()?;
            }
            Action::Hurry if self.gone[0] => {}
            Action::Hurry => return Err("hurries a client that is there".into()),
            Action::CloseTransfer => {
                self.data = None;
                self.ledger.released();
            }
            Action::StartTls(side) => self.start_tls(side)?,
            Action::EpsvRefused => {}
            Action::LoggedIn => self.ledger.logged_in()?,
            Action::Record(record) => {
                self.tally.count(format!("record {}", record.client_code));
                self.ledger.recorded(&record)?;
            }
            Action::Close(reason) => {
                self.tally.count(format!("closed {}", reason.label()));
                self.ledger.closes()?;
            }
        }
        Ok(None)
    }

    fn listen(&mut self, side: Side, advertise: bool) -> Result<Event<'static>, String> {
        if self.dice.once_in(8) {
            let why = *self.dice.pick(&[
                ListenError::Exhausted,
                ListenError::Exhausted,
                ListenError::Local,
                ListenError::NoAddress,
            ]);
            return Ok(Event::ListenRefused(side, why));
        }
        let v4 = self.ledger.server.is_none_or(|ip| ip.is_ipv4());
        let ip: IpAddr = match side {
            Side::Downstream if advertise => "203.0.113.7",
            Side::Downstream => "203.0.113.1",
            Side::Upstream if v4 => "10.0.0.1",
            Side::Upstream => "fd00::1",
        }
        .parse()
        .unwrap();
        self.next_port = 10_100 + (self.next_port - 10_099) % 100;
        let at = SocketAddr::new(ip, self.next_port);
        self.ledger.listening(side, at)?;
        Ok(Event::Listening(side, at))
    }
}
