//! Servers: where they are and what is remembered of them.

mod epsv;
mod error;
pub(crate) mod options;
mod own;
mod resolve;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

pub(crate) use error::UpstreamError;

use crate::net::socket;
use epsv::EpsvMemory;
use options::UpstreamOptions;
use resolve::Resolver;

/// No dial takes longer, whatever the configuration says.
const LONGEST_DIAL: Duration = Duration::from_secs(600);

/// A server behind the gateway, shared by all sessions that go to it.
#[derive(Debug)]
pub(crate) struct Upstream {
    options: UpstreamOptions,
    /// Our own control listeners: never dialled (P83).
    own: Vec<SocketAddr>,
    resolver: Resolver,
    epsv: EpsvMemory,
}

impl Upstream {
    /// `own`: the bound addresses of our control listeners, which are never dialled.
    pub(crate) fn new(options: UpstreamOptions, own: Vec<SocketAddr>) -> Arc<Self> {
        let resolver = Resolver::new(options.address.clone());
        let epsv = EpsvMemory::new(options.retry_epsv);
        Arc::new(Self { options, own, resolver, epsv })
    }

    /// What it was made from.
    pub(crate) fn options(&self) -> &UpstreamOptions {
        &self.options
    }

    /// Opens a control connection within `timeout`, to the address given or the configured one:
    /// resolves, then tries each address in order.
    pub(crate) async fn connect(
        &self,
        to: Option<SocketAddr>,
        timeout: Duration,
    ) -> Result<TcpStream, UpstreamError> {
        let deadline = Instant::now() + timeout.min(LONGEST_DIAL);
        let addresses = match to {
            Some(to) => Arc::from([to]),
            None => self.resolver.addresses(deadline).await?,
        };
        let source = self.options.origin.address.map(|address| address.ip());
        let reachable = |to: &&SocketAddr| source.is_none_or(|ip| ip.is_ipv4() == to.is_ipv4());
        let addresses: Vec<_> = addresses.iter().filter(reachable).collect();
        let mut failure = None;
        for (tried, &&address) in addresses.iter().enumerate() {
            if self.is_own(address) {
                return Err(UpstreamError::Ourselves { address });
            }
            // What is left is shared, so that one dead address does not use it all up.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            match socket::connect(address, &self.options.origin, share).await {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    failure = Some(UpstreamError::Connect { address, source: Arc::new(error) });
                }
            }
        }
        let nowhere = || {
            let address = self.options.address.clone();
            match source {
                Some(ours) => UpstreamError::OtherFamily { address, ours },
                None => UpstreamError::NoAddress { address },
            }
        };
        Err(failure.unwrap_or_else(nowhere))
    }

    /// The server at `peer` refused EPSV: not asked again for a while (P73).
    pub(crate) fn epsv_refused(&self, peer: IpAddr) {
        self.epsv.refused(peer, std::time::Instant::now());
    }

    /// Whether EPSV is worth asking of the server at `peer`.
    pub(crate) fn epsv_allowed(&self, peer: IpAddr, now: std::time::Instant) -> bool {
        self.epsv.allowed(peer, now)
    }

    /// Whether this is one of our own control listeners: never to be dialled, nor for data (P83).
    pub(crate) fn is_own(&self, to: SocketAddr) -> bool {
        own::is_own(&self.own, to)
    }
}

#[cfg(test)]
mod tests;
