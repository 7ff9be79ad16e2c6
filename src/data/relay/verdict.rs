//! When a relay is over, and how it ended.

use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::data::meter::Meter;
use crate::data::options::DataOptions;
use crate::data::transfer::Progress;
use crate::session::event::{Direction, Fault, Outcome, Side};

/// Decides when a relay is over.
pub(super) struct Verdict<'a> {
    progress: Progress,
    meter: &'a Meter,
    options: &'a DataOptions,
    finished: Option<Instant>,
    /// When the first direction ended.
    half: Option<Instant>,
}

impl<'a> Verdict<'a> {
    pub(super) fn new(progress: Progress, meter: &'a Meter, options: &'a DataOptions) -> Self {
        let finished = progress.has_finished().then(Instant::now);
        Self { progress, meter, options, finished, half: None }
    }

    /// Waits until the outcome is certain. `next` is ready each time a direction ends.
    pub(super) async fn reached(
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

    /// Which way the data flow.
    pub(super) fn direction(&self) -> Direction {
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
    pub(super) fn ends_plainly(&self, side: Side, outcome: Outcome) -> bool {
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
