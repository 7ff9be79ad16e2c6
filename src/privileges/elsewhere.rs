//! Systems without Linux's capabilities: nothing is known of them, and nothing given up.

use std::io;

use super::{Account, Capability, PrivilegeError};

pub(crate) fn harden() -> io::Result<()> {
    Ok(())
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn holds(_: Capability) -> bool {
    true
}

pub(crate) fn keep_only(_: &[Capability]) -> io::Result<()> {
    Ok(())
}

pub(crate) fn keep_none() {}

pub(crate) fn turn_into(account: &Account, _: &[Capability]) -> Result<(), PrivilegeError> {
    let (user, step) = (account.name.clone(), "change the user");
    Err(PrivilegeError::Refused { user, step, error: io::ErrorKind::Unsupported.into() })
}
