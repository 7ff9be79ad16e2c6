//! Is that address ourselves? (P83)

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Whether `to` is one of the listeners `own`, which may be wildcards.
pub(super) fn is_own(own: &[SocketAddr], to: SocketAddr) -> bool {
    let ip = match to.ip().to_canonical() {
        // Connecting to "any" reaches this machine.
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    own.iter().filter(|own| own.port() == to.port()).any(|own| {
        let own = own.ip().to_canonical();
        let wildcard = own.is_unspecified() && own.is_ipv4() == ip.is_ipv4();
        own == ip || (wildcard && is_local(ip))
    })
}

/// Whether the address is this machine's: only such can be bound, unless the kernel was told to
/// let any be bound (as beside keepalived); then only the route says so.
pub(super) fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback()
        || (UdpSocket::bind((ip, 0)).is_ok() && (!any_can_be_bound(ip) || starts_at(ip)))
}

fn any_can_be_bound(ip: IpAddr) -> bool {
    let setting = match ip {
        IpAddr::V4(_) => "/proc/sys/net/ipv4/ip_nonlocal_bind",
        IpAddr::V6(_) => "/proc/sys/net/ipv6/ip_nonlocal_bind",
    };
    fs::read_to_string(setting).is_ok_and(|value| value.trim() != "0")
}

/// Whether the way to the address starts at the address, as it does for a machine's own primary
/// ones. The UDP connect only looks up the route: no packet is sent.
fn starts_at(ip: IpAddr) -> bool {
    let any = match ip {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = || -> io::Result<SocketAddr> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((ip, 9))?;
        socket.local_addr()
    };
    source().is_ok_and(|source| source.ip() == ip)
}

#[cfg(test)]
mod tests;
