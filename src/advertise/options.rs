//! What the advertised address is made from.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

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
    /// How often names are resolved and the file is looked at.
    pub(crate) refresh: Duration,
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
            refresh: Duration::from_secs(60),
        }
    }
}
