//! What is known of a server before it is dialled.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::tls::ClientTlsOptions;

/// A server behind the gateway.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamOptions {
    /// Its name in the configuration and the logs.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) address: HostPort,
    /// What is asked of its certificate, where it is protected at all.
    pub(crate) tls: Option<ClientTlsOptions>,
    /// Sessions at once, of all listeners that lead to it; `None` is no bound (S18).
    pub(crate) sessions: Option<NonZeroUsize>,
    /// How long a refused EPSV is remembered (P73).
    pub(crate) retry_epsv: Duration,
}

/// `HOST:PORT` as written; an IPv6 literal stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// A name or an address literal without brackets.
    pub(crate) host: String,
    /// The port; the usual one when it was left out.
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
