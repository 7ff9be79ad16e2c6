//! PROXY protocol headers, versions 1 and 2: bytes to addresses, and back. Pure.
//!
//! After the specification of HAProxy (proxy-protocol.txt, revision of 2020). Strict where it says
//! what a sender must do (P162): what is read here decides whom access lists and limits are about.

mod crc32c;
mod v1;
mod v2;

use std::net::{IpAddr, SocketAddr};

/// Longest header taken, bytes, with all its TLVs; real ones have some 60 to 200 (P169).
pub const LONGEST: usize = 4096;

/// What a header says of the connection that it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The sender speaks for itself, as health checks do: the real ends count.
    Local,
    /// The sender does not know, or it was no TCP connection: the real ends count.
    Unknown,
    /// Somebody else's connection, relayed.
    Relayed {
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
}

/// Why bytes are no header. The sentence is for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Neither version's first bytes.
    #[error("it does not begin with a PROXY header")]
    Signature,
    /// Version 1: not the one line it has to be.
    #[error("its PROXY v1 line is malformed")]
    Line,
    /// No client has such an address: unspecified or multicast.
    #[error("its PROXY header names an impossible address")]
    Address,
    /// Version 2: another version, or a command other than LOCAL and PROXY.
    #[error("its PROXY v2 header has an unknown version or command")]
    Command,
    /// Version 2: a family or transport that is not TCP's.
    #[error("its PROXY v2 header is of another protocol than TCP")]
    Family,
    /// Longer than [`LONGEST`], or too short for what it says is in it.
    #[error("its PROXY v2 header has an impossible length")]
    Length,
    /// Version 2: an extension that ends behind the end of the header, or comes twice.
    #[error("an extension (TLV) of its PROXY v2 header is malformed")]
    Tlv,
    /// Version 2: the CRC32C in it is not the one it has.
    #[error("the checksum of its PROXY v2 header is wrong")]
    Checksum,
}

/// The header that `bytes` begin with, and its length; `None`: it goes on.
///
/// # Errors
/// What is wrong, as soon as no more bytes could make it right.
pub fn parse(bytes: &[u8]) -> Result<Option<(Origin, usize)>, Malformed> {
    match bytes.first() {
        None => Ok(None),
        Some(b'P') => v1::parse(bytes),
        Some(_) => v2::parse(bytes),
    }
}

/// Addresses in canonical form (S35), if a client can have them.
fn relayed(source: SocketAddr, destination: SocketAddr) -> Result<Origin, Malformed> {
    let canonical = |address: SocketAddr| match address.ip().to_canonical() {
        ip if ip.is_unspecified() || ip.is_multicast() => Err(Malformed::Address),
        ip => Ok(SocketAddr::new(ip, address.port())),
    };
    Ok(Origin::Relayed { source: canonical(source)?, destination: canonical(destination)? })
}

/// Which of the two forms is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text: the addresses and nothing more.
    V1,
    /// Binary, with what else is known.
    V2,
}

/// What we know of a client's connection, besides its addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// One name for the control connection and all data connections of a session (P168).
    pub unique_id: String,
    /// The name that the client asked for under TLS (SNI).
    pub authority: Option<String>,
    /// The client's TLS, if it has any.
    pub tls: Option<TlsFacts>,
}

/// TLS of a client's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite by its standard name.
    pub cipher: &'static str,
    /// Whom the client's certificate names (CN), if it showed one and that was good.
    pub client: Option<String>,
}

impl Version {
    /// The header of a connection from `source` to `destination`. Families that differ are both
    /// written as IPv6, the IPv4 address mapped (P167).
    pub fn header(self, source: SocketAddr, destination: SocketAddr, facts: &Facts) -> Vec<u8> {
        let (source, destination) = alike(source, destination);
        match self {
            Self::V1 => v1::write(source, destination),
            Self::V2 => v2::write(source, destination, facts),
        }
    }

    /// The header of a connection that is our own.
    pub fn own(self) -> Vec<u8> {
        match self {
            Self::V1 => v1::OWN.to_vec(),
            Self::V2 => v2::own(),
        }
    }
}

fn alike(a: SocketAddr, b: SocketAddr) -> (SocketAddr, SocketAddr) {
    let canonical = |address: SocketAddr| address.ip().to_canonical();
    let (mut x, mut y) = (canonical(a), canonical(b));
    if x.is_ipv4() != y.is_ipv4() {
        let mapped = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
            v6 @ IpAddr::V6(_) => v6,
        };
        (x, y) = (mapped(x), mapped(y));
    }
    (SocketAddr::new(x, a.port()), SocketAddr::new(y, b.port()))
}

#[cfg(test)]
mod tests;
