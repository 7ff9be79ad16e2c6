//! What the advertised address is made from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub(crate) use super::cloud::CloudOptions;
use crate::upstream::options::HostPort;

/// Where an advertised address comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Written down.
    Literal(IpAddr),
    /// A DNS name, resolved again and again in the background.
    Name(String),
    /// The local address of the client's control connection.
    Local,
}

/// An explicit answer for some clients; the first rule that matches wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Clients it is for.
    pub(crate) clients: IpNet,
    /// What they are told.
    pub(crate) address: Source,
}

/// How ports are asked for on a router in front (P69).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// Not at all: it opens holes, so it has to be asked for.
    Off,
    /// The first of the three that the router answers.
    Auto,
    /// Port Control Protocol (RFC 6887).
    Pcp,
    /// NAT Port Mapping Protocol (RFC 6886).
    NatPmp,
    /// UPnP Internet Gateway Device.
    Upnp,
}

/// How a listener decides what to put into 227 (`architecture.md` §8).
#[derive(Debug, Clone)]
pub(crate) struct AdvertiseOptions {
    /// Clients are told the address that they aim at, whoever it belongs to, and nothing else counts
    /// (P173).
    pub(crate) original: bool,
    /// Explicit rules, in order.
    pub(crate) rules: Vec<Rule>,
    /// Whether a private client that reached us on a private address is told that address.
    /// `None` is automatic: yes, but not in a container that was given an address, where the
    /// local one is the container network's and right for nobody outside.
    pub(crate) lan: Option<bool>,
    /// The public IPv4 address.
    pub(crate) address: Option<Source>,
    /// The public IPv6 address (never spoken in 229, used in EPRT-like places and logs).
    pub(crate) address6: Option<Source>,
    /// A file that holds the address, read again when it changes.
    pub(crate) file: Option<PathBuf>,
    /// Where a cloud is looked for; `None` is nowhere.
    pub(crate) cloud: Option<CloudOptions>,
    /// Whether a router in front is asked for ports, and with them for its address.
    pub(crate) mapping: Mapping,
    /// A STUN server, the only outside service that is ever asked, and only when named.
    pub(crate) stun: Option<HostPort>,
    /// How often names are resolved and the other sources are looked at.
    pub(crate) refresh: Duration,
    /// Clients come through balancers that say which of their addresses the client reached.
    pub(crate) proxied: bool,
    /// What is told for such an address, where it is not the one that clients know.
    pub(crate) proxy_map: BTreeMap<IpAddr, IpAddr>,
}

impl Default for AdvertiseOptions {
    fn default() -> Self {
        Self {
            original: false,
            rules: Vec::new(),
            lan: None,
            address: None,
            address6: None,
            file: None,
            cloud: Some(CloudOptions::default()),
            mapping: Mapping::Off,
            stun: None,
            refresh: Duration::from_secs(60),
            proxied: false,
            proxy_map: BTreeMap::new(),
        }
    }
}
