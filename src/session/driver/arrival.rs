//! How a client came to us: the addresses that its session starts from.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::ftp::addr::canonical_end;
use crate::net::transparent;
use crate::upstream::destinations::Mode;

/// What is known of a control connection before its session starts. Five kinds of address meet
/// here, and some of them are mostly the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The client: what access lists, limits and logs go by. The far end of the connection, unless
    /// a balancer in front of us told of another (P161).
    pub(crate) client: SocketAddr,
    /// The far end of the TCP connection.
    pub(crate) peer: SocketAddr,
    /// Our end of it.
    pub(crate) own: SocketAddr,
    /// The address that the client reached: our end of the connection, or where the client meant to
    /// go, as a balancer or the kernel's redirection tells (P171).
    pub(crate) local: SocketAddr,
    /// The server that the client aims at, where the client chooses it; else the configured one.
    pub(crate) server: Option<SocketAddr>,
}

impl Arrival {
    /// Of a client that came to a listener of this mode.
    ///
    /// # Errors
    /// The connection is gone, or was not redirected to us.
    pub(crate) fn new(stream: &TcpStream, peer: SocketAddr, mode: Mode) -> io::Result<Self> {
        let direct = Self::direct(stream, peer)?;
        let local = match mode {
            Mode::Gateway | Mode::Forward => return Ok(direct),
            Mode::Redirect => transparent::original_destination(stream)?,
            Mode::Tproxy => direct.local,
        };
        Ok(Self { local, server: Some(local), ..direct })
    }

    /// Of a client that came straight to us.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) fn direct(stream: &TcpStream, peer: SocketAddr) -> io::Result<Self> {
        // One socket may have taken clients of both families.
        let (peer, own) = (canonical_end(peer), canonical_end(stream.local_addr()?));
        Ok(Self { client: peer, peer, own, local: own, server: None })
    }
}
