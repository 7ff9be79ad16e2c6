//! Ports behind a router that forwards some of them, under numbers of its own (P69).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{LeaseError, Local, PortLease, PortPool, Proof};

/// The ports that a router in front lets through, by the ports we listen on, and what each is called
/// outside.
pub(crate) type Mapped = BTreeMap<u16, u16>;

impl PortPool {
    /// As [`lease`](Self::lease), for a peer who comes through the router in front: only of the ports
    /// that it maps, told as it calls them.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    pub(crate) fn lease_mapped(
        self: &Arc<Self>,
        local: impl Into<Local>,
        expected: IpAddr,
        proof: Option<Proof>,
    ) -> Result<PortLease, LeaseError> {
        let Some(mapped) = self.mapped.load_full() else {
            return self.lease(local, expected, proof);
        };
        let suits = |port| mapped.contains_key(&port);
        let mut lease = self.lease_of(local.into(), expected, proof, suits)?;
        lease.mapped = Some(mapped);
        Ok(lease)
    }

    /// From now on these are the ports that the router in front maps; `None`: it has no say.
    pub(crate) fn set_mapped(&self, mapped: Option<Arc<Mapped>>) {
        self.mapped.store(mapped);
    }

    /// The ports that may be given out, each with what it is told as.
    pub(crate) fn offered(&self) -> impl Iterator<Item = (u16, u16)> {
        self.usable.iter().map(|&port| (port, self.options.expose.told(port).unwrap_or(port)))
    }
}

#[cfg(test)]
mod tests;
