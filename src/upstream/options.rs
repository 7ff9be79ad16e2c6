//! What is known of a server before it is dialled.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::net::device::Device;
use crate::net::proxy_header::Version;
use crate::tls::ClientTlsOptions;

/// A server behind the gateway.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamOptions {
    /// Its name in the configuration and the logs.
    pub(crate) name: String,
    /// Where it listens; `None` stands for whatever server the client chooses.
    pub(crate) address: Option<HostPort>,
    /// What is asked of its certificate, where it is protected at all.
    pub(crate) tls: Option<ClientTlsOptions>,
    /// Sessions at once, of all listeners that lead to it; `None` is no bound (S18).
    pub(crate) sessions: Option<NonZeroUsize>,
    /// How long a refused EPSV is remembered (P73).
    pub(crate) retry_epsv: Duration,
    /// The PROXY header that it gets on control connections, and on data connections that we make
    /// (P167).
    pub(crate) proxy: [Option<Version>; 2],
    /// Where our connections to it leave from.
    pub(crate) source: Source,
    /// Through which link; `None` is as the routes say.
    pub(crate) device: Option<Device>,
    /// What our connections of its sessions are marked with (P175); 0 is nothing, `None` nothing but
    /// where clients choose the server.
    pub(crate) mark: Option<u32>,
}

/// Where our connections to a server leave from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// This machine, by the kernel's choice.
    #[default]
    Auto,
    /// This address of this machine (P41).
    Address(IpAddr),
    /// The client's own address: the server sees no one but the client (P174).
    Client,
}

impl Source {
    /// The address that is set.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(ip) => Some(ip),
            Self::Auto | Self::Client => None,
        }
    }
}

impl UpstreamOptions {
    /// What its certificate has to name if nothing else is said. Of servers that clients choose it
    /// is not known: an address is no name to ask for in a handshake (RFC 6066).
    pub(crate) fn host(&self) -> &str {
        self.address.as_ref().map_or("0.0.0.0", |address| &address.host)
    }
}

/// `HOST:PORT` as written; an IPv6 literal stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// A name or an address literal without brackets.
    pub(crate) host: String,
    /// The port; when it was left out, 21, or 990 where TLS is implicit.
    pub(crate) port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
