//! Every bound on how much the process takes on, with the reason beside each.

use ipnet::IpNet;

/// Bounds of one listener (S18).
#[derive(Debug, Clone)]
pub(crate) struct LimitOptions {
    /// Sessions at once: each costs two descriptors at rest and six in a transfer.
    pub(crate) sessions: usize,
    /// Sessions at once of one client address (IPv6: of one /64).
    pub(crate) sessions_per_client: usize,
    /// Sessions at once that have not logged in: a flood of connects must not use up the rest.
    pub(crate) logins_pending: usize,
    /// New connections a minute of one client address; 0 is no bound.
    pub(crate) connections_per_minute: u32,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            sessions: 4000,
            sessions_per_client: 400,
            logins_pending: 1000,
            connections_per_minute: 0,
        }
    }
}

/// Who may connect. An empty allow list lets nobody in: it fails closed (S36).
#[derive(Debug, Clone)]
pub(crate) struct AccessList {
    /// Networks let in.
    pub(crate) allow: Vec<IpNet>,
    /// Networks kept out, whatever `allow` says.
    pub(crate) deny: Vec<IpNet>,
}
