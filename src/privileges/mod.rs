//! What the process may do, and giving it up: capabilities, the user it runs as (S43, S45).
//!
//! Capabilities belong to a thread and are inherited by those it starts: all of this is for the
//! main thread, before the workers are there.

mod account;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
pub(crate) mod files;
#[cfg(target_os = "linux")]
mod linux;

use std::fmt;

pub(crate) use account::{Account, AccountError, RunAs};
#[cfg(not(target_os = "linux"))]
use elsewhere as system;
#[cfg(target_os = "linux")]
use linux as system;
pub(crate) use system::{harden, holds, is_root, keep_none, keep_only, turn_into};

/// A part of root's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Capability {
    /// Ports that the kernel keeps for services.
    BindService,
    /// A link named in kernels before 5.7; others' addresses; since 5.17 marks.
    Raw,
    /// Others' addresses, and marks.
    Admin,
}

impl Capability {
    /// Without `CAP_`, as containers name it.
    fn short(self) -> &'static str {
        match self {
            Self::BindService => "NET_BIND_SERVICE",
            Self::Raw => "NET_RAW",
            Self::Admin => "NET_ADMIN",
        }
    }

    /// How a process comes to have it, for the operator.
    pub(crate) fn remedy(self) -> String {
        let (short, file) = (self.short(), format!("{self}").to_ascii_lowercase());
        format!(
            "grant it: AmbientCapabilities={self} in a systemd unit; setcap {file}=+ep on the \
             binary; docker run --cap-add {short}, and root or setcap inside"
        )
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAP_{}", self.short())
    }
}

/// Why a privilege could not be given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrivilegeError {
    /// Not root, so nobody else can be turned into.
    #[error(
        "runtime.user is {0:?}, but only root can turn into another user: start as root, or leave \
         the key out and start as that user"
    )]
    NotRoot(String),
    /// The account is not there, or is root's.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The kernel refused a step.
    #[error(
        "cannot run as {user:?}: {step}: {error}; root in a container needs --cap-add SETUID \
         --cap-add SETGID for this, or be started as that user (docker run --user)"
    )]
    Refused {
        /// As configured.
        user: String,
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        error: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
