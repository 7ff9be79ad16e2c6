//! Between a client and a server that know nothing of us: where the client wanted to go, and how a
//! socket takes an address that is not this machine's (P171, P174).

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpStream;

/// What our connections carry where rules must tell them from others (P175). Its low byte is empty:
/// rules that look at some bits only mostly look there.
pub(crate) const MARK: u32 = 0x2100;

/// What this process may do with sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Use addresses that are not this machine's (`IP_TRANSPARENT`).
    pub(crate) borrow: bool,
    /// Mark packets (`SO_MARK`).
    pub(crate) mark: bool,
}

impl Abilities {
    /// Found out by trying (P176).
    pub(crate) fn probe() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None);
        let may = |what: fn(SockRef<'_>) -> io::Result<()>| {
            socket.as_ref().is_ok_and(|socket| what(SockRef::from(socket)).is_ok())
        };
        Self { borrow: may(borrow), mark: may(|socket| mark(socket, MARK)) }
    }
}

/// Where a connection was going before nft `redirect` or `dnat` sent it here; what was not sent here
/// has no such place, or its own local address.
///
/// # Errors
/// The kernel does not know: there was no translation, or it is forgotten.
#[cfg(target_os = "linux")]
pub(crate) fn original_destination(stream: &TcpStream) -> io::Result<SocketAddr> {
    let socket = SockRef::from(stream);
    // On a socket for both families an IPv4 client's connection is one of IPv4 all the same.
    let v4 = stream.local_addr()?.ip().to_canonical().is_ipv4();
    let original = if v4 { socket.original_dst_v4() } else { socket.original_dst_v6() }?;
    original.as_socket().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Lets a socket use an address that is not this machine's, be it to listen or to connect from.
///
/// # Errors
/// Without `CAP_NET_RAW` and `CAP_NET_ADMIN`.
#[cfg(target_os = "linux")]
pub(crate) fn borrow(socket: SockRef<'_>) -> io::Result<()> {
    // One flag of the kernel: this sets it for IPv6 sockets as well.
    socket.set_ip_transparent_v4(true)
}

/// Has all packets of a socket carry a mark; 0 is none.
///
/// # Errors
/// Without `CAP_NET_RAW` and `CAP_NET_ADMIN`.
#[cfg(target_os = "linux")]
pub(crate) fn mark(socket: SockRef<'_>, mark: u32) -> io::Result<()> {
    socket.set_mark(mark)
}

/// Known to Linux only.
#[cfg(not(target_os = "linux"))]
pub(crate) fn original_destination(_: &TcpStream) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Known to Linux only.
#[cfg(not(target_os = "linux"))]
pub(crate) fn borrow(_: SockRef<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Known to Linux only.
#[cfg(not(target_os = "linux"))]
pub(crate) fn mark(_: SockRef<'_>, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests;
