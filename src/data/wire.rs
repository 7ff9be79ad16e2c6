//! A data connection of which nothing is known but its bytes: what a wire would do (P122).
//!
//! Under TLS many clients close without reading the server's last words, which the kernel makes a
//! reset. What they sent before is whole all the same, so the end of one direction never stops the
//! other: all bytes are passed on first, and only then a reset becomes a reset.

use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::pump::Pump;
use super::relay::Shared;
use super::transfer::Progress;
use crate::net::socket;
use crate::session::event::{Fault, Outcome, Side};

/// What is read of a side whose words nobody takes any more: good-byes, but no file.
const LAST_WORDS: usize = 64 << 10;

/// How the two connections ended; the directions share it.
#[derive(Default)]
struct Ends {
    /// To be reset, for the other one was.
    cut: [AtomicBool; 2],
    /// Ended of its own accord: there is nothing to be told.
    closed: [AtomicBool; 2],
    /// Who broke first.
    broke: OnceLock<(Side, Instant)>,
}

impl Ends {
    fn set(of: &[AtomicBool; 2], side: Side) {
        let [client, server] = of;
        (if side == Side::Downstream { client } else { server }).store(true, Ordering::Relaxed);
    }

    /// Whether the connections of the client and of the server end with a reset.
    fn resets(&self) -> [bool; 2] {
        let load = |of: &[AtomicBool; 2]| of.each_ref().map(|side| side.load(Ordering::Relaxed));
        let ([client, server], closed) = (load(&self.cut), load(&self.closed));
        [client && !closed[0], server && !closed[1]]
    }
}

impl Shared<'_> {
    /// Relays until both directions are over.
    pub(super) async fn wire(
        self,
        client: &TcpStream,
        server: &TcpStream,
        progress: &mut watch::Receiver<Progress>,
        report: impl FnOnce(Outcome),
    ) {
        let Self { meter, options, throttle } = self;
        let ends = Ends::default();
        let pump = |from, to, into| {
            let limits = throttle.towards(into);
            Pump { from, to, into, meter, limits, pipe: options.pipe, last: false }
        };
        let mut down = pin!(carry(pump(server, client, Side::Downstream), &ends, options.close));
        let mut up = pin!(carry(pump(client, server, Side::Upstream), &ends, options.close));
        let mut over = [false; 2];
        let mut finished = progress.borrow_and_update().has_finished().then(Instant::now);
        let outcome = loop {
            tokio::select! {
                biased;
                () = &mut down, if !over[0] => over[0] = true,
                () = &mut up, if !over[1] => over[1] = true,
                changed = progress.changed() => {
                    if changed.is_err() || progress.borrow_and_update().has_failed() {
                        break Outcome::Stopped;
                    }
                    finished.get_or_insert_with(Instant::now);
                }
                () = sleep_until(self.patience(&ends, finished)) => match ends.broke.get() {
                    // What happened meanwhile moved it.
                    _ if self.patience(&ends, finished) > Instant::now() => {}
                    Some((side, _)) => break Outcome::Broken(*side, Fault::Reset),
                    None => break Outcome::Broken(Side::Upstream, Fault::Stalled),
                },
            }
            if over == [true; 2] {
                break match ends.broke.get().filter(|_| ends.resets() != [false; 2]) {
                    Some((side, _)) => Outcome::Broken(*side, Fault::Reset),
                    None => Outcome::Delivered,
                };
            }
        };
        if over == [true; 2] {
            for (stream, reset) in [client, server].into_iter().zip(ends.resets()) {
                if !reset {
                    socket::close_plainly(stream);
                }
            }
        }
        report(outcome);
    }

    /// When silence has lasted too long.
    fn patience(&self, ends: &Ends, finished: Option<Instant>) -> Instant {
        let Self { meter, options, .. } = self;
        let (since, patience) = match (ends.broke.get(), finished) {
            (Some((_, at)), _) => (*at, options.close),
            (None, Some(at)) => (at, options.drain),
            (None, None) => (meter.last_moved(), options.stall),
        };
        since.max(meter.last_moved()) + patience
    }
}

/// One direction to its end, whatever the other one meets. If its sink is gone, the source has `close`
/// to end as well: the loop that waits for both may not see that anything broke.
async fn carry(pump: Pump<'_>, ends: &Ends, close: Duration) {
    let (from, into, meter) = (pump.from, pump.into, pump.meter);
    let Err(broken) = pump.run().await else { return Ends::set(&ends.closed, into.other()) };
    ends.broke.get_or_init(|| (broken, Instant::now()));
    if broken != into {
        // It was reset behind its last byte, and so is the other: once that has all of them.
        Ends::set(&ends.cut, into);
    } else if timeout(close, has_ended(from)).await.unwrap_or(false) {
        Ends::set(&ends.closed, into.other());
    } else {
        Ends::set(&ends.cut, into.other());
    }
    meter.end(into);
}

/// Whether `from` ends of its own accord, soon and without much to say.
async fn has_ended(from: &TcpStream) -> bool {
    let mut waste = vec![0; 4 << 10];
    let mut left = LAST_WORDS;
    while from.readable().await.is_ok() {
        match from.try_read(&mut waste) {
            Ok(0) => return true,
            Ok(read) if read < left => left -= read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests;
