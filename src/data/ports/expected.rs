//! Who may connect to a lease.

use std::net::IpAddr;

use crate::data::options::Peers;
use crate::net::balancers::Balancers;

impl Peers {
    /// Who may connect where `peer` is awaited.
    pub(crate) fn expected(&self, peer: IpAddr) -> Expected {
        match self {
            Self::Direct | Self::Announced(_) => Expected::new(peer),
            Self::Hidden(balancers) => Expected::behind(balancers.clone(), peer),
        }
    }
}

/// The one peer that may connect to a lease.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    peer: IpAddr,
    /// Who may come in its stead, without saying so.
    behind: Option<Balancers>,
}

impl Expected {
    /// `::ffff:a.b.c.d` is `a.b.c.d` (S35).
    pub(crate) fn new(peer: IpAddr) -> Self {
        Self { peer: peer.to_canonical(), behind: None }
    }

    /// The peer, or a balancer: like is compared with like, as far as there is any (P165).
    fn behind(balancers: Balancers, peer: IpAddr) -> Self {
        Self { behind: Some(balancers), ..Self::new(peer) }
    }

    /// *The* comparison of a data peer with whom we wait for (S3, S6); there is no other.
    pub(crate) fn admits(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.peer == peer || self.behind.as_ref().is_some_and(|balancers| balancers.list(peer))
    }

    /// Whether there may be a connection that both of them admit, which then must not be waited for
    /// on one port.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.peer == other.peer || self.behind.is_some() || other.behind.is_some()
    }
}

#[cfg(test)]
mod tests;
