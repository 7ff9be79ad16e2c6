//! What a router maps for us, from the first request to the removal.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::LEASE;
use super::plan::{self, Wanted, Word};
use super::router::{Link, Protocol, Refused, Router};
use crate::data::ports::PortPool;

/// How long one round through all ports may take: a slow router needs half a second for each.
const ROUND: Duration = Duration::from_secs(30);
/// Between two looks at the router at least.
const SHORTEST: Duration = Duration::from_secs(1);

/// Mappings that we hold.
#[derive(Debug)]
pub(super) struct Held {
    router: Router,
    wanted: Wanted,
    /// Listened port to the port outside.
    ports: BTreeMap<u16, u16>,
    /// What is not mapped, and why.
    refused: Vec<(u16, String)>,
    address: Option<Ipv4Addr>,
    /// The shortest lease; `None`: they stay until they are removed.
    lease: Option<Duration>,
    /// When the round that mapped them began.
    since: Instant,
    /// A renewal met silence.
    unheard: Option<String>,
    /// Once this is told, nothing more is asked for.
    stop: CancellationToken,
}

impl Held {
    /// Asks for every port.
    ///
    /// # Errors
    /// When none is mapped: the words of the first refusal, and what may be behind it.
    pub(super) async fn acquire(
        router: Router,
        wanted: &Wanted,
        stop: &CancellationToken,
    ) -> Result<Self, (String, Option<String>)> {
        let mut held = Self {
            router,
            wanted: wanted.clone(),
            ports: BTreeMap::new(),
            refused: Vec::new(),
            address: None,
            lease: None,
            since: Instant::now(),
            unheard: None,
            stop: stop.clone(),
        };
        held.map_all().await;
        if held.ports.is_empty() {
            let address = held.router.address().await;
            let why = held.refused.into_iter().next().map(|(_, why)| why);
            let why = why.unwrap_or_else(|| "there is nothing to map".into());
            return Err((why, plan::behind_refusal(address)));
        }
        Ok(held)
    }

    /// One round: what is mapped is renewed, what was refused is asked for again.
    async fn map_all(&mut self) {
        let (began, mut lease) = (Instant::now(), None::<Duration>);
        let (mut ports, mut refused) = (BTreeMap::new(), Vec::new());
        let mut silence = None;
        for &(port, told) in &self.wanted.ports {
            let outside = self.ports.get(&port).copied().unwrap_or(told);
            let result = match &silence {
                Some(why) => Err(Refused::silent(String::clone(why))),
                None if self.stop.is_cancelled() => Err(Refused::silent("we are stopping")),
                None if began.elapsed() > ROUND => Err(Refused::silent("it answers too slowly")),
                None => self.router.map(port, outside).await,
            };
            match result {
                Ok(granted) => {
                    ports.insert(port, granted.outside);
                    lease = lease.into_iter().chain(granted.lease).min();
                }
                Err(Refused { silent, why }) => {
                    silence = silence.or_else(|| silent.then(|| why.clone()));
                    refused.push((port, why));
                }
            }
        }
        // What was not asked for again stands on the router, and has to be removed.
        if self.stop.is_cancelled() {
            for (&port, &outside) in &self.ports {
                ports.entry(port).or_insert(outside);
            }
        }
        // A router that is silent for once still has what it had, until the lease ends.
        self.unheard = ports.is_empty().then(|| silence.unwrap_or_else(|| "refused".into()));
        if !ports.is_empty() || self.is_over() {
            (self.ports, self.refused, self.lease, self.since) = (ports, refused, lease, began);
        }
        self.address = self.router.address().await.unwrap_or(self.address);
    }

    /// Looks at the router, or renews what is due.
    ///
    /// # Errors
    /// When nothing is mapped any more.
    pub(super) async fn keep(mut self) -> Result<Self, String> {
        let half = self.lease.unwrap_or(LEASE) / 2;
        let mut due = self.since.elapsed() >= half;
        if let (false, Some((&port, &outside))) = (due, self.ports.first_key_value()) {
            match self.router.pulse(port, outside).await {
                Ok(pulse) => {
                    due = pulse.forgot || pulse.address != self.address;
                    self.address = pulse.address;
                }
                // Said when it is time to renew; until then the mappings stand.
                Err(why) => tracing::debug!(why = why.why, "the router was not heard"),
            }
        }
        if due {
            self.map_all().await;
        }
        if self.ports.is_empty() {
            let why = self.refused.first().map_or("", |(_, why)| why);
            let (link, protocol) = (self.link(), self.router.protocol);
            return Err(plan::nothing_mapped(
                link,
                &self.wanted,
                &format!("{protocol}: {why}"),
                None,
            ));
        }
        Ok(self)
    }

    fn is_over(&self) -> bool {
        self.lease.is_some_and(|lease| self.since.elapsed() >= lease) || self.ports.is_empty()
    }

    /// Until the next [`keep`](Self::keep): renewal does not wait for the next look.
    pub(super) fn wait(&self, pulse: Duration) -> Duration {
        let half = self.lease.unwrap_or(LEASE) / 2;
        let left = half.saturating_sub(self.since.elapsed());
        // One that did not answer is not asked more often for it.
        if left.is_zero() { pulse } else { pulse.min(left).max(SHORTEST) }
    }

    /// The router's address outside; `None`: it has none, or does not tell.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.address.filter(|ip| !ip.is_unspecified())
    }

    /// How many ports are mapped.
    pub(super) fn len(&self) -> usize {
        self.ports.len()
    }

    /// What is mapped of a pool's ports.
    pub(super) fn of(&self, pool: &PortPool) -> BTreeMap<u16, u16> {
        let mapped = |(port, _)| Some((port, *self.ports.get(&port)?));
        pool.offered().filter_map(mapped).collect()
    }

    fn link(&self) -> Link {
        self.router.link
    }

    /// What the operator has to know of it.
    pub(super) fn words(&self) -> Vec<Word> {
        let who = plan::Who {
            link: self.link(),
            protocol: self.router.protocol,
            address: self.address(),
            lease: self.lease,
        };
        let mut words = plan::words(who, &self.wanted, &self.ports, &self.refused);
        words.extend(self.unheard.as_deref().map(|why| plan::unheard(who, why)));
        words
    }

    /// Ends every mapping.
    pub(super) async fn remove(self) {
        for (&port, &outside) in &self.ports {
            if let Err(refused) = self.router.unmap(port, outside).await {
                // Some routers answer a removal in ways of their own.
                tracing::debug!(port, why = refused.why, "a mapping was not removed");
                if refused.silent && self.router.protocol == Protocol::Upnp {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
