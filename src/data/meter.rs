//! What a transfer has moved, and when last.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::session::event::Side;

/// Written by the two pumps of a transfer, read by whoever judges it. Atomics because the pumps
/// share it, not because threads do: all of them run in one task.
#[derive(Debug)]
pub(super) struct Meter {
    began: Instant,
    towards: [Flow; 2],
    /// Nanoseconds from `began` to the last byte that moved.
    touched: AtomicU64,
    closed_first: OnceLock<Side>,
}

#[derive(Debug, Default)]
struct Flow {
    bytes: AtomicU64,
    blocked: AtomicBool,
    ended: AtomicBool,
    reset: AtomicBool,
}

impl Meter {
    /// Nothing moved yet.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            towards: Default::default(),
            touched: AtomicU64::new(0),
            closed_first: OnceLock::new(),
        }
    }

    fn flow(&self, side: Side) -> &Flow {
        let [down, up] = &self.towards;
        match side {
            Side::Downstream => down,
            Side::Upstream => up,
        }
    }

    /// `bytes` were written to the leg of `side`.
    pub(super) fn moved(&self, side: Side, bytes: u64, now: Instant) {
        self.flow(side).bytes.fetch_add(bytes, Ordering::Relaxed);
        self.touch(now);
    }

    /// Something happened: the time of silence starts anew.
    pub(super) fn touch(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.began).as_nanos();
        self.touched.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether bytes for `side` lie here because it does not take them.
    pub(super) fn set_blocked(&self, side: Side, blocked: bool) {
        self.flow(side).blocked.store(blocked, Ordering::Relaxed);
    }

    /// As set by [`set_blocked`](Self::set_blocked).
    pub(super) fn is_blocked(&self, side: Side) -> bool {
        self.flow(side).blocked.load(Ordering::Relaxed)
    }

    /// All that will ever go to `side` was written.
    pub(super) fn end(&self, side: Side) {
        self.flow(side).ended.store(true, Ordering::Relaxed);
    }

    /// As told by [`end`](Self::end).
    pub(super) fn has_ended(&self, side: Side) -> bool {
        self.flow(side).ended.load(Ordering::Relaxed)
    }

    /// The connection of `side` broke before it had ended.
    pub(super) fn reset(&self, side: Side) {
        self.flow(side).reset.store(true, Ordering::Relaxed);
    }

    /// As told by [`reset`](Self::reset).
    pub(super) fn was_reset(&self, side: Side) -> bool {
        self.flow(side).reset.load(Ordering::Relaxed)
    }

    /// The connection of `side` ended or broke; only the first counts.
    pub(super) fn closed(&self, side: Side) {
        let _ = self.closed_first.set(side);
    }

    /// Whose connection ended or broke first.
    pub(super) fn closed_first(&self) -> Option<Side> {
        self.closed_first.get().copied()
    }

    /// Bytes written to the leg of `side`.
    pub(super) fn bytes(&self, side: Side) -> u64 {
        self.flow(side).bytes.load(Ordering::Relaxed)
    }

    /// When the last byte moved; before the first, when the legs were joined.
    pub(super) fn last_moved(&self) -> Instant {
        self.began + Duration::from_nanos(self.touched.load(Ordering::Relaxed))
    }

    /// Since the legs were joined.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
