//! Servers: where they are and what is remembered of them.

pub(crate) mod destinations;
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

use crate::net::socket::{self, Origin};
use epsv::EpsvMemory;
use options::{Source, UpstreamOptions};
use resolve::Resolver;

/// No dial takes longer, whatever the configuration says.
const LONGEST_DIAL: Duration = Duration::from_secs(600);

/// A server behind the gateway, shared by all sessions that go to it.
#[derive(Debug)]
pub(crate) struct Upstream {
    options: UpstreamOptions,
    /// Our own control listeners: never dialled (P83).
    own: Vec<SocketAddr>,
    /// Of the configured server; there may be none.
    resolver: Option<Resolver>,
    epsv: EpsvMemory,
}

impl Upstream {
    /// `own`: the bound addresses of our control listeners, which are never dialled.
    pub(crate) fn new(options: UpstreamOptions, own: Vec<SocketAddr>) -> Arc<Self> {
        let resolver = options.address.clone().map(Resolver::new);
        let epsv = EpsvMemory::new(options.retry_epsv);
        Arc::new(Self { options, own, resolver, epsv })
    }

    /// What it was made from.
    pub(crate) fn options(&self) -> &UpstreamOptions {
        &self.options
    }

    /// Opens a control connection within `timeout`, to the address given or the configured one:
    /// resolves, then tries each address in order. `client` is for whom.
    pub(crate) async fn connect(
        &self,
        to: Option<SocketAddr>,
        client: Option<IpAddr>,
        timeout: Duration,
    ) -> Result<TcpStream, UpstreamError> {
        let deadline = Instant::now() + timeout.min(LONGEST_DIAL);
        let addresses = match (to, &self.resolver) {
            (Some(to), _) => Arc::from([to]),
            (None, Some(resolver)) => resolver.addresses(deadline).await?,
            (None, None) => return Err(UpstreamError::Unknown),
        };
        let mut failure = None;
        for (tried, &address) in addresses.iter().enumerate() {
            if self.is_own(address) {
                return Err(UpstreamError::Ourselves { address });
            }
            // What is left is shared, so that one dead address does not use it all up.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            match socket::connect_control(address, self.origin(address, client), share).await {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    failure = Some(UpstreamError::Connect { address, source: Arc::new(error) });
                }
            }
        }
        let nowhere = || match &self.options.address {
            Some(address) => UpstreamError::NoAddress { address: address.clone() },
            None => UpstreamError::Unknown,
        };
        Err(failure.unwrap_or_else(nowhere))
    }

    /// How a control connection leaves. A client of the other family has no address to lend.
    fn origin(&self, to: SocketAddr, client: Option<IpAddr>) -> Origin {
        let lent = client.map(|client| client.to_canonical()).filter(|client| {
            self.options.source == Source::Client && client.is_ipv4() == to.is_ipv4()
        });
        Origin {
            from: lent.map(|client| SocketAddr::new(client, 0)),
            borrowed: lent.is_some(),
            mark: self.mark(),
        }
    }

    /// What all connections of its sessions are marked with; 0 is nothing.
    pub(crate) fn mark(&self) -> u32 {
        self.options.mark.unwrap_or_default()
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

    /// Whether this is an address of this machine: no server that a client may choose (P175, S38).
    pub(crate) fn is_ourselves(&self, to: SocketAddr) -> bool {
        self.is_own(to) || own::is_local(to.ip().to_canonical())
    }
}

#[cfg(test)]
mod tests;
