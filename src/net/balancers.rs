//! Balancers in front of us: who may speak for others.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::limits::covers;

/// The networks of the balancers. What they say of clients is believed, so it is by the real far
/// end of a connection that one is recognised (S37).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Balancers(Arc<[IpNet]>);

impl Balancers {
    /// Whether `peer` is one of them, in canonical form (S35).
    pub(crate) fn list(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|net| covers(net, peer))
    }
}

impl From<Vec<IpNet>> for Balancers {
    fn from(networks: Vec<IpNet>) -> Self {
        Self(networks.into())
    }
}

/// Where connections have to begin with a PROXY header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderOptions {
    /// Whose header is believed; all others are closed (P161).
    pub(crate) from: Balancers,
    /// How long it may take, from accept to its last byte.
    pub(crate) within: Duration,
}
