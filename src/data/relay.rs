//! Both directions of a data connection, until it is delivered, broken, stalled or stopped.

mod verdict;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::cipher::Pair;
use super::leg::Connected;
use super::meter::Meter;
use super::options::DataOptions;
use super::pump::Pump;
use super::throttle::Throttle;
use super::transfer::Progress;
use crate::net::socket;
use crate::net::stream::Stream;
use crate::session::event::{Direction, Outcome, Side};
use verdict::Verdict;

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
            // Unread words of the client would make its end a reset: it is heard out as ever.
            let delivered = outcome == Outcome::Delivered;
            let speaks = || meter.bytes(Side::Upstream) > 0 || socket::has_unread(&client);
            if !download || delivered && speaks() {
                if download {
                    let _ = socket::shutdown_write(&client);
                }
                report(outcome);
                if let (true, Some(_place)) = (delivered, Lingering::enter()) {
                    linger(meter, options, next).await;
                }
                return;
            }
            outcome
        };
        // Its end goes out before the reply, and the reply before our housekeeping (P48).
        drop(client);
        report(outcome);
        give_way().await;
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
async fn give_way() {
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

#[cfg(test)]
mod tests;
