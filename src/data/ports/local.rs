//! Where data ports listen.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Where a data port listens: a local address, and for IPv6 the link that a link-local one is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Local {
    pub(super) ip: IpAddr,
    link: u32,
}

impl From<IpAddr> for Local {
    fn from(ip: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), link: 0 }
    }
}

impl From<SocketAddr> for Local {
    fn from(address: SocketAddr) -> Self {
        let link = match address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(v6) => v6.scope_id(),
        };
        Self { ip: address.ip().to_canonical(), link }
    }
}

impl Local {
    /// One of its ports.
    pub(super) fn port(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V4(ip) => (ip, port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.link).into(),
        }
    }
}
