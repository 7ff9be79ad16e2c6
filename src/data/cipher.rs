//! Both directions of a relay of which at least one leg is under TLS: bytes are copied, since the
//! kernel cannot see through.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::meter::Meter;
use super::throttle::Limits;
use super::turn::Turns;
use crate::net::stream::Stream;
use crate::session::event::Side;

/// What one read takes, bytes: many TLS records for one write.
const BUFFER: usize = 256 << 10;
/// Bytes after which it is a large transfer, that waits for its turn.
const LARGE: u64 = 64 << 10;
/// Reads in a turn, at most.
const ROUNDS: u32 = 16;

thread_local! {
    /// Every relay of a worker copies through it; nothing stays in it across a wait.
    static WORKER_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// The two connections and how far each direction is.
pub(super) struct Pair<'a> {
    legs: [Stream; 2],
    halves: [Half; 2],
    meter: &'a Meter,
    limits: [Limits; 2],
    /// For each side: its end without close_notify is a break (P156).
    strict: [bool; 2],
    turns: Turns,
}

/// One direction, named by the side it goes to.
struct Half {
    /// Read, but not written yet.
    rest: Box<[u8]>,
    at: usize,
    state: State,
    /// After the end is said, the source is read on until its own.
    drain: bool,
    pause: Option<Pin<Box<Sleep>>>,
    /// Its turn is over, not its work.
    interrupted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Moving,
    /// Everything is written; what TLS still holds goes out before the next read.
    Flushing,
    /// The source has ended: close_notify and FIN are on their way (P155).
    Ending,
    /// The end is said; what still comes is dropped.
    Draining,
    Ended,
}

impl<'a> Pair<'a> {
    /// `legs`, `limits` and `strict` are the client's and the server's, in this order.
    pub(super) fn new(
        legs: [Stream; 2],
        meter: &'a Meter,
        limits: [Limits; 2],
        strict: [bool; 2],
    ) -> Self {
        let halves = [Half::new(), Half::new()];
        Self { legs, halves, meter, limits, strict, turns: Turns::default() }
    }

    /// The legs, the client's first.
    pub(super) fn legs(&self) -> &[Stream; 2] {
        &self.legs
    }

    /// Everything worth having was delivered: `into` gets its close_notify at once, for some servers
    /// say 226 only after it (P155). What still comes from the other side is read and dropped: TLS 1.3
    /// sends its tickets there, and unread bytes would turn our close into a reset (P140).
    pub(super) fn hurry(&mut self, into: Side) {
        if let Some(half) = self.halves.get_mut(into.index())
            && matches!(half.state, State::Moving | State::Flushing)
        {
            half.state = State::Ending;
            half.drain = true;
        }
    }

    /// Ready each time a direction ends.
    ///
    /// # Errors
    /// The side whose connection broke.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Side>> {
        let both = [Side::Downstream, Side::Upstream];
        let moved: u64 = both.iter().map(|&into| self.meter.bytes(into)).sum();
        let until = match moved < LARGE {
            true => None,
            false => Some(ready!(self.turns.poll(cx)).until()),
        };
        for into in both {
            if !self.meter.has_ended(into)
                && let Poll::Ready(ended) = self.poll_half(into, until, cx)
            {
                self.turns.leave();
                return Poll::Ready(ended);
            }
        }
        match self.halves.iter().any(|half| half.interrupted) {
            true => self.turns.pass(cx),
            false => self.turns.leave(),
        }
        Poll::Pending
    }

    fn poll_half(
        &mut self,
        into: Side,
        until: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Side>> {
        let [client, server] = &mut self.legs;
        let (from, to) = match into {
            Side::Downstream => (server, client),
            Side::Upstream => (client, server),
        };
        let index = into.index() & 1;
        let flow = Flow {
            into,
            meter: self.meter,
            limits: &self.limits[index],
            strict: self.strict[into.other().index() & 1],
            until,
        };
        self.halves[index].poll(&flow, from, to, cx)
    }
}

/// What a direction has to know.
struct Flow<'a> {
    into: Side,
    meter: &'a Meter,
    limits: &'a Limits,
    strict: bool,
    /// The end of this turn.
    until: Option<Instant>,
}

impl Half {
    fn new() -> Self {
        Self {
            rest: Box::default(),
            at: 0,
            state: State::Moving,
            drain: false,
            pause: None,
            interrupted: false,
        }
    }

    fn poll(
        &mut self,
        flow: &Flow<'_>,
        from: &mut Stream,
        to: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Side>> {
        self.interrupted = false;
        for round in 0..ROUNDS {
            // Each direction comes to something in every turn.
            if round > 0 && flow.until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            match self.state {
                State::Moving => {
                    if !self.rest.is_empty() {
                        ready!(self.poll_rest(flow, to, cx))?;
                        self.state = State::Flushing;
                        continue;
                    }
                    ready!(self.poll_pause(flow, cx));
                    ready!(self.poll_copy(flow, from, to, cx))?;
                }
                State::Flushing => {
                    flow.meter.set_blocked(flow.into, true);
                    let unsent = to.unsent();
                    let flushed = Pin::new(&mut *to).poll_flush(cx);
                    if to.unsent() < unsent {
                        // A slow reader is no silent one.
                        flow.meter.touch(Instant::now());
                    }
                    let flushed = ready!(flushed);
                    flow.meter.set_blocked(flow.into, false);
                    flow.whole(flow.into, flushed)?;
                    self.state = State::Moving;
                }
                State::Ending => {
                    ready!(self.poll_rest(flow, to, cx))?;
                    // A whole small file may still be on its way with its end.
                    flow.meter.set_blocked(flow.into, true);
                    let unsent = to.unsent();
                    let ended = Pin::new(&mut *to).poll_shutdown(cx);
                    if to.unsent() < unsent {
                        flow.meter.touch(Instant::now());
                    }
                    let ended = ready!(ended);
                    flow.meter.set_blocked(flow.into, false);
                    // A peer that does not hear us any more may have sent before that.
                    if self.drain {
                        self.state = State::Draining;
                        continue;
                    }
                    flow.meter.closed(flow.into.other());
                    flow.meter.end(flow.into);
                    self.state = State::Ended;
                    return Poll::Ready(flow.whole(flow.into, ended));
                }
                State::Draining => {
                    if ready!(poll_drop(from, cx)) {
                        continue;
                    }
                    flow.meter.end(flow.into);
                    self.state = State::Ended;
                    return Poll::Ready(Ok(()));
                }
                State::Ended => return Poll::Pending,
            }
        }
        self.interrupted = true;
        Poll::Pending
    }

    /// Waits while the caps allow nothing.
    fn poll_pause(&mut self, flow: &Flow<'_>, cx: &mut Context<'_>) -> Poll<()> {
        if flow.limits.is_empty() {
            return Poll::Ready(());
        }
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let now = Instant::now();
            // Our own pause is no silence of the peers.
            flow.meter.touch(now);
            match flow.limits.allowance(now.into_std()) {
                Ok(_) => return Poll::Ready(()),
                Err(pause) => self.pause = Some(Box::pin(tokio::time::sleep(pause))),
            }
        }
    }

    /// Writes what an earlier read left.
    fn poll_rest(
        &mut self,
        flow: &Flow<'_>,
        to: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Side>> {
        while self.at < self.rest.len() {
            flow.meter.set_blocked(flow.into, true);
            let rest = self.rest.get(self.at..).unwrap_or_default();
            let written = ready!(Pin::new(&mut *to).poll_write(cx, rest));
            self.at += flow.written(written)?;
        }
        flow.meter.set_blocked(flow.into, false);
        (self.rest, self.at) = (Box::default(), 0);
        Poll::Ready(Ok(()))
    }

    /// What can be read, and as many writes as go at once.
    fn poll_copy(
        &mut self,
        flow: &Flow<'_>,
        from: &mut Stream,
        to: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Side>> {
        WORKER_BUFFER.with_borrow_mut(|buffer| {
            let allowed = flow.allowance();
            let mut read = ReadBuf::new(buffer.get_mut(..allowed).unwrap_or_default());
            let mut end = None;
            // All there is, so that it is written at once, and close_notify with the last of it.
            while read.remaining() > 0 && end.is_none() {
                let before = read.filled().len();
                match Pin::new(&mut *from).poll_read(cx, &mut read) {
                    Poll::Ready(Ok(())) if read.filled().len() > before => {}
                    Poll::Ready(ended) => end = Some(flow.ended(ended)),
                    Poll::Pending if before == 0 => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            let mut rest = read.filled();
            while !rest.is_empty() {
                let Poll::Ready(written) = Pin::new(&mut *to).poll_write(cx, rest) else { break };
                let written = flow.written(written)?;
                rest = rest.get(written..).unwrap_or_default();
            }
            self.rest = rest.into();
            self.state = match end.transpose()? {
                Some(()) => State::Ending,
                None if rest.is_empty() => State::Flushing,
                None => State::Moving,
            };
            Poll::Ready(Ok(()))
        })
    }
}

/// Reads once and drops it; `false` at the end.
fn poll_drop(from: &mut Stream, cx: &mut Context<'_>) -> Poll<bool> {
    WORKER_BUFFER.with_borrow_mut(|buffer| {
        let mut read = ReadBuf::new(buffer);
        let end = ready!(Pin::new(from).poll_read(cx, &mut read));
        Poll::Ready(end.is_ok() && !read.filled().is_empty())
    })
}

impl Flow<'_> {
    fn allowance(&self) -> usize {
        if self.limits.is_empty() {
            return BUFFER;
        }
        let allowed = self.limits.allowance(Instant::now().into_std()).unwrap_or(1);
        usize::try_from(allowed).unwrap_or(BUFFER).clamp(1, BUFFER)
    }

    fn written(&self, written: io::Result<usize>) -> Result<usize, Side> {
        let written = match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        };
        let written = self.whole(self.into, written)?;
        let now = Instant::now();
        self.meter.moved(self.into, written as u64, now);
        if !self.limits.is_empty() {
            self.limits.spend(written as u64, now.into_std());
        }
        Ok(written)
    }

    /// Whether the end of the source is a good one; a missing close_notify is, if so configured.
    fn ended(&self, end: io::Result<()>) -> Result<(), Side> {
        let from = self.into.other();
        match end {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !self.strict => {
                tracing::debug!(side = from.label(), "data connection ended without close_notify");
                Ok(())
            }
            end => self.whole(from, end),
        }
    }

    fn whole<T>(&self, side: Side, result: io::Result<T>) -> Result<T, Side> {
        result.map_err(|error| {
            tracing::debug!(side = side.label(), %error, "data connection broke");
            self.meter.closed(side);
            side
        })
    }
}

#[cfg(test)]
mod tests;
