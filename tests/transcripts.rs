//! Every transcript under `tests/transcripts/` is played through the machine, line by line.
//!
//! A transcript is what an FTP engineer would write on paper:
//!
//! ```text
//! # why this exists
//! !policy upstream_mode=active        what differs from the defaults, before anything else
//! !client 2001:db8::9                 who connects, if not 198.51.100.10
//! C> PASV                             the client says
//! <S PORT 10,0,0,1,43,3               the server is told
//! S> 200 ok                           the server says
//! <C 227 Entering Passive Mode (…)    the client is told
//! = open accept accept                the machine wants something done
//! ! done delivered                    something happened
//! ```
//!
//! `! session`, `! passive` and `! retr` stand for what most scenes begin with: greeting and login;
//! PASV up to the 227; RETR up to the 150.
//!
//! `\r`, `\n`, `\0` and `\xNN` may be written in lines; `C>>` and `S>>` send bytes without adding
//! CRLF. Every action has to be expected, in order, and nothing may be left over.

// A transcript that cannot be read is a failed test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "transcripts/policy.rs"]
mod policy;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpgate::session::Machine;
use ftpgate::session::event::{
    Action, CloseReason, Direction, Event, Fault, Leg, ListenError, Outcome, Side, Stage,
    TransferReport,
};
use ftpgate::session::policy::Policy;

#[test]
fn every_transcript_plays_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut played = 0;
    let mut failures = String::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "txt") {
            let text = std::fs::read_to_string(&path).unwrap();
            for (number, scene) in text.split("\n---\n").enumerate() {
                if let Err(why) = Player::play(scene) {
                    let name = path.file_name().unwrap().to_string_lossy();
                    writeln!(failures, "{name} scene {}: {why}\n", number + 1).unwrap();
                }
                played += 1;
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(played >= 150, "only {played} scenes were found");
}

const LOGIN: &[&str] = &[
    "S> 220 ready",
    "<C 220 ready",
    "C> USER ann",
    "<S USER ann",
    "S> 331 password",
    "<C 331 password",
    "C> PASS secret",
    "<S PASS secret",
    "S> 230 welcome",
    "<C 230 welcome",
    "= logged-in",
];

const PASSIVE: &[&str] = &[
    "C> PASV",
    "<S PASV",
    "S> 227 (10,0,0,2,4,1)",
    "= listen client 198.51.100.10 advertise",
    "! listening client 203.0.113.1:10100",
    "= open accept 10.0.0.2:1025",
    "<C 227 Entering Passive Mode (203,0,113,1,39,116)",
];

const RETR: &[&str] = &[
    "C> RETR f",
    "<S RETR f",
    "= stage requested down",
    "S> 150 ok",
    "<C 150 ok",
    "= stage started",
];

struct Player {
    machine: Machine,
    now: Instant,
    got: Vec<String>,
}

impl Player {
    fn play(scene: &str) -> Result<(), String> {
        let mut policy = Policy::default();
        let mut client: SocketAddr = "198.51.100.10:40000".parse().unwrap();
        let mut local: SocketAddr = "203.0.113.1:21".parse().unwrap();
        let lines: Vec<&str> =
            scene.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')).collect();
        let set_up =
            lines.iter().take_while(|l| l.starts_with("!policy") || l.starts_with("!client"));
        let set_up = set_up.count();
        for line in &lines[..set_up] {
            if let Some(ip) = line.strip_prefix("!client ") {
                client.set_ip(ip.trim().parse().unwrap());
                if client.is_ipv6() {
                    local = "[2001:db8::1]:21".parse().unwrap();
                }
            } else {
                policy::set(&mut policy, line.trim_start_matches("!policy").trim());
            }
        }
        let now = Instant::now();
        let machine = Machine::new(Arc::new(policy), client, local, now);
        let mut player = Self { machine, now, got: Vec::new() };
        player.collect();
        for line in &lines[set_up..] {
            player.step(line).map_err(|why| format!("at `{line}`: {why}"))?;
        }
        match player.got.is_empty() {
            true => Ok(()),
            false => Err(format!("left over: {:#?}", player.got)),
        }
    }

    fn step(&mut self, line: &str) -> Result<(), String> {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match mark {
            "C>" => self.input(Event::Bytes(Side::Downstream, &bytes(rest, "\r\n"))),
            "S>" => self.input(Event::Bytes(Side::Upstream, &bytes(rest, "\r\n"))),
            "C>>" => self.input(Event::Bytes(Side::Downstream, &bytes(rest, ""))),
            "S>>" => self.input(Event::Bytes(Side::Upstream, &bytes(rest, ""))),
            "<C" | "<S" | "=" => return self.expect(line.trim_end()),
            "!" => self.happen(rest.trim())?,
            _ => return Err("what is that?".into()),
        }
        Ok(())
    }

    fn input(&mut self, event: Event<'_>) {
        self.machine.handle(event, self.now);
        self.collect();
    }

    fn expect(&mut self, line: &str) -> Result<(), String> {
        if self.got.is_empty() {
            return Err("nothing happened".into());
        }
        let got = self.got.remove(0);
        match got == line {
            true => Ok(()),
            false => Err(format!("got `{got}`, then {:#?}", self.got)),
        }
    }

    /// Puts what the machine wants into the words of a transcript.
    fn collect(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Send { to, bytes, urgent } => {
                    let to = if to == Side::Downstream { "<C" } else { "<S" };
                    let text = escaped(&bytes);
                    let mut lines: Vec<&str> = text.split("\\r\\n").collect();
                    let open = lines.pop().unwrap_or_default();
                    self.got
                        .extend(lines.iter().map(|l| format!("{to} {l}").trim_end().to_owned()));
                    if !open.is_empty() {
                        let mark = if urgent { "urgent " } else { "raw " };
                        self.got.push(format!("{to} {mark}{open}"));
                    }
                }
                Action::Record(record) => {
                    let outcome = record.report.map_or("none".to_owned(), |r| words(r.outcome));
                    let server = record.server_code.map_or("-".into(), |code| code.to_string());
                    self.got.push(format!(
                        "= record {} server={server} client={} {outcome}",
                        record.verb, record.client_code
                    ));
                }
                other => self.got.push(format!("= {}", action_words(&other))),
            }
        }
    }

    fn happen(&mut self, what: &str) -> Result<(), String> {
        let word: Vec<&str> = what.split(' ').collect();
        let side = |name: &str| if name == "client" { Side::Downstream } else { Side::Upstream };
        match word[..] {
            ["connected"] => self.connected("10.0.0.2:21", "10.0.0.1:33000", true),
            ["connected", "v6"] => self.connected("[fd00::2]:21", "[fd00::1]:33000", true),
            ["connected", "no-epsv"] => self.connected("10.0.0.2:21", "10.0.0.1:33000", false),
            ["session"] => return self.session("connected"),
            ["session", how] => return self.session(&format!("connected {how}")),
            ["passive"] => return self.steps(PASSIVE),
            ["retr"] => return self.steps(RETR),
            ["connect-failed"] => self.input(Event::ConnectFailed),
            ["eof", who] => self.input(Event::Eof(side(who))),
            ["tls-up", who] => self.input(Event::TlsUp(side(who))),
            ["tls-failed", who] => self.input(Event::TlsFailed(side(who))),
            ["drain"] => self.input(Event::Drain),
            ["outer", address] => {
                self.machine.hide_behind(address.parse().map_err(|_| "no address")?);
            }
            ["joined"] => self.input(Event::TransferJoined),
            ["listening", who, addr] => {
                let addr = addr.parse().map_err(|_| "no address")?;
                self.input(Event::Listening(side(who), addr));
            }
            ["refused", who, why] => {
                let why = match why {
                    "exhausted" => ListenError::Exhausted,
                    "no-address" => ListenError::NoAddress,
                    _ => ListenError::Local,
                };
                self.input(Event::ListenRefused(side(who), why));
            }
            ["after", time] => self.after(time)?,
            ["done", ..] => self.input(Event::TransferDone(report(&word[1..])?)),
            _ => return Err("unknown event".into()),
        }
        Ok(())
    }

    fn connected(&mut self, peer: &str, local: &str, epsv: bool) {
        let (peer, local) = (peer.parse().unwrap(), local.parse().unwrap());
        self.input(Event::Connected { peer, local, epsv });
    }

    /// Greeting and login, which most scenes only need to have happened.
    fn session(&mut self, connected: &str) -> Result<(), String> {
        self.expect("= connect")?;
        self.happen(connected)?;
        self.steps(LOGIN)
    }

    fn steps(&mut self, lines: &[&str]) -> Result<(), String> {
        lines.iter().try_for_each(|line| self.step(line))
    }

    /// Lets time pass; the deadlines on the way are met in order, one after another.
    fn after(&mut self, time: &str) -> Result<(), String> {
        let time = match time.strip_suffix("ms") {
            Some(ms) => Duration::from_millis(ms.parse().map_err(|_| "no number")?),
            None => {
                Duration::from_secs(time.trim_end_matches('s').parse().map_err(|_| "no number")?)
            }
        };
        let end = self.now + time;
        let mut rounds = 0;
        while let Some(deadline) = self.machine.poll_deadline().filter(|at| *at <= end) {
            self.now = deadline.max(self.now);
            self.input(Event::Deadline);
            rounds += 1;
            if rounds > 1000 {
                return Err("the clock spins".into());
            }
        }
        self.now = end;
        Ok(())
    }
}

fn action_words(action: &Action) -> String {
    let leg = |leg: Leg| match leg {
        Leg::Accept => "accept".to_owned(),
        Leg::Connect(addr) => addr.to_string(),
    };
    match action {
        Action::Connect => "connect".into(),
        Action::ConnectTo { host, port } => format!("connect {host} {port}"),
        Action::Listen { side, expected, advertise, protected } => {
            let advertise = if *advertise { " advertise" } else { "" };
            let protected = if *protected { " protected" } else { "" };
            format!("listen {} {expected}{advertise}{protected}", side.label())
        }
        Action::Open(plan) => format!("open {} {}", leg(plan.downstream), leg(plan.upstream)),
        Action::Advance(stage) => match stage {
            Stage::Granted => "stage granted".into(),
            Stage::Protected(legs) => {
                let client = if legs.downstream { " client" } else { "" };
                let server = if legs.upstream { " server" } else { "" };
                format!("stage protected{client}{server}")
            }
            Stage::Requested(way) => format!("stage requested {}", way_word(*way)),
            Stage::Started(_) => "stage started".into(),
            Stage::Finished(_) => "stage finished".into(),
            Stage::Failed => "stage failed".into(),
        },
        Action::Hurry => "hurry".into(),
        Action::CloseTransfer => "release".into(),
        Action::StartTls(side) => format!("start-tls {}", side.label()),
        Action::Tunnel => "tunnel".into(),
        Action::EpsvRefused => "epsv-refused".into(),
        Action::LoggedIn => "logged-in".into(),
        Action::Close(reason) => format!("close {}", CloseReason::label(*reason)),
        Action::Send { .. } | Action::Record(_) => unreachable!("put into words by the caller"),
    }
}

const fn way_word(way: Direction) -> &'static str {
    match way {
        Direction::Download => "down",
        Direction::Upload => "up",
        Direction::Either => "either",
    }
}

fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Delivered => "delivered".into(),
        Outcome::NotOpened(side, fault) => format!("not-opened {} {}", side.label(), fault.label()),
        Outcome::Broken(side, fault) => format!("broken {} {}", side.label(), fault.label()),
        Outcome::NoData => "no-data".into(),
        Outcome::Stopped => "stopped".into(),
    }
}

fn report(word: &[&str]) -> Result<TransferReport, String> {
    let side = |name: &str| if name == "client" { Side::Downstream } else { Side::Upstream };
    let fault = |name: &str| match name {
        "unreachable" => Fault::Unreachable,
        "not-opened" => Fault::NotOpened,
        "stalled" => Fault::Stalled,
        "tls" => Fault::Tls,
        _ => Fault::Reset,
    };
    let outcome = match word {
        ["delivered", ..] => Outcome::Delivered,
        ["not-opened", who, why] => Outcome::NotOpened(side(who), fault(why)),
        ["broken", who, why] => Outcome::Broken(side(who), fault(why)),
        ["no-data"] => Outcome::NoData,
        ["stopped"] => Outcome::Stopped,
        _ => return Err("unknown outcome".into()),
    };
    Ok(TransferReport {
        outcome,
        downloaded: 0,
        uploaded: 0,
        client: None,
        server: None,
        closed_first: None,
        elapsed: Duration::ZERO,
        strangers: 0,
        client_tls: None,
        server_tls: None,
    })
}

fn bytes(text: &str, end: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next() {
            Some('r') => out.push(b'\r'),
            Some('n') => out.push(b'\n'),
            Some('0') => out.push(0),
            Some('x') => {
                let hex: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&hex, 16).expect("two hex digits"));
            }
            other => panic!("unknown escape {other:?}"),
        }
    }
    out.extend_from_slice(end.as_bytes());
    out
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            0 => out.push_str("\\0"),
            0x20..=0x7e => out.push(*byte as char),
            _ => write!(out, "\\x{byte:02x}").unwrap(),
        }
    }
    out
}
