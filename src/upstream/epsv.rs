//! Which servers refused EPSV: remembered across sessions, for a while (P73).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A name rarely has more servers behind it; beyond, the oldest refusal is forgotten.
const PEERS: usize = 64;

/// Refusals by server address.
#[derive(Debug)]
pub(super) struct EpsvMemory {
    keep: Duration,
    /// When each refusal came.
    refused: Mutex<HashMap<IpAddr, Instant>>,
}

impl EpsvMemory {
    pub(super) fn new(keep: Duration) -> Self {
        Self { keep, refused: Mutex::default() }
    }

    pub(super) fn refused(&self, peer: IpAddr, now: Instant) {
        let mut refused = self.lock();
        refused.retain(|_, since| self.holds(*since, now));
        if refused.len() >= PEERS
            && let Some(oldest) = refused.iter().min_by_key(|(_, since)| **since).map(|(ip, _)| *ip)
        {
            refused.remove(&oldest);
        }
        refused.insert(peer.to_canonical(), now);
    }

    pub(super) fn allowed(&self, peer: IpAddr, now: Instant) -> bool {
        !self.lock().get(&peer.to_canonical()).is_some_and(|since| self.holds(*since, now))
    }

    fn holds(&self, since: Instant, now: Instant) -> bool {
        now.saturating_duration_since(since) < self.keep
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
