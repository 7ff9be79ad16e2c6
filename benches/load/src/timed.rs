//! Sockets of a client that may be told to stop at any moment: nothing blocks for longer than
//! until that moment, or the bound.

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Longest line of a reply.
const MAX_LINE: usize = 8192;

/// Why a client stopped.
#[derive(Debug)]
pub enum Stop {
    /// The moment has come to kill one of the client's own sockets.
    Kill,
    /// Nothing happened until the bound.
    Bound,
    /// The connection ended or broke, or the reply was not the one hoped for.
    Broken(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    pub kill: Option<Instant>,
    pub bound: Instant,
}

impl Clock {
    /// Whether a moment has come.
    pub fn check(&self) -> Result<(), Stop> {
        let now = Instant::now();
        match self.kill {
            Some(kill) if kill <= now => Err(Stop::Kill),
            _ if self.bound <= now => Err(Stop::Bound),
            _ => Ok(()),
        }
    }

    fn wait(&self, fd: impl AsFd, flags: PollFlags) -> Result<(), Stop> {
        self.wait_for(&mut [PollFd::new(&fd, flags)])
    }

    /// Until one of them is ready.
    fn wait_for(&self, any: &mut [PollFd<'_>]) -> Result<(), Stop> {
        self.check()?;
        let next = self.kill.map_or(self.bound, |kill| kill.min(self.bound));
        let left = next.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(any, Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// `work` until it no longer would block.
    pub fn until_done<T>(
        &self,
        fd: impl AsFd,
        flags: PollFlags,
        mut work: impl FnMut() -> io::Result<T>,
    ) -> Result<T, Stop> {
        loop {
            match work() {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.wait(&fd, flags)?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
                Ok(done) => return Ok(done),
            }
        }
    }

    /// Bytes, or 0 at the end.
    pub fn read(&self, stream: &TcpStream, into: &mut [u8]) -> Result<usize, Stop> {
        let mut reader = stream;
        self.until_done(stream, PollFlags::IN, || reader.read(into))
    }

    /// Reads until the stream ends or breaks.
    pub fn read_out(&self, stream: &TcpStream, scratch: &mut [u8]) -> Result<(), Stop> {
        loop {
            match self.read(stream, scratch) {
                Ok(0) | Err(Stop::Broken(_)) => return Ok(()),
                Ok(_) => {}
                Err(stop) => return Err(stop),
            }
        }
    }
}

/// A control connection.
pub struct Control {
    pub stream: TcpStream,
    input: Vec<u8>,
}

impl Control {
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, input: Vec::new() })
    }

    pub fn send(&mut self, line: &str, clock: &Clock) -> Result<(), Stop> {
        use std::io::Write as _;
        clock.check()?;
        Ok(self.stream.write_all(format!("{line}\r\n").as_bytes())?)
    }

    /// The next single-line reply; the peers of the soak test send no others.
    pub fn reply(&mut self, clock: &Clock) -> Result<String, Stop> {
        loop {
            if let Some(end) = self.input.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let mut chunk = [0; 512];
            match clock.read(&self.stream, &mut chunk)? {
                0 => return Err(Stop::Broken("control connection ended".into())),
                got => self.input.extend_from_slice(&chunk[..got]),
            }
            if self.input.len() > MAX_LINE {
                return Err(Stop::Broken("endless line".into()));
            }
        }
    }

    /// The data connection, unless the server's refusal comes first.
    pub fn accept(&mut self, listener: &TcpListener, clock: &Clock) -> Result<TcpStream, Stop> {
        loop {
            match listener.accept() {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                accepted => {
                    let (stream, _) = accepted?;
                    stream.set_nonblocking(true)?;
                    return Ok(stream);
                }
            }
            if self.input.ends_with(b"\n") && self.input.starts_with(b"4") {
                return Err(Stop::Broken(String::from_utf8_lossy(&self.input).into_owned()));
            }
            let mut chunk = [0; 512];
            match self.stream.read(&mut chunk) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let ready = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
                    clock.wait_for(&mut [ready(listener.as_fd()), ready(self.stream.as_fd())])?;
                }
                Err(e) => return Err(e.into()),
                Ok(0) => return Err(Stop::Broken("control connection ended".into())),
                Ok(got) => self.input.extend_from_slice(&chunk[..got]),
            }
        }
    }

    /// A reply of that class (its first digit), or the end of the script.
    pub fn expect(&mut self, class: char, clock: &Clock) -> Result<String, Stop> {
        let reply = self.reply(clock)?;
        if reply.starts_with(class) { Ok(reply) } else { Err(Stop::Broken(reply)) }
    }

    pub fn ask(&mut self, line: &str, class: char, clock: &Clock) -> Result<String, Stop> {
        self.send(line, clock)?;
        self.expect(class, clock)
    }
}
