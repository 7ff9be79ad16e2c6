//! The router, whichever protocol it speaks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use super::{pcp, upnp};
use crate::net::routes::default_gateways;

/// How we are joined to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// Its address on our side: the default gateway.
    pub(super) gateway: Ipv4Addr,
    /// Ours, that it forwards to.
    pub(super) local: Ipv4Addr,
}

impl Link {
    /// By the routes of this machine.
    pub(super) fn find() -> Result<Self, String> {
        let gateway = default_gateways().into_iter().find_map(|ip| match ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        });
        let gateway =
            gateway.ok_or("no port is mapped: there is no IPv4 default gateway to ask")?;
        // Only looks up the route: no packet.
        let local = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
            .and_then(|socket| socket.connect((gateway, 9)).and_then(|()| socket.local_addr()));
        match local.map(|address| address.ip()) {
            Ok(IpAddr::V4(local)) => Ok(Self { gateway, local }),
            _ => Err(format!("no port is mapped: the router {gateway} cannot be reached")),
        }
    }
}

/// What the router is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// RFC 6887.
    Pcp,
    /// RFC 6886.
    NatPmp,
    /// UPnP Internet Gateway Device.
    Upnp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        })
    }
}

/// Why there is no mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Nobody answers in this protocol: no other port will fare better.
    pub(super) silent: bool,
    /// For the operator.
    pub(super) why: String,
}

impl Refused {
    /// The protocol is not spoken there.
    pub(super) fn silent(why: impl Into<String>) -> Self {
        Self { silent: true, why: why.into() }
    }

    /// This port is not given.
    pub(super) fn port(why: impl Into<String>) -> Self {
        Self { silent: false, why: why.into() }
    }
}

/// A port that the router forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granted {
    /// What it is called outside.
    pub(super) outside: u16,
    /// For how long; `None` is until it is removed.
    pub(super) lease: Option<Duration>,
}

/// What a look at the router in between tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pulse {
    /// Its address outside now.
    pub(super) address: Option<Ipv4Addr>,
    /// It has begun anew and forgotten our mappings.
    pub(super) forgot: bool,
}

/// A router that we have, or hope to have, mappings on.
#[derive(Debug)]
pub(super) struct Router {
    pub(super) protocol: Protocol,
    pub(super) link: Link,
    client: Client,
}

#[derive(Debug)]
enum Client {
    Pcp(pcp::Client),
    Upnp(upnp::Client),
}

impl Router {
    /// Finds out how it is spoken to.
    pub(super) async fn open(protocol: Protocol, link: Link) -> Result<Self, Refused> {
        let client = match protocol {
            Protocol::Pcp => Client::Pcp(pcp::Client::new(link, true)),
            Protocol::NatPmp => Client::Pcp(pcp::Client::new(link, false)),
            Protocol::Upnp => Client::Upnp(upnp::Client::find(link).await?),
        };
        Ok(Self { protocol, link, client })
    }

    /// Has TCP `port` of ours forwarded, under the number `outside` if that can be had.
    pub(super) async fn map(&mut self, port: u16, outside: u16) -> Result<Granted, Refused> {
        match &mut self.client {
            Client::Pcp(client) => client.map(port, outside).await,
            Client::Upnp(client) => client.map(port, outside).await,
        }
    }

    /// Ends a mapping.
    pub(super) async fn unmap(&self, port: u16, outside: u16) -> Result<(), Refused> {
        match &self.client {
            Client::Pcp(client) => client.unmap(port).await,
            Client::Upnp(client) => client.unmap(outside).await,
        }
    }

    /// Its address outside, as far as it tells without a mapping.
    pub(super) async fn address(&self) -> Result<Option<Ipv4Addr>, Refused> {
        match &self.client {
            Client::Pcp(client) => client.address().await,
            Client::Upnp(client) => client.address().await,
        }
    }

    /// Looks after one of its mappings.
    pub(super) async fn pulse(&mut self, port: u16, outside: u16) -> Result<Pulse, Refused> {
        match &mut self.client {
            Client::Pcp(client) => client.pulse(port, outside).await,
            Client::Upnp(client) => client.pulse(port, outside).await,
        }
    }
}
