//! One session: the machine, and everything around it that chance decides.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpgate::session::Machine;
use ftpgate::session::event::{
    Action, Event, Fault, Leg, ListenError, Outcome, Side, Stage, TransferReport,
};
use ftpgate::session::policy::{
    AborStyle, DataCommand, Policy, PortCommand, UnknownVerbs, UpstreamMode,
};

use super::client;
use super::dice::Dice;
use super::ledger::{Ledger, Verdict};
use super::server::Server;

/// Rounds in which a session must come to rest.
const SETTLING: usize = 80;

/// Deadlines that may be due at one moment: one for each command that waits, and the grant's.
const DUE_AT_ONCE: usize = 6;

pub(crate) struct World {
    dice: Dice,
    machine: Machine,
    policy: Arc<Policy>,
    ledger: Ledger,
    client: SocketAddr,
    server: Server,
    /// It answers everything once and in order.
    honest: bool,
    /// Typed by the client, not yet arrived.
    typed: Vec<u8>,
    gone: [bool; 2],
    dialing: bool,
    connected: bool,
    /// Since when the data plane works, and how far it was told the dialogue has come.
    data: Option<Stage>,
    next_port: u16,
    begun: Instant,
    now: Instant,
    steps: usize,
    story: Vec<String>,
    tally: Tally,
}

/// What was met.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<String, usize>);

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what.clone()).or_default() += count;
        }
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    /// A simulation that never gets anywhere proves nothing.
    pub(crate) fn assert_worth_it(&self) {
        let met = |what: &str| {
            self.0.iter().filter(|(name, _)| name.starts_with(what)).map(|(_, n)| n).sum::<usize>()
        };
        for (what, least) in [
            ("open", 200),
            ("record 2", 20),
            ("record 4", 20),
            ("record 0", 2),
            ("closed quit", 5),
            ("closed client-gone", 5),
            ("closed server-gone", 5),
            ("closed reply-timeout", 2),
            ("closed idle", 1),
            ("closed bad-commands", 1),
            ("closed wrong-protocol", 1),
            ("closed drain", 5),
            ("at rest", 20),
        ] {
            assert!(met(what) >= least, "{what}: {} of {least} in {:#?}", met(what), self.0);
        }
    }
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
        let policy = Arc::new(policy(&mut dice, honest));
        let now = Instant::now();
        let mut typed = Vec::new();
        if !dice.once_in(6) {
            typed.extend_from_slice(b"USER ann\r\nPASS secret\r\n");
        }
        let mut world = Self {
            machine: Machine::new(policy.clone(), client, local, now),
            ledger: Ledger::new(client.ip(), policy.cr_nul, honest),
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
        if self.gone[0] || !self.machine.wants_input(Side::Downstream) {
            return Ok(());
        }
        while self.typed.is_empty() || self.dice.once_in(3) {
            let (limit, bare_lf) = (self.policy.command_line, self.policy.bare_lf);
            let line =
                client::line(&mut self.dice, self.client.ip().to_canonical(), limit, bare_lf);
            self.typed.extend(line);
        }
        let chunk = self.chunk(self.typed.len());
        let bytes: Vec<u8> = self.typed.drain(..chunk).collect();
        self.ledger.client_says(&bytes);
        self.give(Event::Bytes(Side::Downstream, &bytes))
    }

    fn server_may_speak(&self) -> bool {
        self.connected && !self.gone[1] && self.machine.wants_input(Side::Upstream)
    }

    fn server_speaks(&mut self) -> Verdict {
        if !self.server_may_speak() {
            return Ok(());
        }
        if self.server.said.is_empty() || self.dice.once_in(3) {
            self.server.answer(&mut self.dice);
        }
        let chunk = self.chunk(self.server.said.len());
        self.server_bytes(chunk)
    }

    fn server_bytes(&mut self, count: usize) -> Verdict {
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

    /// The data plane reports what it may report at this stage.
    fn data_ends(&mut self) -> Verdict {
        let Some(stage) = self.data else { return Ok(()) };
        let side = *self.dice.pick(&[Side::Downstream, Side::Upstream]);
        let fault = *self.dice.pick(&[Fault::Reset, Fault::Stalled, Fault::Local]);
        let missing = *self.dice.pick(&[Fault::Unreachable, Fault::NotOpened, Fault::Local]);
        let outcome = match (stage, self.dice.below(8)) {
            (Stage::Granted, 0) => Outcome::NotOpened(side, missing),
            (Stage::Granted, _) => return Ok(()),
            (Stage::Failed, 0..6) => Outcome::Stopped,
            (Stage::Finished(_), 0) => Outcome::NoData,
            (_, 0..2) => Outcome::NotOpened(side, missing),
            (_, 2..4) => Outcome::Broken(side, fault),
            (_, _) => Outcome::Delivered,
        };
        self.report(outcome)
    }

    fn report(&mut self, outcome: Outcome) -> Verdict {
        let report = TransferReport {
            outcome,
            downloaded: self.dice.below(200) as u64,
            uploaded: 0,
            client: None,
            server: None,
            closed_first: None,
            elapsed: Duration::ZERO,
            strangers: 0,
        };
        self.data = None;
        self.ledger.reported(report);
        self.give(Event::TransferDone(report))
    }

    fn connection_answers(&mut self) -> Verdict {
        if !self.dialing {
            return Ok(());
        }
        match self.dice.once_in(20) {
            true => {
                self.dialing = false;
                self.give(Event::ConnectFailed)
            }
            false => self.connect(),
        }
    }

    fn connect(&mut self) -> Verdict {
        (self.dialing, self.connected) = (false, true);
        let v6 = self.dice.once_in(4);
        let (peer, local) = if v6 {
            ("[fd00::2]:21", "[fd00::1]:33000")
        } else {
            ("10.0.0.2:21", "10.0.0.1:33000")
        };
        let (peer, local): (SocketAddr, SocketAddr) =
            (peer.parse().unwrap(), local.parse().unwrap());
        self.ledger.server = Some(peer.ip());
        self.server.greet(&mut self.dice);
        let epsv = !self.dice.once_in(3);
        self.give(Event::Connected { peer, local, epsv })
    }

    fn hang_up(&mut self, side: Side) -> Verdict {
        if std::mem::replace(&mut self.gone[side.index()], true) {
            return Ok(());
        }
        self.give(Event::Eof(side))
    }

    // --- the clock ---

    fn time_passes(&mut self) -> Verdict {
        let step = match self.dice.below(32) {
            0..20 => Duration::from_millis(self.dice.below(200) as u64),
            20..29 => Duration::from_secs(self.dice.below(12) as u64),
            29 => Duration::from_secs(self.dice.below(130) as u64),
            _ => match self.machine.poll_deadline() {
                Some(at) => at.saturating_duration_since(self.now),
                None => Duration::ZERO,
            },
        };
        if self.dice.once_in(4) {
            // A busy worker: the clock goes on, the timer is late.
            self.now += step.min(Duration::from_secs(3));
            return Ok(());
        }
        let end = self.now + step;
        while let Some(due) = self.machine.poll_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.deadline()?;
        }
        self.now = end;
        Ok(())
    }

    /// What is due is dealt with, and nothing stays due.
    fn deadline(&mut self) -> Verdict {
        for _ in 0..DUE_AT_ONCE {
            self.give(Event::Deadline)?;
            if self.machine.poll_deadline().is_none_or(|next| next > self.now) {
                return Ok(());
            }
        }
        Err("the deadline spins".into())
    }

    // --- the machine ---

    fn give(&mut self, event: Event<'_>) -> Verdict {
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
        match (self.machine.poll_deadline(), self.ledger.closed) {
            (Some(_), true) => Err("a deadline after the close".into()),
            // A running transfer bounds its own waits.
            (None, false) if self.data.is_none() => Err("nothing bounds the wait".into()),
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
                let line = self.ledger.told_server(&bytes)?;
                self.server.hear(line);
            }
            Action::Connect => self.dialing = true,
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
                if let Some(data) = &mut self.data {
                    *data = stage;
                }
            }
            Action::CloseTransfer => {
                self.data = None;
                self.ledger.released();
            }
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

    // --- the end ---

    /// Everybody does what is still owed; then every command has its reply.
    fn settle(&mut self) -> Verdict {
        let leave = self.dice.once_in(3);
        self.story.push("-- everybody settles".into());
        for _ in 0..SETTLING {
            if self.ledger.closed {
                return self.stays_closed();
            }
            self.settle_once(leave)?;
            if !leave && self.ledger.missing() == 0 && !self.ledger.is_closing() {
                self.tally.count("at rest");
                return match self.ledger.requested == self.ledger.records {
                    true => Ok(()),
                    false => Err("a transfer without a record".into()),
                };
            }
        }
        let owed = self.ledger.missing();
        Err(format!("does not come to rest: {owed} replies missing, client leaves: {leave}"))
    }

    fn settle_once(&mut self, leave: bool) -> Verdict {
        if self.dialing {
            self.connect()?;
        }
        self.server.settle();
        if self.server_may_speak() && !self.server.said.is_empty() {
            return self.server_bytes(self.server.said.len());
        }
        match self.data {
            None | Some(Stage::Granted) => {}
            Some(Stage::Failed) => return self.report(Outcome::Stopped),
            Some(_) => return self.report(Outcome::Delivered),
        }
        if leave && !self.gone[0] {
            return self.hang_up(Side::Downstream);
        }
        if let Some(due) = self.machine.poll_deadline() {
            if self.ledger.missing() > 0 || self.gone[0] || self.ledger.is_closing() {
                self.now = self.now.max(due);
                return self.deadline();
            }
        }
        Ok(())
    }

    fn stays_closed(&mut self) -> Verdict {
        self.give(Event::Bytes(Side::Downstream, b"USER late\r\n"))?;
        self.give(Event::Bytes(Side::Upstream, b"421 late\r\n"))?;
        self.give(Event::Eof(Side::Downstream))?;
        self.give(Event::Deadline)?;
        self.give(Event::Drain)?;
        match [Side::Downstream, Side::Upstream].map(|side| self.machine.wants_input(side)) {
            [false, false] => Ok(()),
            _ => Err("reads on after the close".into()),
        }
    }
}

fn policy(dice: &mut Dice, honest: bool) -> Policy {
    let mut policy = Policy {
        upstream_mode: *dice.pick(&[
            UpstreamMode::Passive,
            UpstreamMode::Passive,
            UpstreamMode::Same,
            UpstreamMode::Active,
            UpstreamMode::Command(DataCommand::Epsv),
            UpstreamMode::Command(DataCommand::Eprt),
        ]),
        bare_lf: !dice.once_in(4),
        cr_nul: dice.once_in(4),
        hide_addresses: dice.once_in(4),
        transfer_verbs: vec!["XLST".into(), "THMB".into()],
        slow_verbs: vec!["SYST".into()],
        command_line: 64,
        queued_commands: 1 + dice.below(6),
        ..Policy::default()
    };
    if dice.once_in(4) {
        policy.greeting = Some("Welcome".into());
    }
    if dice.once_in(4) {
        policy.port_command = PortCommand::Replace;
    }
    if dice.once_in(4) {
        policy.unknown_verbs = UnknownVerbs::Refuse;
    }
    if dice.once_in(4) {
        policy.deny = vec!["MKD".into(), "SITE EXEC".into(), "epsv".into()];
        // Refused at once, even in a transfer: then replies are not in order.
        policy.deny.extend((!honest).then(|| "STAT".into()));
    }
    if dice.once_in(4) {
        policy.abor = AborStyle::Urgent;
    }
    policy
}

const fn leg(leg: Leg) -> char {
    match leg {
        Leg::Accept => 'a',
        Leg::Connect(_) => 'c',
    }
}

fn words(action: &Action) -> String {
    match action {
        Action::Send { to, bytes, .. } => format!("to {}: {}", to.label(), escape(bytes)),
        Action::Record(record) => format!(
            "record {} {} {:?}",
            record.verb,
            record.client_code,
            record.report.map(|report| report.outcome)
        ),
        other => format!("{other:?}"),
    }
}

fn escape(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
