//! One direction of a relay: everything that one socket yields goes into the other.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;
use tokio::time::Instant;

use super::meter::Meter;
use super::splice::Pipe;
use super::throttle::Limits;
use super::turn::Turn;
use crate::net::socket;
use crate::session::event::Side;

/// Bytes copied before a pipe is worth its system calls: listings and small files never see one.
const COPY_FIRST: usize = 64 << 10;
/// Size of a worker's buffer: what one read takes when no pipe is to be had.
const BUFFER: usize = 256 << 10;

thread_local! {
    /// Every pump of a worker copies through it; nothing stays in it across an await.
    static WORKER_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// Half a relay: into the leg of the side `into`, from the other one.
pub(super) struct Pump<'a> {
    pub(super) from: &'a TcpStream,
    pub(super) to: &'a TcpStream,
    pub(super) into: Side,
    pub(super) meter: &'a Meter,
    pub(super) limits: Limits,
    /// Largest pipe, bytes.
    pub(super) pipe: usize,
    /// `to` is closed when this ends, which says it without a call of its own.
    pub(super) last: bool,
}

/// What a read met.
enum Step {
    /// More may come.
    More,
    /// The end of the source; everything before it was written.
    End,
}

impl Pump<'_> {
    /// Moves bytes until the source ends, and passes the end on after the last of them (P47).
    ///
    /// # Errors
    /// The side whose connection broke.
    pub(super) async fn run(self) -> Result<(), Side> {
        while let Step::More = self.step().await? {}
        self.end()
    }

    async fn step(&self) -> Result<Step, Side> {
        // Who always finds something to read, and a taker, has others go on all the same.
        consume_budget().await;
        let allowed = self.allowed().await;
        self.unbroken(self.into.other(), self.from.readable().await)?;
        let moved = self.meter.bytes(self.into);
        if moved < COPY_FIRST as u64 {
            return self.copy(None, allowed.min(COPY_FIRST)).await;
        }
        let turn = Turn::take().await;
        // Others had their turn, and may have used it up.
        let allowed = allowed.min(self.allowance().unwrap_or(0));
        if allowed == 0 {
            turn.end().await;
            return Ok(Step::More);
        }
        match Pipe::take(moved, self.pipe) {
            Some(pipe) => self.splice(turn, pipe, allowed).await,
            None => self.copy(Some(turn), allowed.min(BUFFER)).await,
        }
    }

    fn end(&self) -> Result<(), Side> {
        // A write to the source has met its reset: all that a read sees of that is an end.
        if self.meter.was_reset(self.into.other()) {
            return Err(self.into.other());
        }
        self.meter.closed(self.into.other());
        self.meter.end(self.into);
        if self.last || self.meter.has_ended(self.into.other()) {
            return Ok(());
        }
        self.unbroken(self.into, socket::shutdown_write(self.to)).map(drop)
    }

    /// One read, and all of it written; in a turn, if this is not the beginning.
    async fn copy(&self, turn: Option<Turn>, limit: usize) -> Result<Step, Side> {
        let (step, rest) = WORKER_BUFFER.with_borrow_mut(|buffer| {
            self.copy_once(buffer.get_mut(..limit).unwrap_or_default())
        })?;
        if let Some(turn) = turn {
            turn.end().await;
        }
        let mut rest = &*rest;
        while !rest.is_empty() {
            self.writable().await?;
            self.write(&mut rest)?;
        }
        Ok(step)
    }

    /// One read and as many writes as go at once, and what is left then.
    fn copy_once(&self, buffer: &mut [u8]) -> Result<(Step, Box<[u8]>), Side> {
        // A read that leaves room has emptied the socket.
        let room = buffer.len();
        let read = socket::read(self.from, buffer, |bytes| bytes.len() < room);
        let Some(read) = self.unbroken(self.into.other(), read)? else {
            return Ok((Step::More, Box::default()));
        };
        let mut rest = buffer.get(..read).unwrap_or_default();
        while !rest.is_empty() && self.write(&mut rest)? {}
        Ok((if read == 0 { Step::End } else { Step::More }, rest.into()))
    }

    /// Writes some of `bytes` and takes it off; `false`: nothing goes for now.
    fn write(&self, bytes: &mut &[u8]) -> Result<bool, Side> {
        let written = match self.to.try_write(bytes) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        };
        let Some(written) = self.unbroken(self.into, written)? else { return Ok(false) };
        self.moved(written);
        *bytes = bytes.get(written..).unwrap_or_default();
        Ok(true)
    }

    /// A burst through the pipe: until the source has no more for now, or the turn is over. The
    /// pipe is not held while the source is silent, the turn not while the destination is.
    async fn splice(
        &self,
        mut turn: Turn,
        mut pipe: Pipe,
        mut allowed: usize,
    ) -> Result<Step, Side> {
        while allowed > 0 && !turn.is_over() {
            let filled = pipe.fill(self.from, allowed);
            let Some(filled) = self.unbroken(self.into.other(), filled)? else {
                break;
            };
            if filled == 0 {
                pipe.give_back();
                return Ok(Step::End);
            }
            while !pipe.is_empty() {
                match self.unbroken(self.into, pipe.drain(self.to))? {
                    Some(written) => self.moved(written),
                    None => {
                        turn.end().await;
                        self.writable().await?;
                        turn = Turn::take().await;
                    }
                }
            }
            allowed -= filled;
        }
        pipe.give_back();
        turn.end().await;
        Ok(Step::More)
    }

    async fn writable(&self) -> Result<(), Side> {
        self.meter.set_blocked(self.into, true);
        let ready = self.to.writable().await;
        self.meter.set_blocked(self.into, false);
        self.unbroken(self.into, ready).map(drop)
    }

    /// How many bytes may be read next; waits while the caps allow none.
    async fn allowed(&self) -> usize {
        loop {
            match self.allowance() {
                Ok(bytes) => return bytes,
                Err(pause) => tokio::time::sleep(pause).await,
            }
        }
    }

    /// How many bytes may be read at this moment, or when it is to be asked again.
    fn allowance(&self) -> Result<usize, Duration> {
        if self.limits.is_empty() {
            return Ok(usize::MAX);
        }
        let now = Instant::now();
        // Our own pause is no silence of the peers.
        self.meter.touch(now);
        let bytes = self.limits.allowance(now.into_std())?;
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    fn moved(&self, bytes: usize) {
        let now = Instant::now();
        self.meter.moved(self.into, bytes as u64, now);
        if !self.limits.is_empty() {
            self.limits.spend(bytes as u64, now.into_std());
        }
    }

    /// `None`: not for now. A peer's reset is an ending, not an error of ours.
    fn unbroken<T>(&self, side: Side, result: io::Result<T>) -> Result<Option<T>, Side> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => {
                tracing::debug!(side = side.label(), %error, "data connection broke");
                self.meter.closed(side);
                // A broken pipe had its end before it broke.
                if error.kind() != io::ErrorKind::BrokenPipe {
                    self.meter.reset(side);
                }
                Err(side)
            }
        }
    }
}
