//! Why the gateway cannot start.

use std::io;
use std::net::SocketAddr;

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A control address is taken, not ours, or needs a privilege.
    #[error("cannot listen on {address} (listener \"{listener}\"): {error}{remedy}")]
    Listen {
        /// The listener's name.
        listener: String,
        /// What was to be bound.
        address: SocketAddr,
        /// What the kernel said; part of the sentence, so not its `source` as well.
        error: io::Error,
        /// What to do, or nothing.
        remedy: &'static str,
    },
    /// A socket that was to be handed over was not.
    #[error(
        "listener \"{listener}\" takes {what} from the service manager, and there is none: start \
         the .socket unit instead of the service, or set `bind` to an address"
    )]
    NotHanded {
        /// The listener's name.
        listener: String,
        /// Which one.
        what: String,
    },
    /// Another kind of socket was handed over.
    #[error(
        "the socket \"{name}\" handed over for listener \"{listener}\" is of no use: {error}; it \
         takes ListenStream= with an address and a port, and Accept=no"
    )]
    Handed {
        /// The listener's name.
        listener: String,
        /// The socket's.
        name: String,
        /// What is wrong with it.
        error: io::Error,
    },
    /// Nothing can leave from where it is to.
    #[error("{what}: {error}{remedy}")]
    Origin {
        /// The key and what it says.
        what: String,
        /// What the kernel said.
        error: io::Error,
        /// What to do, or nothing.
        remedy: &'static str,
    },
    /// Capabilities that the configuration takes are not there.
    #[error("{0}")]
    Capability(String),
    /// The user to run as cannot be had.
    #[error("{0}")]
    User(Box<dyn std::error::Error + Send + Sync>),
    /// No listener of this name, or several and none was named.
    #[error("{0}")]
    Which(String),
    /// Certificates cannot be used.
    #[error("TLS of {whose}: {source}")]
    Tls {
        /// The listener or the upstream.
        whose: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The classic transfer log cannot be written.
    #[error("cannot open log.xferlog: {0}; make its folder and let this user write there")]
    Xferlog(io::Error),
}

impl From<crate::privileges::PrivilegeError> for BuildError {
    fn from(error: crate::privileges::PrivilegeError) -> Self {
        Self::User(error.into())
    }
}
