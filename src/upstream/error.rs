//! Why a server could not be reached.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::destinations::Refused;
use super::options::HostPort;

/// Why a control connection to a server could not be opened. The sentence is for the operator;
/// clients get a 421 without inner details.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// The name has no answer.
    #[error("cannot resolve {address}: {source}; check the name and this machine's resolver")]
    Resolve {
        /// As configured.
        address: HostPort,
        /// What the resolver said.
        source: Arc<io::Error>,
    },
    /// The name has an answer without addresses.
    #[error("{address} has no address; give it an A or AAAA record")]
    NoAddress {
        /// As configured.
        address: HostPort,
    },
    /// Neither the configuration nor the client says which.
    #[error("no server is known: the upstream has no address, and the client named none")]
    Unknown,
    /// It is not of the family that connections to it leave from.
    #[error("{address} cannot be reached from `source` {ours}: one is IPv4, the other IPv6")]
    OtherFamily {
        /// The first of its addresses.
        address: SocketAddr,
        /// As configured.
        ours: IpAddr,
    },
    /// No address took the connection; the last one tried.
    #[error(
        "cannot connect to {address}: {source}; is the server running and reachable from here?"
    )]
    Connect {
        /// The last one tried.
        address: SocketAddr,
        /// What the kernel said.
        source: Arc<io::Error>,
    },
    /// It took the connection and was gone before the PROXY header.
    #[error("cannot send the PROXY header to upstream \"{upstream}\": {source}")]
    Introduce {
        /// Its name.
        upstream: String,
        /// What the kernel said.
        source: Arc<io::Error>,
    },
    /// The address is one of our own listeners (P83).
    #[error("{address} is this gateway itself; set the upstream to the server's own address")]
    Ourselves {
        /// The address.
        address: SocketAddr,
    },
    /// A client named it, and it is not for clients to reach (S38).
    #[error("{address} is not for clients to reach: {refused}")]
    Refused {
        /// The address that the name has.
        address: SocketAddr,
        /// What the list says.
        refused: Refused,
    },
}

impl UpstreamError {
    /// Short and stable, for logs and metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "resolve",
            Self::NoAddress { .. } => "no-address",
            Self::OtherFamily { .. } => "other-family",
            Self::Unknown => "unknown",
            Self::Connect { source, .. } => match source.kind() {
                io::ErrorKind::TimedOut => "timeout",
                io::ErrorKind::ConnectionRefused => "refused",
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "unreachable",
                _ => "connect",
            },
            Self::Introduce { .. } => "introduce",
            Self::Ourselves { .. } => "ourselves",
            Self::Refused { refused, .. } => refused.label(),
        }
    }
}
