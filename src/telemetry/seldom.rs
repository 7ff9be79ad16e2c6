//! What anybody can cause as often as they like is said once in a while, with how often it was.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing more is said of the same.
const PAUSE: Duration = Duration::from_secs(60);

/// Counts by reason. The reasons are few and ours.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<BTreeMap<&'static str, Count>>);

#[derive(Debug, Default)]
struct Count {
    /// Since it was last said.
    unsaid: u64,
    said: Option<Instant>,
}

impl Seldom {
    /// It happened once more. `Some`: it is time to say so, and so often it was since the last time.
    pub(crate) fn count(&self, why: &'static str) -> Option<u64> {
        self.count_at(why, Instant::now())
    }

    fn count_at(&self, why: &'static str, now: Instant) -> Option<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(why).or_default();
        count.unsaid = count.unsaid.saturating_add(1);
        if count.said.is_some_and(|said| now.saturating_duration_since(said) < PAUSE) {
            return None;
        }
        count.said = Some(now);
        Some(std::mem::take(&mut count.unsaid))
    }
}

#[cfg(test)]
mod tests;
