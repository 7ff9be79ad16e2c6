//! Capabilities and users of Linux.

use std::io;

use nix::unistd::{Uid, initgroups, setgid, setgroups, setuid};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs,
};

use super::{Account, Capability, PrivilegeError};

/// Nothing that is executed can give us more, and nobody but root can look into our memory.
pub(crate) fn harden() -> io::Result<()> {
    set_no_new_privs(true)?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Whether the process runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this thread has it now.
pub(crate) fn holds(capability: Capability) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(bit(capability)))
}

/// Gives up all but these, for this thread and those it will start.
///
/// # Errors
/// What the kernel says.
pub(crate) fn keep_only(kept: &[Capability]) -> io::Result<()> {
    let kept: CapabilitySet = kept.iter().copied().map(bit).collect();
    let kept = capabilities(None)?.permitted & kept;
    clear_ambient_capability_set()?;
    let inheritable = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })?)
}

/// A thread that only writes needs none; root's own are left, for the files that only it may
/// write.
pub(crate) fn keep_none() {
    if !is_root() {
        // Giving up is never refused; and what is not given up is not missed.
        let _ = keep_only(&[]);
    }
}

/// Becomes somebody else for good, with these capabilities and no others.
///
/// # Errors
/// Which step was refused; the process must not go on then.
pub(crate) fn turn_into(account: &Account, kept: &[Capability]) -> Result<(), PrivilegeError> {
    let refused = |step| {
        let user = account.name.clone();
        move |error: io::Error| PrivilegeError::Refused { user, step, error }
    };
    empty_bounding_set();
    set_keep_capabilities(true).map_err(io::Error::from).map_err(refused("keep capabilities"))?;
    let groups = match &account.member {
        Some(name) => initgroups(name, account.gid),
        None => setgroups(&[account.gid]),
    };
    groups.map_err(io::Error::from).map_err(refused("set its groups"))?;
    setgid(account.gid).map_err(io::Error::from).map_err(refused("set its group"))?;
    setuid(account.uid).map_err(io::Error::from).map_err(refused("set the user"))?;
    keep_only(kept).map_err(refused("give up capabilities"))?;
    set_keep_capabilities(false).map_err(io::Error::from).map_err(refused("drop what is kept"))?;
    if setuid(Uid::from_raw(0)).is_ok() {
        return Err(refused("stay so")(io::Error::other("root can be had back")));
    }
    // A change of user sets it to what the machine says.
    harden().map_err(refused("no new privileges"))
}

/// Best effort: without it too, nothing is ever executed.
fn empty_bounding_set() {
    for capability in CapabilitySet::all().iter() {
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
}

const fn bit(capability: Capability) -> CapabilitySet {
    match capability {
        Capability::BindService => CapabilitySet::NET_BIND_SERVICE,
        Capability::Raw => CapabilitySet::NET_RAW,
        Capability::Admin => CapabilitySet::NET_ADMIN,
    }
}
