//! One round: a session with one transfer, one kill, and what comes after.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use socket2::SockRef;

use crate::ftp::{Mode, Target, active_command, scan_epsv, scan_pasv};
use crate::pattern::Pattern;
use crate::serve::How;
use crate::timed::{Clock, Control, Stop};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    ClientControl,
    ClientData,
    ServerControl,
    ServerData,
}

impl Victim {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ClientControl => "client.control",
            Self::ClientData => "client.data",
            Self::ServerControl => "server.control",
            Self::ServerData => "server.data",
        }
    }

    pub(super) fn is_data(self) -> bool {
        matches!(self, Self::ClientData | Self::ServerData)
    }
}

pub(super) const PHASES: [&str; 5] = ["logging in", "agreeing", "opening", "moving", "ending"];

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Login,
    Agreeing,
    Opening,
    Moving,
    Ending,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) victim: Option<Victim>,
    pub(super) how: How,
    /// From the begin of the session, or of the data connection.
    pub(super) after: Duration,
    pub(super) mode: Mode,
    pub(super) upload: bool,
    pub(super) size: u64,
    pub(super) bound: Duration,
}

#[derive(Debug)]
pub(super) enum Outcome {
    /// The transfer and the session ended in good order.
    Complete,
    /// They did not, as they should; so long after the kill nothing was left.
    Cut(Duration),
    /// What must never happen.
    Violation(String),
}

/// A round that was played.
pub(super) struct Round {
    pub(super) plan: Plan,
    pub(super) phase: Phase,
    pub(super) outcome: Outcome,
    pub(super) lasted: Duration,
    pub(super) data_lasted: Duration,
}

impl Round {
    pub(super) fn violation(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Violation(why) => {
                Some(format!("{why}; while {}; {:?}", PHASES[self.phase as usize], self.plan))
            }
            Outcome::Cut(_) if self.plan.victim.is_none() => Some("broken without a kill".into()),
            Outcome::Cut(_) | Outcome::Complete => None,
        }
    }

    pub(super) fn play(target: &Target, pattern: &Pattern, plan: Plan, scratch: &mut [u8]) -> Self {
        let begun = Instant::now();
        let clock = Clock {
            kill: (plan.victim == Some(Victim::ClientControl)).then(|| begun + plan.after),
            bound: begun + plan.bound,
        };
        let (mut phase, mut data_lasted) = (Phase::Login, Duration::ZERO);
        let mut player = match target.connect(target.at).and_then(Control::new) {
            Ok(control) => Player {
                plan,
                target,
                pattern,
                clock,
                control: Some(control),
                data: None,
                phase,
                scratch,
                since: begun,
            },
            Err(error) => {
                let outcome = Outcome::Violation(format!("cannot connect: {error}"));
                let lasted = begun.elapsed();
                return Self { plan, phase, outcome, lasted, data_lasted };
            }
        };
        let script = player.script();
        phase = player.phase;
        if phase == Phase::Ending {
            data_lasted = player.since.elapsed();
        }
        let outcome = match script {
            Ok(()) => Outcome::Complete,
            Err(Stop::Bound) => Outcome::Violation("nothing happened until the bound".into()),
            Err(Stop::Broken(why)) if why.starts_with("violation") => Outcome::Violation(why),
            Err(stop) => player.aftermath(stop),
        };
        Self { plan, phase, outcome, lasted: begun.elapsed(), data_lasted }
    }
}

struct Player<'a> {
    plan: Plan,
    target: &'a Target,
    pattern: &'a Pattern,
    clock: Clock,
    control: Option<Control>,
    data: Option<TcpStream>,
    phase: Phase,
    scratch: &'a mut [u8],
    /// Begin of the data connection.
    since: Instant,
}

impl Player<'_> {
    /// A whole session, as long as nobody is killed.
    fn script(&mut self) -> Result<(), Stop> {
        let Plan { victim, how, after, mode, upload, size, .. } = self.plan;
        let user = victim.map_or("nobody", Victim::name);
        let how = if how == How::Rst { "rst" } else { "fin" };
        let clock = self.clock;
        self.control()?.expect('2', &clock)?;
        self.ask(&format!("USER {user}-{how}-{}", after.as_micros()), '3')?;
        self.ask("PASS soak", '2')?;
        self.phase = Phase::Agreeing;
        let listener = self.agree(mode)?;
        self.phase = Phase::Opening;
        self.ask(&format!("{} v{size}", if upload { "STOR" } else { "RETR" }), '1')?;
        if let Some(listener) = listener {
            let clock = self.clock;
            let stream = self.control()?.accept(&listener, &clock)?;
            self.opened(stream);
        }
        self.phase = Phase::Moving;
        let moved = if upload { self.upload()? } else { self.download()? };
        self.data = None;
        if moved < size && (victim, self.plan.how) != (Some(Victim::ServerData), How::Fin) {
            return violation("a cut download ended in good order");
        }
        self.phase = Phase::Ending;
        let clock = self.clock;
        self.control()?.expect('2', &clock)?;
        if moved != size {
            return violation(&format!("success for {moved} of {size} bytes"));
        }
        self.ask("QUIT", '2')?;
        Ok(())
    }

    fn control(&mut self) -> Result<&mut Control, Stop> {
        self.control.as_mut().ok_or_else(|| Stop::Broken("no control connection".into()))
    }

    fn ask(&mut self, line: &str, class: char) -> Result<String, Stop> {
        let clock = self.clock;
        self.control()?.ask(line, class, &clock)
    }

    /// The data connection, or the listener it will come to.
    fn agree(&mut self, mode: Mode) -> Result<Option<TcpListener>, Stop> {
        let to = match mode {
            Mode::Port | Mode::Eprt => {
                let own = self.control()?.stream.local_addr()?.ip();
                let listener = TcpListener::bind((own, 0))?;
                listener.set_nonblocking(true)?;
                self.ask(&active_command(mode, listener.local_addr()?), '2')?;
                return Ok(Some(listener));
            }
            Mode::Pasv => scan_pasv(&self.ask("PASV", '2')?),
            Mode::Epsv => scan_epsv(&self.ask("EPSV", '2')?)
                .map(|port| SocketAddr::new(self.target.at.ip(), port)),
        };
        let to = to.ok_or_else(|| Stop::Broken("violation: no address".into()))?;
        let stream = self.target.connect(to)?;
        stream.set_nonblocking(true)?;
        self.opened(stream);
        Ok(None)
    }

    fn opened(&mut self, stream: TcpStream) {
        self.data = Some(stream);
        self.since = Instant::now();
        if self.plan.victim == Some(Victim::ClientData) {
            self.clock.kill = Some(self.since + self.plan.after);
        }
    }

    fn download(&mut self) -> Result<u64, Stop> {
        let Some(data) = &self.data else { return Ok(0) };
        let mut moved = 0;
        loop {
            match self.clock.read(data, self.scratch)? {
                0 => return Ok(moved),
                got if !self.pattern.matches(moved, &self.scratch[..got]) => {
                    return violation(&format!("wrong bytes after {moved}"));
                }
                got => moved += got as u64,
            }
            self.clock.check()?;
        }
    }

    fn upload(&mut self) -> Result<u64, Stop> {
        let Some(data) = &self.data else { return Ok(0) };
        let mut moved = 0;
        while moved < self.plan.size {
            let send = || self.pattern.send(data, moved, self.plan.size - moved);
            moved += self.clock.until_done(data, PollFlags::OUT, send)?;
            self.clock.check()?;
        }
        Ok(moved)
    }

    /// Kills, if that is for us, and waits until everything that is left has ended.
    fn aftermath(&mut self, stop: Stop) -> Outcome {
        let since = Instant::now();
        if matches!(stop, Stop::Kill) {
            let killed = match self.plan.victim {
                Some(Victim::ClientControl) => self.control.take().map(|control| control.stream),
                _ => self.data.take(),
            };
            if self.plan.how == How::Rst
                && let Some(socket) = &killed
            {
                let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
        }
        self.clock = Clock { kill: None, bound: since + self.plan.bound };
        match self.read_out() {
            Ok(()) => Outcome::Cut(since.elapsed()),
            Err(what) => {
                let bound = self.plan.bound;
                Outcome::Violation(format!("{what} was still there after {bound:?}, {stop:?}"))
            }
        }
    }

    /// A control connection that survived is asked to end; a data connection must end by itself
    /// when the session is gone.
    fn read_out(&mut self) -> Result<(), &'static str> {
        if let Some(mut control) = self.control.take() {
            let _ = control.send("QUIT", &self.clock);
            let ended = self.clock.read_out(&control.stream, self.scratch);
            ended.map_err(|_| "the control connection")?;
        }
        if let Some(data) = self.data.take() {
            let ended = self.clock.read_out(&data, self.scratch);
            ended.map_err(|_| "the data connection")?;
        }
        Ok(())
    }
}

fn violation<T>(what: &str) -> Result<T, Stop> {
    Err(io::Error::other(format!("violation: {what}")).into())
}
