//! Both directions of a data connection, until it is delivered, broken, stalled or stopped.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::cipher::Pair;
use super::leg::Connected;
use super::meter::Meter;
use super::options::DataOptions;
use super::pump::Pump;
use super::throttle::Throttle;
use super::transfer::Progress;
use crate::net::socket;
use crate::net::stream::Stream;
use crate::session::event::{Direction, Fault, Outcome, Side};

/// Transfers of a worker that linger at once. Clients that never close must not use up its
/// descriptors (S24): beyond that the kernel has the rest to itself.
const MAX_LINGERING: usize = 256;

thread_local! {
    static LINGERING: Cell<usize> = const { Cell::new(0) };
}

/// The two connections of a transfer, and what their relay needs to know.
pub(super) struct Relay<'a> {
    pub(super) client: Connected,
    pub(super) server: Connected,
    pub(super) meter: &'a Meter,
    pub(super) options: &'a DataOptions,
    pub(super) throttle: &'a Throttle,
    /// The dialogue about it is not known.
    pub(super) blind: bool,
}

impl Relay<'_> {
    /// Relays until the outcome is certain and tells it to `report`. What was delivered lingers
    /// for `T_close` after that: a peer may close late, and is read until then (P48).
    pub(super) async fn run(
        self,
        progress: &mut watch::Receiver<Progress>,
        report: impl FnOnce(Outcome),
    ) {
        let Self { client, server, meter, options, throttle, blind } = self;
        let shared = Shared { meter, options, throttle };
        match (client.stream, server.stream) {
            (Stream::Plain(client), Stream::Plain(server)) if blind => {
                shared.wire(&client, &server, progress, report).await;
            }
            (Stream::Plain(client), Stream::Plain(server)) => {
                shared.plain(client, server, progress, report).await;
            }
            (client, server) => shared.ciphered([client, server], progress, report).await,
        }
    }
}

/// What both directions of a relay share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) meter: &'a Meter,
    pub(super) options: &'a DataOptions,
    pub(super) throttle: &'a Throttle,
}

impl Shared<'_> {
    /// Through the kernel's pipes.
    async fn plain(
        self,
        client: TcpStream,
        server: TcpStream,
        progress: &mut watch::Receiver<Progress>,
        report: impl FnOnce(Outcome),
    ) {
        let Self { meter, options, throttle } = self;
        let now = *progress.borrow_and_update();
        let mut verdict = Verdict::new(now, meter, options);
        // A client has nothing to say on a download: what it has is closed at once.
        let download = verdict.direction() == Direction::Download;
        let pump = |from, to, into| {
            let limits = throttle.towards(into);
            let last = download && into == Side::Downstream;
            Pump { from, to, into, meter, limits, pipe: options.pipe, last }.run()
        };
        let outcome = {
            let mut down = pin!(pump(&server, &client, Side::Downstream));
            let mut up = pin!(pump(&client, &server, Side::Upstream));
            let mut next = |cx: &mut Context<'_>| {
                if !meter.has_ended(Side::Downstream)
                    && let Poll::Ready(ended) = down.as_mut().poll(cx)
                {
                    return Poll::Ready(ended);
                }
                if meter.has_ended(Side::Upstream) { Poll::Pending } else { up.as_mut().poll(cx) }
            };
            let outcome = verdict.reached(progress, &mut next).await;
            for (side, stream) in [(Side::Downstream, &client), (Side::Upstream, &server)] {
                if verdict.ends_plainly(side, outcome) {
                    socket::close_plainly(stream);
                }
            }
            if !download {
                report(outcome);
                if let (Outcome::Delivered, Some(_place)) = (outcome, Lingering::enter()) {
                    linger(meter, options, next).await;
                }
                return;
            }
            outcome
        };
        // Its end goes out before the reply, and the reply before our housekeeping (P48).
        drop(client);
        report(outcome);
        step_aside().await;
        drop(server);
    }

    /// Copied, with TLS on one leg or both.
    async fn ciphered(
        self,
        legs: [Stream; 2],
        progress: &mut watch::Receiver<Progress>,
        report: impl FnOnce(Outcome),
    ) {
        let Self { meter, options, throttle } = self;
        let limits = [Side::Downstream, Side::Upstream].map(|side| throttle.towards(side));
        let strict = [options.tls.strict_client_end, options.tls.strict_server_end];
        let mut pair = Pair::new(legs, meter, limits, strict);
        let mut verdict = Verdict::new(*progress.borrow_and_update(), meter, options);
        let outcome = verdict.reached(progress, |cx| pair.poll_next(cx)).await;
        for (side, leg) in [Side::Downstream, Side::Upstream].into_iter().zip(pair.legs()) {
            if verdict.ends_plainly(side, outcome) {
                socket::close_plainly(leg.tcp());
            }
        }
        if outcome == Outcome::Delivered {
            for side in [Side::Downstream, Side::Upstream] {
                pair.hurry(side);
            }
        }
        report(outcome);
        if outcome == Outcome::Delivered {
            linger(meter, options, |cx| pair.poll_next(cx)).await;
        }
    }
}

/// Waits for the direction that is still open, for `T_close` at most.
async fn linger(
    meter: &Meter,
    options: &DataOptions,
    mut next: impl FnMut(&mut Context<'_>) -> Poll<Result<(), Side>>,
) {
    let rest = async {
        // Woken by what the peer says last, it lets the session have its turn first: the reply
        // matters more.
        let mut polite = false;
        let mut next = |cx: &mut Context<'_>| {
            polite = !polite;
            if polite {
                return next(cx);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        };
        while !(meter.has_ended(Side::Downstream) && meter.has_ended(Side::Upstream)) {
            if poll_fn(&mut next).await.is_err() {
                break;
            }
        }
    };
    let _ = timeout(options.close, rest).await;
}

/// Lets every task of this worker that is ready go first.
async fn step_aside() {
    let mut asked = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A place among those of this worker that linger.
struct Lingering;

impl Lingering {
    fn enter() -> Option<Self> {
        let count = LINGERING.get();
        (count < MAX_LINGERING).then(|| LINGERING.set(count + 1)).map(|()| Self)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let _ = LINGERING.try_with(|count| count.set(count.get().saturating_sub(1)));
    }
}

/// Decides when a relay is over.
struct Verdict<'a> {
    progress: Progress,
    meter: &'a Meter,
    options: &'a DataOptions,
    finished: Option<Instant>,
    /// When the first direction ended.
    half: Option<Instant>,
}

impl<'a> Verdict<'a> {
    fn new(progress: Progress, meter: &'a Meter, options: &'a DataOptions) -> Self {
        let finished = progress.has_finished().then(Instant::now);
        Self { progress, meter, options, finished, half: None }
    }

    /// Waits until the outcome is certain. `next` is ready each time a direction ends.
    async fn reached(
        &mut self,
        progress: &mut watch::Receiver<Progress>,
        mut next: impl FnMut(&mut Context<'_>) -> Poll<Result<(), Side>>,
    ) -> Outcome {
        loop {
            let decided = tokio::select! {
                biased;
                ended = poll_fn(&mut next) => self.ended(ended),
                changed = progress.changed() => match changed {
                    Ok(()) => self.advance(*progress.borrow_and_update()),
                    // The transfer was dropped: what is open is reset.
                    Err(_) => Some(Outcome::Stopped),
                },
                () = sleep_until(self.deadline()) => self.overdue(),
            };
            if let Some(outcome) = decided {
                return outcome;
            }
        }
    }

    fn direction(&self) -> Direction {
        self.progress.direction().unwrap_or(Direction::Either)
    }

    /// A direction ended well, or a side broke (P49, P50).
    fn ended(&mut self, ended: Result<(), Side>) -> Option<Outcome> {
        if let Err(side) = ended {
            return Some(Outcome::Broken(side, Fault::Reset));
        }
        self.half.get_or_insert_with(Instant::now);
        let (down, up) = (Side::Downstream, Side::Upstream);
        let delivered = match self.direction() {
            Direction::Download => self.meter.has_ended(down),
            Direction::Upload => self.meter.has_ended(up),
            Direction::Either => self.meter.has_ended(down) && self.meter.has_ended(up),
        };
        delivered.then_some(Outcome::Delivered)
    }

    /// The dialogue went on.
    fn advance(&mut self, progress: Progress) -> Option<Outcome> {
        self.progress = progress;
        if progress.has_finished() {
            self.finished.get_or_insert_with(Instant::now);
        }
        progress.has_failed().then_some(Outcome::Stopped)
    }

    /// Whether the leg of `side` is to be closed without a reset.
    fn ends_plainly(&self, side: Side, outcome: Outcome) -> bool {
        let untouched =
            [Side::Downstream, Side::Upstream].map(|side| self.meter.bytes(side)) == [0; 2];
        match outcome {
            Outcome::Delivered => true,
            Outcome::Stopped => untouched && self.progress.ends_plainly(side),
            _ => false,
        }
    }

    /// When to look again whether anything moves. Not moved by every read: whoever wakes at it
    /// asks [`overdue`](Self::overdue), which knows.
    fn deadline(&self) -> Instant {
        let (since, limit) = match self.finished {
            None => (self.meter.last_moved(), self.options.stall),
            Some(at) => (self.meter.last_moved().max(at), self.options.drain),
        };
        let silent = since + limit;
        self.closing().map_or(silent, |at| at.min(silent))
    }

    /// When a transfer of unknown direction is taken as complete although one half is open.
    fn closing(&self) -> Option<Instant> {
        let (half, finished) = self.half.zip(self.finished)?;
        (self.direction() == Direction::Either).then(|| half.max(finished) + self.options.close)
    }

    fn overdue(&self) -> Option<Outcome> {
        let now = Instant::now();
        if self.closing().is_some_and(|at| at <= now) {
            return Some(Outcome::Delivered);
        }
        (self.deadline() <= now).then(|| Outcome::Broken(self.silent(), Fault::Stalled))
    }

    /// Whom we wait for: who does not take what we have, or else who has the data.
    fn silent(&self) -> Side {
        let (source, sink) = match self.direction() {
            Direction::Download | Direction::Either => (Side::Upstream, Side::Downstream),
            Direction::Upload => (Side::Downstream, Side::Upstream),
        };
        [sink, source].into_iter().find(|s| self.meter.is_blocked(*s)).unwrap_or(source)
    }
}

#[cfg(test)]
mod tests;
