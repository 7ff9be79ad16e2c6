//! What the tests of this room share: a piece of loopback of their own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::options::PortRange;
use crate::net::socket;

/// Long enough never to matter.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// An address nobody else listens on, and `count` ports of it that are free.
pub(super) fn free_range(count: u16) -> (IpAddr, PortRange) {
    loop {
        let [a, b, c] = rand::random::<[u8; 3]>();
        let address = IpAddr::V4(Ipv4Addr::new(127, a | 2, b, c.clamp(1, 254)));
        let first = rand::random_range(20_000..=u16::MAX - count);
        let range = PortRange { first, last: first + (count - 1) };
        let free = |port| socket::listen_data(SocketAddr::new(address, port)).is_ok();
        if (range.first..=range.last).all(free) {
            return (address, range);
        }
    }
}

/// The `n`th address that a client may come from.
pub(super) fn peer(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 1, n))
}

/// Connects as a client of that address would.
pub(super) async fn connect(to: SocketAddr, from: IpAddr) -> TcpStream {
    socket::connect(to, Some(from), LONG).await.unwrap()
}
