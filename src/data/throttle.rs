//! Bandwidth caps: a token bucket that is told the time.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::options::Rates;
use crate::session::event::Side;

/// Smallest burst: one worker buffer, so that small files never wait.
const MIN_BURST: u64 = 64 * 1024;
/// A pump waits for at least this much, or for what comes in 1/16 s, so that it wakes seldom.
const MAX_QUANTUM: u64 = 16 * 1024;

/// Tokens are bytes. It fills at `rate` up to `burst`; what several pumps take at the same moment
/// beyond that becomes a debt, so the average holds.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: u64,
    burst: u64,
    quantum: u64,
    /// When the bucket will be full. In the past: it is.
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket of `rate` bytes a second; its burst is what comes in 1/8 s.
    pub(crate) fn new(rate: NonZeroU64) -> Self {
        let rate = rate.get();
        let quantum = (rate / 16).clamp(1, MAX_QUANTUM);
        Self { rate, burst: (rate / 8).max(MIN_BURST), quantum, full_at: None }
    }

    /// How many bytes may move now, or how long to wait until some may.
    pub(crate) fn allowance(&self, now: Instant) -> Result<u64, Duration> {
        let missing = self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let enough = self.time_for(self.burst - self.quantum);
        if missing > enough {
            return Err(missing - enough);
        }
        let missing = missing.as_nanos() * u128::from(self.rate) / NANOS;
        Ok(self.burst.saturating_sub(u64::try_from(missing).unwrap_or(u64::MAX)).max(self.quantum))
    }

    /// `bytes` were moved.
    pub(crate) fn spend(&mut self, bytes: u64, now: Instant) {
        let from = self.full_at.map_or(now, |at| at.max(now));
        self.full_at = from.checked_add(self.time_for(bytes));
    }

    /// How long the bucket takes to gain `bytes`.
    fn time_for(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * NANOS / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Nanoseconds in a second.
const NANOS: u128 = 1_000_000_000;

/// A bucket that several transfers draw from.
type Shared = Arc<Mutex<TokenBucket>>;

/// The caps that hold for a transfer: its session's and its listener's. Most have none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttle(Option<Arc<Buckets>>);

#[derive(Debug, Clone, Default)]
struct Buckets {
    down: Vec<Shared>,
    up: Vec<Shared>,
}

impl Throttle {
    /// The caps that all sessions of a listener share. Make it once and clone it.
    pub(crate) fn listener(rates: &Rates) -> Self {
        Self::default().with(rates.listener_download, rates.listener_upload)
    }

    /// These caps and those of one session on its own. Made at the start of the session.
    pub(crate) fn session(&self, rates: &Rates) -> Self {
        self.clone().with(rates.session_download, rates.session_upload)
    }

    fn with(self, down: Option<NonZeroU64>, up: Option<NonZeroU64>) -> Self {
        if down.is_none() && up.is_none() {
            return self;
        }
        let bucket = |rate| Arc::new(Mutex::new(TokenBucket::new(rate)));
        let mut buckets = self.0.map(Arc::unwrap_or_clone).unwrap_or_default();
        buckets.down.extend(down.map(bucket));
        buckets.up.extend(up.map(bucket));
        Self(Some(Arc::new(buckets)))
    }

    /// The buckets of the bytes that flow towards `side`.
    pub(crate) fn towards(&self, side: Side) -> Limits {
        let Some(buckets) = &self.0 else { return Limits(Vec::new()) };
        Limits(match side {
            Side::Downstream => buckets.down.clone(),
            Side::Upstream => buckets.up.clone(),
        })
    }
}

/// The caps on one direction of a transfer.
#[derive(Debug)]
pub(crate) struct Limits(Vec<Shared>);

impl Limits {
    /// How many bytes may move now, or how long to wait until some may.
    pub(crate) fn allowance(&self, now: Instant) -> Result<u64, Duration> {
        self.0.iter().try_fold(u64::MAX, |least, bucket| {
            let bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(least.min(bucket.allowance(now)?))
        })
    }

    /// `bytes` were moved.
    pub(crate) fn spend(&self, bytes: u64, now: Instant) {
        for bucket in &self.0 {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).spend(bytes, now);
        }
    }

    /// Whether there is no cap at all: then nobody asks for the time.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
