//! The control connection of one session.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;

use super::{How, Kill, Part, Shared, Timer, reset};
use crate::ftp::scan_pasv;
use crate::pattern::named;

/// Longest command line; a client that sends more is sent away.
const MAX_LINE: usize = 4096;

pub(super) struct Session {
    pub(super) id: u64,
    pub(super) slot: usize,
    pub(super) control: Option<TcpStream>,
    /// An unfinished line.
    input: Vec<u8>,
    /// Of passive mode, until the client is there.
    pub(super) listener: Option<TcpListener>,
    /// Of active mode, until the transfer command.
    peer: Option<SocketAddr>,
    pub(super) data: Option<TcpStream>,
    /// The data connection too, while a thread of its own moves a large file.
    pub(super) bulk: Option<TcpStream>,
    /// The data connection is known to epoll.
    pub(super) watched: bool,
    pub(super) job: Option<Job>,
    pub(super) kill: Option<Kill>,
    /// As sent: it says whom the client means to kill.
    pub(super) user: String,
}

/// A transfer.
pub(super) struct Job {
    pub(super) upload: bool,
    pub(super) size: u64,
    pub(super) done: u64,
    pub(super) compared: bool,
    /// The 150 was said.
    pub(super) started: bool,
    pub(super) differs: bool,
}

impl Session {
    pub(super) fn new(id: u64, slot: usize, stream: TcpStream, shared: &Shared) -> Option<Self> {
        stream.set_nonblocking(true).ok()?;
        stream.set_nodelay(true).ok()?;
        shared.watch(&stream, slot, Part::Control, EventFlags::IN, false);
        let mut session = Self {
            id,
            slot,
            control: Some(stream),
            input: Vec::new(),
            listener: None,
            peer: None,
            data: None,
            bulk: None,
            watched: false,
            job: None,
            kill: None,
            user: String::new(),
        };
        session.say("220 null");
        Some(session)
    }

    pub(super) fn is_over(&self) -> bool {
        self.control.is_none() && self.job.is_none()
    }

    pub(super) fn say(&mut self, text: &str) {
        // A reply is shorter than any send buffer; a client that reads nothing gets nothing more.
        if let Some(control) = &mut self.control {
            let _ = control.write_all(format!("{text}\r\n").as_bytes());
        }
    }

    /// Kills one of the sockets, if it is there.
    pub(super) fn kill(&mut self, kill: Kill) -> bool {
        let socket = match kill.part {
            Part::Control => self.control.take(),
            Part::Listener | Part::Data => self.data.take(),
        };
        let Some(socket) = socket else { return false };
        match kill.how {
            How::Rst => reset(socket),
            How::Fin => drop(socket),
        }
        match kill.part {
            // What moves may move on; what has not begun never will.
            Part::Control if self.job.as_ref().is_some_and(|job| job.started) => {}
            Part::Control => self.forget_data(),
            Part::Listener | Part::Data => self.fail("426 Killed"),
        }
        true
    }

    pub(super) fn schedule(&mut self, part: Part, shared: &mut Shared) {
        if let Some(kill) = self.kill.take_if(|kill| kill.part == part) {
            let at = Instant::now() + kill.after;
            shared.timers.push(Timer { at, slot: self.slot, session: self.id, kill });
        }
    }

    /// The transfer, if any, is over without success.
    pub(super) fn fail(&mut self, text: &str) {
        let had_job = self.job.is_some();
        self.forget_data();
        if had_job {
            self.say(text);
        }
    }

    /// Ends whatever there is of a data connection; an open one by reset, as a crash would.
    fn forget_data(&mut self) {
        if let Some(data) = self.data.take() {
            reset(data);
        }
        if let Some(bulk) = self.bulk.take() {
            let _ = bulk.shutdown(Shutdown::Both);
        }
        self.listener = None;
        self.peer = None;
        self.watched = false;
        self.job = None;
    }

    pub(super) fn on_control(&mut self, shared: &mut Shared) {
        let Some(control) = &mut self.control else { return };
        let got = match control.read(&mut shared.scratch) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) | Ok(0) => return self.hang_up(),
            Ok(got) => got,
        };
        self.input.extend_from_slice(&shared.scratch[..got]);
        let mut lines = Vec::new();
        while let Some(end) = self.input.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        if self.input.len() > MAX_LINE {
            return self.hang_up();
        }
        lines.iter().for_each(|line| self.command(line, shared));
    }

    fn hang_up(&mut self) {
        self.control = None;
        self.forget_data();
    }

    fn command(&mut self, line: &str, shared: &mut Shared) {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "USER" => {
                self.kill = kill_of(argument);
                self.user = argument.to_owned();
                self.say("331 Password");
                self.schedule(Part::Control, shared);
            }
            "PASS" => self.say("230 In"),
            "QUIT" => {
                self.say("221 Bye");
                self.hang_up();
            }
            "PASV" | "EPSV" => self.passive(verb.eq_ignore_ascii_case("EPSV"), shared),
            "PORT" => self.active(scan_pasv(&format!("({argument})"))),
            "EPRT" => self.active(eprt(argument)),
            "RETR" | "LIST" | "NLST" | "STOR" => self.transfer(verb, argument, shared),
            "ABOR" => {
                self.fail("426 Aborted");
                self.say("226 Aborted");
            }
            "SIZE" => match named(argument) {
                Some(file) => self.say(&format!("213 {}", file.size)),
                None => self.say("550 No such file"),
            },
            "FEAT" => self.say("211-Features:\r\n EPRT\r\n EPSV\r\n SIZE\r\n211 End"),
            "SYST" => self.say("215 UNIX Type: L8"),
            "PWD" => self.say("257 \"/\""),
            "AUTH" => self.say("502 Not here"),
            "SITE" if argument.eq_ignore_ascii_case("STATS") => {
                let Shared { live, transfers, short, kills, .. } = *shared;
                self.say(&format!(
                    "200 live={live} transfers={transfers} short={short} kills={kills}"
                ));
            }
            _ => self.say("200 Fine"),
        }
    }

    fn passive(&mut self, extended: bool, shared: &mut Shared) {
        self.forget_data();
        let own = self.control.as_ref().and_then(|control| control.local_addr().ok());
        let Some(own) = own.map(|own| own.ip()) else { return };
        let listener = match shared.listen(own) {
            Ok(listener) => listener,
            Err(error) => return self.say(&format!("425 {error}")),
        };
        let port = listener.local_addr().map_or(0, |at| at.port());
        shared.watch(&listener, self.slot, Part::Listener, EventFlags::IN, false);
        self.listener = Some(listener);
        let IpAddr::V4(told) = shared.advertise.unwrap_or(own) else {
            return self.say(&format!("229 Extended (|||{port}|)"));
        };
        let [a, b, c, d] = told.octets();
        match extended {
            true => self.say(&format!("229 Extended (|||{port}|)")),
            false => self.say(&format!("227 At ({a},{b},{c},{d},{},{})", port >> 8, port & 255)),
        }
    }

    fn active(&mut self, peer: Option<SocketAddr>) {
        self.forget_data();
        self.peer = peer;
        self.say(if peer.is_some() { "200 Fine" } else { "501 What?" });
    }

    fn transfer(&mut self, verb: &str, path: &str, shared: &mut Shared) {
        if self.listener.is_none() && self.peer.is_none() && self.data.is_none() {
            return self.say("425 PASV or PORT first");
        }
        let Some(file) = named(path) else {
            self.forget_data();
            return self.say("550 No such file");
        };
        self.job = Some(Job {
            upload: verb.eq_ignore_ascii_case("STOR"),
            size: file.size,
            done: 0,
            compared: file.compared,
            started: false,
            differs: false,
        });
        match self.peer.take() {
            Some(peer) => self.dial(peer, shared),
            None if self.data.is_some() => self.start(shared),
            None => {}
        }
    }
}

/// `|1|192.0.2.1|50000|`.
fn eprt(argument: &str) -> Option<SocketAddr> {
    let mut fields = argument.split('|').skip(2);
    let ip: IpAddr = fields.next()?.parse().ok()?;
    Some(SocketAddr::new(ip, fields.next()?.parse().ok()?))
}

/// `server.control-rst-1500`: what the user wants to be killed.
fn kill_of(user: &str) -> Option<Kill> {
    let mut words = user.strip_prefix("server.")?.split('-');
    let part = match words.next()? {
        "control" => Part::Control,
        "data" => Part::Data,
        _ => return None,
    };
    let how = if words.next()? == "rst" { How::Rst } else { How::Fin };
    Some(Kill { part, how, after: Duration::from_micros(words.next()?.parse().ok()?) })
}
