//! Servers: where they are and what is remembered of them.

pub(crate) mod destinations;
mod epsv;
mod error;
mod introduce;
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
use crate::net::tuning::Tuning;
use destinations::Destinations;
use epsv::EpsvMemory;
use options::{HostPort, Source, UpstreamOptions};
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
        let nowhere = || match &self.options.address {
            Some(address) => UpstreamError::NoAddress { address: address.clone() },
            None => UpstreamError::Unknown,
        };
        self.dial(&addresses, client, deadline).await.unwrap_or_else(|| Err(nowhere()))
    }

    /// The same to a server that the client named. It is looked up once: what was allowed is what
    /// is dialled.
    pub(crate) async fn connect_named(
        &self,
        server: HostPort,
        allowed: &Destinations,
        client: Option<IpAddr>,
        timeout: Duration,
    ) -> Result<TcpStream, UpstreamError> {
        let deadline = Instant::now() + timeout.min(LONGEST_DIAL);
        let host = server.host.clone();
        let found = Resolver::new(server.clone()).addresses(deadline).await?;
        let mut refusal = None;
        let may_dial = |&address: &SocketAddr| {
            let refused = match allowed.admits_named(&host, address) {
                Ok(()) if !self.is_ourselves(address) => return true,
                Ok(()) => UpstreamError::Ourselves { address },
                Err(refused) => UpstreamError::Refused { address, refused },
            };
            refusal = Some(refused);
            false
        };
        let addresses: Vec<SocketAddr> = found.iter().copied().filter(may_dial).collect();
        let nowhere = || refusal.unwrap_or(UpstreamError::NoAddress { address: server });
        self.dial(&addresses, client, deadline).await.unwrap_or_else(|| Err(nowhere()))
    }

    /// One after another; `None` if there is none at all.
    async fn dial(
        &self,
        addresses: &[SocketAddr],
        client: Option<IpAddr>,
        deadline: Instant,
    ) -> Option<Result<TcpStream, UpstreamError>> {
        let ours = self.options.source.address();
        let reached = |to: &&SocketAddr| ours.is_none_or(|ours| ours.is_ipv4() == to.is_ipv4());
        let reached: Vec<_> = addresses.iter().filter(reached).collect();
        if let ([], Some(&address), Some(ours)) = (&*reached, addresses.first(), ours) {
            return Some(Err(UpstreamError::OtherFamily { address, ours }));
        }
        let mut failure = None;
        for (tried, &&address) in reached.iter().enumerate() {
            if self.is_own(address) {
                return Some(Err(UpstreamError::Ourselves { address }));
            }
            // What is left is shared, so that one dead address does not use it all up.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(reached.len() - tried).unwrap_or(u32::MAX);
            match socket::connect_control(address, self.origin(address, client), share).await {
                Ok(stream) => return Some(Ok(stream)),
                Err(error) => {
                    failure =
                        Some(Err(UpstreamError::Connect { address, source: Arc::new(error) }));
                }
            }
        }
        failure
    }

    /// How a control connection leaves. A client of the other family has no address to lend.
    fn origin(&self, to: SocketAddr, client: Option<IpAddr>) -> Origin {
        let lent = client.map(|client| client.to_canonical()).filter(|client| {
            self.options.source == Source::Client && client.is_ipv4() == to.is_ipv4()
        });
        Origin {
            from: lent.or(self.options.source.address()).map(|ip| SocketAddr::new(ip, 0)),
            device: self.options.device,
            borrowed: lent.is_some(),
            mark: self.mark(),
            tuning: Tuning::default(),
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
