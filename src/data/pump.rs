//! One direction of a relay: everything that one socket yields goes into the other.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::Instant;

use super::meter::Meter;
use super::splice::Pipe;
use super::throttle::Limits;
use crate::net::socket;
use crate::session::event::Side;

/// Bytes copied before a pipe is worth its system calls: listings and small files never see one.
const COPY_FIRST: usize = 64 << 10;
/// Size of a worker's buffer: what one read takes when no pipe is to be had.
const BUFFER: usize = 256 << 10;
/// Rounds through a pipe until other transfers of the worker have their turn.
const ROUNDS: u32 = 64;

thread_local! {
    /// Every pump of a worker copies through it; nothing stays in it across an await.
    static WORKER_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// Half a relay: from one leg into the leg of the side `into`.
pub(super) struct Pump<'a> {
    pub(super) from: ReadHalf<'a>,
    pub(super) to: WriteHalf<'a>,
    pub(super) into: Side,
    pub(super) meter: &'a Meter,
    pub(super) limits: Limits,
    /// Largest pipe, bytes.
    pub(super) pipe: usize,
}

/// How much one read gave, and what of it is not written yet.
type Copied = (usize, Box<[u8]>);

/// What a step of a pump met.
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
    pub(super) async fn run(mut self) -> Result<(), Side> {
        loop {
            let allowed = self.allowed().await;
            let moved = self.meter.bytes(self.into);
            let step = if moved < COPY_FIRST as u64 {
                self.copy(allowed.min(COPY_FIRST)).await?
            } else {
                // A pipe is not held while the source is silent.
                self.readable().await?;
                match Pipe::take(moved, self.pipe) {
                    Some(pipe) => self.splice(pipe, allowed).await?,
                    None => self.copy(allowed.min(BUFFER)).await?,
                }
            };
            if let Step::End = step {
                return self.end();
            }
        }
    }

    fn end(&self) -> Result<(), Side> {
        self.meter.closed(self.into.other());
        self.meter.end(self.into);
        if self.meter.has_ended(self.into.other()) {
            // Both directions are over: the close that follows says it for free.
            return Ok(());
        }
        let sent = socket::shutdown_write(self.to.as_ref());
        sent.map_err(|error| self.broke(self.into, &error))
    }

    /// One read, and all of it written.
    async fn copy(&mut self, limit: usize) -> Result<Step, Side> {
        let (read, rest) = poll_fn(|cx| self.poll_copy(cx, limit)).await?;
        if !rest.is_empty() {
            self.meter.set_blocked(self.into, true);
            let mut rest = &*rest;
            while !rest.is_empty() {
                poll_fn(|cx| self.poll_write(cx, &mut rest)).await?;
            }
            self.meter.set_blocked(self.into, false);
        }
        Ok(if read == 0 { Step::End } else { Step::More })
    }

    /// One read and as many writes as go at once: how much was read, and what is left of it.
    fn poll_copy(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<Result<Copied, Side>> {
        WORKER_BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer.get_mut(..limit).unwrap_or_default());
            if let Err(error) = ready!(Pin::new(&mut self.from).poll_read(cx, &mut read)) {
                return Poll::Ready(Err(self.broke(self.into.other(), &error)));
            }
            let mut rest = read.filled();
            while !rest.is_empty() {
                match self.poll_write(cx, &mut rest) {
                    Poll::Ready(written) => written?,
                    Poll::Pending => break,
                }
            }
            Poll::Ready(Ok((read.filled().len(), rest.into())))
        })
    }

    /// Writes some of `bytes` and takes it off.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &mut &[u8]) -> Poll<Result<(), Side>> {
        let written = match ready!(Pin::new(&mut self.to).poll_write(cx, bytes)) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        };
        Poll::Ready(match written {
            Ok(written) => {
                self.moved(written);
                *bytes = bytes.get(written..).unwrap_or_default();
                Ok(())
            }
            Err(error) => Err(self.broke(self.into, &error)),
        })
    }

    /// A burst through the pipe: until the source has no more for now, or others want a turn.
    async fn splice(&mut self, mut pipe: Pipe, mut allowed: usize) -> Result<Step, Side> {
        for _ in 0..ROUNDS {
            if allowed == 0 {
                break;
            }
            match pipe.fill(self.from.as_ref(), allowed) {
                Ok(0) => {
                    pipe.give_back();
                    return Ok(Step::End);
                }
                Ok(filled) => allowed -= filled,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    pipe.give_back();
                    return Ok(Step::More);
                }
                Err(error) => return Err(self.broke(self.into.other(), &error)),
            }
            self.drain(&mut pipe).await?;
        }
        pipe.give_back();
        tokio::task::yield_now().await;
        Ok(Step::More)
    }

    async fn drain(&mut self, pipe: &mut Pipe) -> Result<(), Side> {
        while !pipe.is_empty() {
            match pipe.drain(self.to.as_ref()) {
                Ok(written) => self.moved(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.meter.set_blocked(self.into, true);
                    let ready = self.to.writable().await;
                    self.meter.set_blocked(self.into, false);
                    ready.map_err(|error| self.broke(self.into, &error))?;
                }
                Err(error) => return Err(self.broke(self.into, &error)),
            }
        }
        Ok(())
    }

    async fn readable(&self) -> Result<(), Side> {
        self.from.readable().await.map_err(|error| self.broke(self.into.other(), &error))
    }

    /// How many bytes may be read next; waits while the caps allow none.
    async fn allowed(&self) -> usize {
        if self.limits.is_empty() {
            return usize::MAX;
        }
        loop {
            let now = Instant::now();
            // Our own pause is no silence of the peers.
            self.meter.touch(now);
            match self.limits.allowance(now.into_std()) {
                Ok(bytes) => return usize::try_from(bytes).unwrap_or(usize::MAX),
                Err(pause) => tokio::time::sleep(pause).await,
            }
        }
    }

    fn moved(&self, bytes: usize) {
        let now = Instant::now();
        self.meter.moved(self.into, bytes as u64, now);
        if !self.limits.is_empty() {
            self.limits.spend(bytes as u64, now.into_std());
        }
    }

    /// A peer's reset is an ending, not an error of ours.
    fn broke(&self, side: Side, error: &io::Error) -> Side {
        tracing::debug!(side = side.label(), %error, "data connection broke");
        self.meter.closed(side);
        side
    }
}
