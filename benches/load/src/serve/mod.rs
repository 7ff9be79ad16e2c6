//! The null FTP server: it costs next to nothing, so that the way to it is measured and not it.
//!
//! One thread, epoll; a large file has a thread of its own while it moves, as it has a process with
//! the servers of this world, so that one core is not the limit of many streams. Any user and
//! password; files are made of [`crate::pattern`], what is stored is counted and thrown away. A user
//! named `server.control-rst-1500` or `server.data-fin-300` asks for one of its own sockets to be
//! killed, so many microseconds after USER or after the data connection: that is how the soak test
//! reaches this end of a gateway.

mod bulk;
mod dialogue;
mod moving;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use socket2::{Domain, SockRef, Socket, Type};

use crate::args::Args;
use crate::pattern::Pattern;
use bulk::Bulk;
use dialogue::Session;

/// Control connections the kernel keeps for us until we accept.
const BACKLOG: i32 = 8192;
/// Events taken from the kernel at once.
const EVENTS: usize = 256;
/// Bytes read at once.
const SCRATCH: usize = 1 << 20;
/// The token of the control listener.
const DOOR: u64 = u64::MAX;
/// The token of what tells of large files that have moved.
const MOVED: u64 = u64::MAX - 1;

/// Which of a session's sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Control,
    Listener,
    Data,
}

/// How a socket is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Rst,
    Fin,
}

/// One of our own sockets is to be killed.
#[derive(Debug, Clone, Copy)]
struct Kill {
    part: Part,
    how: How,
    after: Duration,
}

struct Timer {
    at: Instant,
    slot: usize,
    session: u64,
    kill: Kill,
}

/// What all sessions use.
struct Shared {
    epoll: OwnedFd,
    bulk: Bulk,
    pattern: Arc<Pattern>,
    scratch: Vec<u8>,
    ports: (u16, u16),
    next_port: u16,
    advertise: Option<IpAddr>,
    timers: Vec<Timer>,
    live: u64,
    transfers: u64,
    /// Uploads whose data connection ended in good order without all the bytes of their name,
    /// though their client did not end it so.
    short: u64,
    kills: u64,
}

impl Shared {
    /// Waits for `flags` on that socket of the session; `again`: it is known to epoll already.
    fn watch(&self, fd: impl AsFd, slot: usize, part: Part, flags: EventFlags, again: bool) {
        let data = EventData::new_u64((slot as u64) << 2 | part as u64);
        // The descriptor is open and ours; epoll's own limit is far above that of descriptors.
        let _ = match again {
            false => epoll::add(&self.epoll, fd, data, flags),
            true => epoll::modify(&self.epoll, fd, data, flags),
        };
    }

    /// A listener on the next free port of the range.
    fn listen(&mut self, address: IpAddr) -> io::Result<TcpListener> {
        let (first, last) = self.ports;
        for _ in first..=last {
            let port = self.next_port;
            self.next_port = if port == last { first } else { port + 1 };
            if let Ok(listener) = TcpListener::bind(SocketAddr::new(address, port)) {
                listener.set_nonblocking(true)?;
                return Ok(listener);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

/// `load serve`: until killed.
pub fn run(mut args: Args) -> io::Result<bool> {
    let at = args.at()?;
    let ports = args.range("ports")?;
    let advertise = args.or("advertise", String::new())?;
    let advertise = (!advertise.is_empty()).then(|| advertise.parse()).transpose();
    args.end()?;
    let shared = Shared {
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        bulk: Bulk::new()?,
        pattern: Arc::new(Pattern::new()?),
        scratch: vec![0; SCRATCH],
        ports,
        next_port: ports.0,
        advertise: advertise.map_err(io::Error::other)?,
        timers: Vec::new(),
        live: 0,
        transfers: 0,
        short: 0,
        kills: 0,
    };
    let door = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    door.set_reuse_address(true)?;
    door.bind(&at.into())?;
    door.listen(BACKLOG)?;
    door.set_nonblocking(true)?;
    let door: TcpListener = door.into();
    epoll::add(&shared.epoll, &door, EventData::new_u64(DOOR), EventFlags::IN)?;
    epoll::add(&shared.epoll, &shared.bulk, EventData::new_u64(MOVED), EventFlags::IN)?;
    Server { shared, door, sessions: Vec::new(), free: Vec::new(), minted: 0 }.serve()
}

struct Server {
    shared: Shared,
    door: TcpListener,
    sessions: Vec<Option<Session>>,
    free: Vec<usize>,
    minted: u64,
}

impl Server {
    fn serve(mut self) -> io::Result<bool> {
        let mut events = Vec::with_capacity(EVENTS);
        let mut touched = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            let wait = self.next_timer();
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.shared.epoll, spare, wait.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for &Event { data, .. } in &events {
                let token = data.u64();
                match token {
                    DOOR => self.accept(),
                    MOVED => self.moved(&mut touched),
                    _ => {
                        self.event(token);
                        touched.push((token >> 2) as usize);
                    }
                }
            }
            self.fire(&mut touched);
            // Only now: a slot must not change hands while events for it are still to come.
            touched.drain(..).for_each(|slot| self.sweep(slot));
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.door.accept() {
            let slot = self.free.pop().unwrap_or_else(|| {
                self.sessions.push(None);
                self.sessions.len() - 1
            });
            self.minted += 1;
            match Session::new(self.minted, slot, stream, &self.shared) {
                Some(session) => {
                    self.sessions[slot] = Some(session);
                    self.shared.live += 1;
                }
                None => self.free.push(slot),
            }
        }
    }

    fn event(&mut self, token: u64) {
        let slot = (token >> 2) as usize;
        let Some(Some(session)) = self.sessions.get_mut(slot) else { return };
        match token & 3 {
            t if t == Part::Control as u64 => session.on_control(&mut self.shared),
            t if t == Part::Listener as u64 => session.on_listener(&mut self.shared),
            _ => session.on_data(&mut self.shared),
        }
    }

    /// Large files that have moved, or broke.
    fn moved(&mut self, touched: &mut Vec<usize>) {
        for moved in self.shared.bulk.take() {
            if let Some(Some(session)) = self.sessions.get_mut(moved.slot)
                && session.id == moved.session
            {
                session.on_moved(moved.outcome, &mut self.shared);
                touched.push(moved.slot);
            }
        }
    }

    fn sweep(&mut self, slot: usize) {
        if self.sessions[slot].take_if(|session| session.is_over()).is_some() {
            self.free.push(slot);
            self.shared.live -= 1;
        }
    }

    fn next_timer(&self) -> Option<Timespec> {
        let at = self.shared.timers.iter().map(|timer| timer.at).min()?;
        let wait = at.saturating_duration_since(Instant::now());
        Some(Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() })
    }

    /// Kills what is due.
    fn fire(&mut self, touched: &mut Vec<usize>) {
        let now = Instant::now();
        let (due, later) = self.shared.timers.drain(..).partition(|timer| timer.at <= now);
        self.shared.timers = later;
        let due: Vec<Timer> = due;
        for Timer { slot, session: id, kill, .. } in due {
            if let Some(Some(session)) = self.sessions.get_mut(slot)
                && session.id == id
                && session.kill(kill)
            {
                self.shared.kills += 1;
                touched.push(slot);
            }
        }
    }
}

/// Closes: a reset, whatever is still unread or unsent.
fn reset(stream: TcpStream) {
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}
