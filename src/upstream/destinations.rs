//! Where clients may go who choose the server themselves (S38).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::data::options::PortRange;
use crate::limits::covers;

/// Who names the server that a session goes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The configuration.
    #[default]
    Gateway,
    /// The client: it was redirected to us (nft `redirect`, `dnat`), and the kernel remembers where
    /// it wanted to go (P171).
    Redirect,
    /// The client: its packets are delivered to us as they are (nft `tproxy`), so that our end of
    /// the connection has the server's address (P171).
    Tproxy,
    /// The client, which knows of us: it names the server as it logs in.
    Forward,
}

impl Mode {
    /// Whether the client aims at the server and knows nothing of us.
    pub(crate) const fn is_transparent(self) -> bool {
        matches!(self, Self::Redirect | Self::Tproxy)
    }
}

/// As it is written in the configuration.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "gateway",
            Self::Redirect => "redirect",
            Self::Tproxy => "tproxy",
            Self::Forward => "forward",
        })
    }
}

/// Inside some network and unknown outside of it (RFC 1918, 6598, 4193): never meant by a network
/// that is larger.
const PRIVATE: [IpNet; 5] = [
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([100, 64, 0, 0], 10),
    v6([0xfc00, 0, 0, 0], 7),
];

/// Nobody's server: this host, links, groups, what is reserved, and where clouds tell machines
/// their secrets.
const NEVER: [IpNet; 9] = [
    v4([0, 0, 0, 0], 8),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([224, 0, 0, 0], 3),
    // `::`, `::1`, and IPv4 addresses in a form that no one uses any more.
    v6([0, 0, 0, 0], 96),
    v6([0xfe80, 0, 0, 0], 10),
    v6([0xfec0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0], 8),
    // AWS; its last four groups are 0:0:0:254.
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128)),
];

/// NAT64: the last four bytes are the IPv4 address that is reached (RFC 6052).
const NAT64: IpNet = v6([0x64, 0xff9b, 0, 0], 96);

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6([a, b, c, d]: [u16; 4], length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), length))
}

/// The allow-list. An empty one lets nobody anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Destinations {
    /// Networks of servers. A private one counts for what lies in it; a larger one never means
    /// private addresses.
    pub(crate) networks: Vec<IpNet>,
    /// Names of servers, in lower case, for clients that name theirs; `*.example.org` is every name
    /// below.
    pub(crate) names: Vec<String>,
    /// Control ports.
    pub(crate) ports: Vec<PortRange>,
}

/// Why a destination is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Loopback, link-local, a group, a cloud's metadata: whatever the list says.
    Reserved,
    /// A private address, and no network of the list is a private one.
    Private,
    /// Not in the list.
    Unlisted,
    /// Its port is not in the list.
    Port,
}

/// For the operator: what to change if it was not meant so.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved => "loopback, link-local, multicast and metadata addresses never are",
            Self::Private => {
                "a private address, and `destinations` names no private network that it is in"
            }
            Self::Unlisted => "`destinations` does not name it",
            Self::Port => "its port is not in `destination_ports`",
        })
    }
}

impl Refused {
    /// Short and stable, for logs and metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Reserved => "destination-reserved",
            Self::Private => "destination-private",
            Self::Unlisted => "destination",
            Self::Port => "destination-port",
        }
    }
}

impl Destinations {
    /// Whether a client may go there. Compared in canonical form, an address behind NAT64 also as
    /// the IPv4 address that it stands for (S35). That `to` is not this machine is left to
    /// [`Upstream::is_ourselves`](super::Upstream::is_ourselves).
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admits(&self, to: SocketAddr) -> Result<(), Refused> {
        let ip = to.ip().to_canonical();
        self.admits_ip(ip)?;
        if let Some(inner) = behind_nat64(ip) {
            if contained(&NEVER, inner) {
                return Err(Refused::Reserved);
            }
            if contained(&PRIVATE, inner) {
                self.admits_ip(inner)?;
            }
        }
        self.admits_port(to)
    }

    /// Whether a client may go there that asked for `host`, of which `to` is an address. A listed
    /// name may have any public address; a private one still has to lie in a listed network, for
    /// who owns the name chooses its addresses.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admits_named(&self, host: &str, to: SocketAddr) -> Result<(), Refused> {
        match self.admits(to) {
            Err(Refused::Unlisted) if self.has_name(host) => self.admits_port(to),
            verdict => verdict,
        }
    }

    fn has_name(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.names.iter().any(|name| match name.strip_prefix('*') {
            Some(parent) => host.len() > parent.len() && host.ends_with(parent),
            None => host == name,
        })
    }

    fn admits_port(&self, to: SocketAddr) -> Result<(), Refused> {
        let listed = self.ports.iter().any(|r| (r.first..=r.last).contains(&to.port()));
        if listed { Ok(()) } else { Err(Refused::Port) }
    }

    fn admits_ip(&self, ip: IpAddr) -> Result<(), Refused> {
        if contained(&NEVER, ip) {
            return Err(Refused::Reserved);
        }
        let mut listed = self.networks.iter().filter(|network| covers(network, ip));
        match (listed.clone().next(), contained(&PRIVATE, ip)) {
            (None, false) => Err(Refused::Unlisted),
            (_, true) if !listed.any(is_private) => Err(Refused::Private),
            _ => Ok(()),
        }
    }
}

/// Whether all of a network is private.
pub(crate) fn is_private(network: &IpNet) -> bool {
    PRIVATE.iter().any(|private| private.contains(network))
}

/// Whether no address of a network could ever be a destination.
pub(crate) fn is_never(network: &IpNet) -> bool {
    NEVER.iter().any(|never| never.contains(network))
}

fn contained(networks: &[IpNet], ip: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&ip))
}

fn behind_nat64(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = ip else { return None };
    let [.., a, b, c, d] = v6.octets();
    NAT64.contains(&ip).then(|| Ipv4Addr::new(a, b, c, d).into())
}

#[cfg(test)]
mod tests;
