//! Ports of ours on the router in front: PCP, NAT-PMP or UPnP, where the operator wants it.
//!
//! The router forwards the control ports and the data range to us and says what its address is
//! outside. What it calls a port may differ: the port pool gives out only ports that are mapped,
//! under their outer numbers, to clients who come through the router. Mappings are leased for a
//! while, renewed at half of it, and removed at an orderly stop.

mod held;
mod pcp;
mod plan;
mod router;
mod soap;
mod ssdp;
mod upnp;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Advertiser;
use super::options::Mapping;
use crate::data::ports::PortPool;
use held::Held;
use plan::Wanted;
pub(crate) use plan::behind_another;
use router::{Link, Protocol, Router};

/// How long mappings are asked for: what a crash leaves behind is gone after so long.
const LEASE: Duration = Duration::from_secs(3600);
/// How soon a router that maps nothing is asked again.
const RETRY: Duration = Duration::from_secs(300);
/// How long the start waits for the router: with PCP and NAT-PMP unanswered it is UPnP's turn.
const START: Duration = Duration::from_secs(8);
/// How long the end waits for the mappings to be removed; their lease ends by itself.
const CLOSE: Duration = Duration::from_secs(5);

/// Who wants ports on the router, and who is told of them.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    /// Control listeners, as bound.
    pub(crate) controls: Vec<SocketAddr>,
    /// Data ports that clients connect to.
    pub(crate) pools: Vec<Arc<PortPool>>,
    /// Whoever tells clients an address.
    pub(crate) advertisers: Vec<Arc<Advertiser>>,
}

impl Interest {
    /// What the router maps now.
    fn publish(&self, held: Option<&Held>) {
        for pool in &self.pools {
            let of_pool = held.map(|held| held.of(pool)).filter(|ports| !ports.is_empty());
            pool.set_mapped(of_pool.map(Arc::new));
        }
        for advertiser in &self.advertisers {
            advertiser.set_router(held.and_then(Held::address));
        }
    }

    /// How often the router is looked at in between.
    fn pulse(&self) -> Duration {
        self.advertisers.iter().map(|a| a.options.refresh).min().unwrap_or(RETRY)
    }
}

/// Keeps the mappings, in the background.
#[derive(Debug)]
pub(crate) struct Keeper {
    asked: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Begins to ask the router.
    pub(crate) fn start(mapping: Mapping, interest: Interest) -> Self {
        let (tell, asked) = watch::channel(false);
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep(mapping, interest, tell, stop.clone()));
        Self { asked, stop, task }
    }

    /// Until the router has been asked once, or long enough.
    pub(crate) async fn asked(&mut self) {
        let _ = timeout(START, self.asked.wait_for(|asked| *asked)).await;
    }

    /// Removes what is mapped.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        if timeout(CLOSE + Duration::from_secs(1), self.task).await.is_err() {
            tracing::warn!("the router did not remove our mappings in time");
        }
    }
}

async fn keep(
    mapping: Mapping,
    interest: Interest,
    asked: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let mut held: Option<Held> = None;
    let mut told = Vec::new();
    loop {
        let round = async {
            match held.take() {
                Some(held) => held.keep().await,
                None => acquire(mapping, &interest, &stop).await,
            }
        };
        // Cut off in the middle of a round, its mappings would be forgotten: it ends by itself when
        // it sees that we stop.
        let words = match round.await {
            Ok(now) => {
                let words = now.words();
                held = Some(now);
                words
            }
            Err(why) => vec![plan::Word::Warn(why)],
        };
        interest.publish(held.as_ref());
        plan::tell(&words, &mut told);
        asked.send_replace(true);
        let wait = held.as_ref().map_or(RETRY, |held| held.wait(interest.pulse()));
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
    if let Some(held) = held {
        let count = held.len();
        match timeout(CLOSE, held.remove()).await {
            Ok(()) => tracing::info!(count, "mappings on the router are removed"),
            Err(_) => tracing::warn!("the router did not remove our mappings in time"),
        }
    }
}

/// The first protocol that maps anything; else what each of them said, and what to do by hand.
async fn acquire(
    mapping: Mapping,
    interest: &Interest,
    stop: &CancellationToken,
) -> Result<Held, String> {
    let link = Link::find()?;
    let wanted = Wanted::new(&interest.controls, &interest.pools, link.local);
    let (mut said, mut behind) = (Vec::new(), None);
    for &protocol in protocols(mapping).iter().take_while(|_| !stop.is_cancelled()) {
        let result = match Router::open(protocol, link).await {
            Ok(router) => Held::acquire(router, &wanted, stop).await,
            Err(refused) => Err((refused.why, None)),
        };
        match result {
            Ok(held) => return Ok(held),
            Err((why, cause)) => {
                said.push(format!("{protocol}: {why}"));
                behind = behind.or(cause);
            }
        }
    }
    Err(plan::nothing_mapped(link, &wanted, &said.join("; "), behind.as_deref()))
}

fn protocols(mapping: Mapping) -> &'static [Protocol] {
    match mapping {
        Mapping::Off => &[],
        Mapping::Auto => &[Protocol::Pcp, Protocol::NatPmp, Protocol::Upnp],
        Mapping::Pcp => &[Protocol::Pcp],
        Mapping::NatPmp => &[Protocol::NatPmp],
        Mapping::Upnp => &[Protocol::Upnp],
    }
}

/// For the self-check: a router that answers, and what it calls itself outside if it says so
/// without mapping anything.
///
/// # Errors
/// What each protocol met, in words.
pub(crate) async fn probe(mapping: Mapping) -> Result<(String, Option<Ipv4Addr>), String> {
    let link = Link::find()?;
    let mut said = Vec::new();
    for &protocol in protocols(mapping) {
        let answer = match Router::open(protocol, link).await {
            Ok(router) => router.address().await,
            Err(refused) => Err(refused),
        };
        match answer {
            Ok(address) => {
                let outside = address.map_or("not told yet".into(), |ip| ip.to_string());
                let who = format!(
                    "the router {} answers {protocol}; its address outside: {outside}",
                    link.gateway
                );
                return Ok((who, address));
            }
            Err(refused) => said.push(format!("{protocol}: {}", refused.why)),
        }
    }
    Err(format!("the router {} maps no port: {}", link.gateway, said.join("; ")))
}
