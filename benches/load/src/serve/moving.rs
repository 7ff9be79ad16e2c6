//! The data connection of one session.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};

use rustix::event::epoll::EventFlags;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Socket, Type};

use super::bulk::LARGE;
use super::dialogue::{Job, Session};
use super::{Part, Shared};

/// Pieces moved for one event, so that one transfer does not keep the others waiting.
const PIECES: usize = 8;

/// What came of a turn.
enum Turn {
    /// More is to come.
    More,
    /// The data connection has ended, or everything was sent.
    End,
}

impl Session {
    /// Passive mode: the client is there, before or after its transfer command.
    pub(super) fn on_listener(&mut self, shared: &mut Shared) {
        let Some(accepted) = self.listener.as_ref().map(std::net::TcpListener::accept) else {
            return;
        };
        let Ok((stream, _)) = accepted else { return };
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        self.listener = None;
        self.connected(stream, shared);
        if self.job.is_some() {
            self.start(shared);
        }
    }

    /// Active mode: connects; the 150 is said when it is there.
    pub(super) fn dial(&mut self, peer: SocketAddr, shared: &mut Shared) {
        let connecting = || -> io::Result<TcpStream> {
            let socket = Socket::new(Domain::for_address(peer), Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            // In progress, most often: what came of it shows when the socket is writable.
            let _ = socket.connect(&peer.into());
            Ok(socket.into())
        };
        match connecting() {
            Ok(stream) => {
                shared.watch(&stream, self.slot, Part::Data, EventFlags::OUT, false);
                self.watched = true;
                self.data = Some(stream);
            }
            Err(_) => self.fail("425 Cannot connect"),
        }
    }

    fn connected(&mut self, stream: TcpStream, shared: &mut Shared) {
        self.data = Some(stream);
        self.watched = false;
        self.schedule(Part::Data, shared);
    }

    /// Both the data connection and the command are here.
    pub(super) fn start(&mut self, shared: &mut Shared) {
        let (Some(job), Some(data)) = (&mut self.job, &self.data) else { return };
        job.started = true;
        // Not an active connection: that one is known to epoll already.
        if job.size > LARGE && !job.compared && !self.watched {
            return self.start_bulk(shared);
        }
        let flags = if job.upload { EventFlags::IN } else { EventFlags::OUT };
        shared.watch(data, self.slot, Part::Data, flags, self.watched);
        self.watched = true;
        self.say("150 Go");
    }

    pub(super) fn on_data(&mut self, shared: &mut Shared) {
        let (Some(job), Some(data)) = (&mut self.job, &mut self.data) else { return };
        if !job.started {
            return self.dialled(shared);
        }
        let moved = match job.upload {
            true => take(job, data, shared),
            false => give(job, data, shared),
        };
        match moved {
            Ok(Turn::More) => {}
            Ok(Turn::End) => self.complete(shared),
            Err(error) => self.fail(&format!("426 {error}")),
        }
    }

    fn dialled(&mut self, shared: &mut Shared) {
        let Some(data) = self.data.take() else { return };
        if matches!(data.take_error(), Ok(None)) {
            let watched = self.watched;
            self.connected(data, shared);
            self.watched = watched;
            self.start(shared);
        } else {
            self.fail("425 Cannot connect");
        }
    }

    pub(super) fn complete(&mut self, shared: &mut Shared) {
        let Some(job) = self.job.take() else { return };
        self.data = None;
        self.watched = false;
        shared.transfers += 1;
        if job.done != job.size {
            // A client that ends its data connection early and in good order is passed on so.
            if !self.user.starts_with("client.data-fin") {
                shared.short += 1;
                eprintln!("the end after {} of {} bytes, {}", job.done, job.size, self.user);
            }
            self.say(&format!("451 The end came after {} of {} bytes", job.done, job.size));
        } else if job.differs {
            self.say("451 Wrong bytes");
        } else {
            self.say("226 Done");
        }
    }
}

fn give(job: &mut Job, data: &TcpStream, shared: &Shared) -> io::Result<Turn> {
    for _ in 0..PIECES {
        if job.done == job.size {
            return Ok(Turn::End);
        }
        match shared.pattern.send(data, job.done, job.size - job.done) {
            Ok(sent) => job.done += sent,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Turn::More),
            Err(e) => return Err(e),
        }
    }
    Ok(if job.done == job.size { Turn::End } else { Turn::More })
}

fn take(job: &mut Job, data: &mut TcpStream, shared: &mut Shared) -> io::Result<Turn> {
    for _ in 0..PIECES {
        let got = if job.compared {
            data.read(&mut shared.scratch).inspect(|&got| {
                job.differs |= !shared.pattern.matches(job.done, &shared.scratch[..got]);
            })
        } else {
            // Thrown away inside the kernel.
            let got = recv(&*data, shared.scratch.as_mut_slice(), RecvFlags::TRUNC);
            got.map(|(_, got)| got).map_err(io::Error::from)
        };
        match got {
            Ok(0) => return Ok(Turn::End),
            Ok(got) => job.done += got as u64,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Turn::More),
            Err(e) => return Err(e),
        }
    }
    Ok(Turn::More)
}
