//! One data transfer: a task that brings up two legs, relays, and reports once.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::guard::TransferTls;
pub(crate) use super::leg::LegSource;
use super::meter::Meter;
use super::opening::Opening;
use super::options::DataOptions;
use super::relay::Relay;
use super::throttle::Throttle;
use crate::net::socket;
use crate::session::event::{Direction, Outcome, Protection, Side, Stage, TransferReport};

/// How far the dialogue has come, as the task sees it: what was once true is not forgotten, however
/// fast the stages follow each other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    direction: Option<Direction>,
    protection: Protection,
    started: bool,
    finished: bool,
    failed: bool,
    hurried: bool,
}

impl Progress {
    fn advance(&mut self, stage: Stage) {
        match stage {
            Stage::Granted => {}
            Stage::Protected(protection) => self.protection = protection,
            Stage::Requested(direction) => self.direction = Some(direction),
            Stage::Started(direction) => {
                (self.direction, self.started) = (Some(direction), true);
            }
            Stage::Finished(direction) => {
                (self.direction, self.started, self.finished) = (Some(direction), true, true);
            }
            Stage::Failed => self.failed = true,
        }
    }

    /// Which way the data flow, once the transfer command is out.
    pub(super) fn direction(self) -> Option<Direction> {
        self.direction
    }

    /// Which legs are under TLS.
    pub(super) fn protection(self) -> Protection {
        self.protection
    }

    /// The server has begun, by its 1yz or its final 2yz.
    pub(super) fn has_started(self) -> bool {
        self.started
    }

    /// The server said that it is done, with success.
    pub(super) fn has_finished(self) -> bool {
        self.finished
    }

    /// There is nothing more to transfer.
    pub(super) fn has_failed(self) -> bool {
        self.failed
    }

    /// The client has little time left to open its leg.
    pub(super) fn is_hurried(self) -> bool {
        self.hurried
    }

    /// Whether a leg of `side` that moved nothing may end plainly although nothing was delivered.
    /// The server must never take an upload that did not happen for an empty file (P50).
    pub(super) fn ends_plainly(self, side: Side) -> bool {
        let upload = side == Side::Upstream && self.direction == Some(Direction::Upload);
        !self.started && !upload
    }
}

/// A transfer that runs. Dropping it before its report is there resets what is open and gives the
/// ports back; after the report the connections end on their own.
#[derive(Debug)]
pub(crate) struct Transfer {
    progress: watch::Sender<Progress>,
    report: Option<oneshot::Receiver<TransferReport>>,
    joined: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Transfer {
    /// Starts the task on this worker, at [`Stage::Granted`].
    pub(crate) fn start(
        downstream: LegSource,
        upstream: LegSource,
        options: Arc<DataOptions>,
        throttle: Throttle,
        tls: TransferTls,
    ) -> Self {
        let (progress, watched) = watch::channel(Progress::default());
        let (reporter, report) = oneshot::channel();
        let joined = Arc::new(AtomicBool::new(false));
        let ends = Ends { reporter, joined: joined.clone() };
        let task =
            tokio::spawn(run((downstream, upstream), (options, throttle, tls), watched, ends));
        Self { progress, report: Some(report), joined, task }
    }

    /// Tells the task how far the dialogue has come.
    pub(crate) fn advance(&self, stage: Stage) {
        self.progress.send_modify(|progress| progress.advance(stage));
    }

    /// Leaves the client `T_close` to open its leg, if it has not yet.
    pub(crate) fn hurry(&self) {
        self.progress.send_modify(|progress| progress.hurried = true);
    }

    /// Whether both legs have come up since this was last asked.
    pub(crate) fn take_joined(&self) -> bool {
        self.joined.swap(false, Ordering::Relaxed)
    }

    /// The report, once; pending for ever after that.
    pub(crate) fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<TransferReport> {
        let Some(report) = &mut self.report else { return Poll::Pending };
        let report = ready!(Pin::new(report).poll(cx));
        self.report = None;
        // No report: the runtime is going down, and the task with it.
        Poll::Ready(report.unwrap_or_else(|_| nothing(Outcome::Stopped)))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let unheard = self.report.as_mut().is_some_and(|report| report.try_recv().is_err());
        if unheard {
            self.task.abort();
        }
    }
}

/// Where the task tells what the handle is asked.
struct Ends {
    reporter: oneshot::Sender<TransferReport>,
    joined: Arc<AtomicBool>,
}

async fn run(
    (downstream, upstream): (LegSource, LegSource),
    (options, throttle, tls): (Arc<DataOptions>, Throttle, TransferTls),
    mut progress: watch::Receiver<Progress>,
    Ends { reporter, joined }: Ends,
) {
    let blind = matches!(downstream, LegSource::Up { .. });
    let mut opening = Opening::new(downstream, upstream, &options, tls);
    let watched = progress.clone();
    let asked = || watched.borrow().direction().is_some();
    let opened = after_others(pin!(opening.run(&mut progress)), asked).await;
    let (client, server) = opening.take();
    let mut report = TransferReport {
        client: client.as_ref().map(|leg| leg.peer),
        server: server.as_ref().map(|leg| leg.peer),
        strangers: opening.strangers(),
        client_tls: client.as_ref().and_then(|leg| leg.tls),
        server_tls: server.as_ref().and_then(|leg| leg.tls),
        ..nothing(opened.err().unwrap_or(Outcome::Stopped))
    };
    // What is left of the legs, a listening port above all, ends here.
    drop(opening);
    let (client, server) = match (opened, client, server) {
        (Ok(()), Some(client), Some(server)) => (client, server),
        (_, client, server) => {
            let progress = *progress.borrow();
            for (side, leg) in [(Side::Downstream, client), (Side::Upstream, server)] {
                if report.outcome == Outcome::NoData || progress.ends_plainly(side) {
                    leg.iter().for_each(|leg| socket::close_plainly(leg.stream.tcp()));
                }
            }
            // Nobody listens any more if the session is over.
            let _ = reporter.send(report);
            return;
        }
    };
    joined.store(true, Ordering::Relaxed);
    let meter = Meter::new();
    let (options, throttle) = (&options, &throttle);
    let relay = Relay { client, server, meter: &meter, options, throttle, blind };
    let tell = |outcome| {
        report.outcome = outcome;
        report.downloaded = meter.bytes(Side::Downstream);
        report.uploaded = meter.bytes(Side::Upstream);
        report.closed_first = meter.closed_first();
        report.elapsed = meter.elapsed();
        let _ = reporter.send(report);
    };
    relay.run(&mut progress, tell).await;
}

/// Until the server is `asked` for the transfer, lets those go first who have news as well, once for
/// each of its own. A client connects and sends its command at once: the command is to be on its way
/// before the connection is accepted and the port closed, which takes as long as waking the server.
async fn after_others<T>(
    mut opening: Pin<&mut impl Future<Output = T>>,
    asked: impl Fn() -> bool,
) -> T {
    // What is due at first is the dial, and nobody waits for more than that.
    let mut its_turn = true;
    poll_fn(|cx| {
        if its_turn || asked() {
            its_turn = false;
            return opening.as_mut().poll(cx);
        }
        its_turn = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// The report of a transfer that moved nothing.
const fn nothing(outcome: Outcome) -> TransferReport {
    TransferReport {
        outcome,
        downloaded: 0,
        uploaded: 0,
        client: None,
        server: None,
        closed_first: None,
        elapsed: Duration::ZERO,
        strangers: 0,
        client_tls: None,
        server_tls: None,
    }
}

#[cfg(test)]
mod tests;
