//! Large files: each is moved by a thread of its own.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{RecvFlags, recv};

use super::dialogue::Session;
use super::{SCRATCH, Shared};
use crate::pattern::Pattern;

/// Files above are large, bytes; not those that are compared, which are all that the soak test has.
pub(super) const LARGE: u64 = 1 << 20;

/// What came of one.
pub(super) struct Moved {
    pub(super) slot: usize,
    pub(super) session: u64,
    /// Bytes.
    pub(super) outcome: io::Result<u64>,
}

/// Where the threads put it, and the descriptor that is readable then.
pub(super) struct Bulk {
    wake: Arc<OwnedFd>,
    sender: Sender<Moved>,
    moved: Receiver<Moved>,
}

impl Bulk {
    pub(super) fn new() -> io::Result<Self> {
        let (sender, moved) = channel();
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { wake: Arc::new(wake), sender, moved })
    }

    /// All that have ended since.
    pub(super) fn take(&self) -> Vec<Moved> {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        self.moved.try_iter().collect()
    }
}

impl AsFd for Bulk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Session {
    /// Begins to move a large file.
    pub(super) fn start_bulk(&mut self, shared: &Shared) {
        let (Some(job), Some(data)) = (&self.job, self.data.take()) else { return };
        let (upload, size) = (job.upload, job.size);
        let Ok(watched) = data.set_nonblocking(false).and_then(|()| data.try_clone()) else {
            return self.fail("425 No descriptor");
        };
        self.bulk = Some(watched);
        self.say("150 Go");
        let (slot, session) = (self.slot, self.id);
        let (sender, wake) = (shared.bulk.sender.clone(), shared.bulk.wake.clone());
        let pattern = shared.pattern.clone();
        std::thread::spawn(move || {
            let outcome = if upload { take(&data) } else { give(&data, size, &pattern) };
            drop(data);
            let _ = sender.send(Moved { slot, session, outcome });
            let _ = rustix::io::write(&wake, &1_u64.to_ne_bytes());
        });
    }

    /// It was moved, or broke.
    pub(super) fn on_moved(&mut self, outcome: io::Result<u64>, shared: &mut Shared) {
        self.bulk = None;
        let Some(job) = &mut self.job else { return };
        match outcome {
            Ok(bytes) => {
                job.done = bytes;
                self.complete(shared);
            }
            Err(error) => self.fail(&format!("426 {error}")),
        }
    }
}

fn give(data: &TcpStream, size: u64, pattern: &Pattern) -> io::Result<u64> {
    let mut done = 0;
    while done < size {
        done += pattern.send(data, done, size - done)?;
    }
    Ok(done)
}

/// Until its end; thrown away inside the kernel.
fn take(data: &TcpStream) -> io::Result<u64> {
    let mut scratch = vec![0; SCRATCH];
    let mut done = 0;
    loop {
        match recv(data, scratch.as_mut_slice(), RecvFlags::TRUNC)? {
            (_, 0) => return Ok(done),
            (_, got) => done += got as u64,
        }
    }
}
