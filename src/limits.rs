//! Every bound on how much the process takes on, with the reason beside each.

use std::net::IpAddr;

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
    /// Full TLS handshakes a minute of one client address, on control and data connections (S41);
    /// 0 is no bound. By default 50 a second in the long run, some 2 % of a core with an RSA key of
    /// 2048 bits and 20 % with one of 4096, and a minute's worth at once: every session that an
    /// address may have can begin anew 15 times, and who resumes has transfers without end.
    pub(crate) handshakes_per_minute: u32,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            sessions: 2000,
            sessions_per_client: 200,
            logins_pending: 1000,
            connections_per_minute: 0,
            handshakes_per_minute: 3000,
        }
    }
}

impl LimitOptions {
    /// For an address that stands for many clients: what goes by a client's address would keep all
    /// of them out for the doings of one, so only the bounds on all sessions are left (P177).
    pub(crate) fn of_many(&self) -> Self {
        Self { sessions_per_client: usize::MAX, connections_per_minute: 0, ..self.clone() }
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

impl AccessList {
    /// Whether `client` may connect. Compared in canonical form (S35); `deny` wins.
    pub(crate) fn admits(&self, client: IpAddr) -> bool {
        let listed = |nets: &[IpNet]| nets.iter().any(|net| covers(net, client));
        !listed(&self.deny) && listed(&self.allow)
    }
}

/// Whether `ip` is in `net`: `::ffff:10.0.0.1` is in 10.0.0.0/8, and 10.0.0.1 is in
/// `::ffff:10.0.0.0/104`, but no IPv4 address is in `::/0` (S35).
pub(crate) fn covers(net: &IpNet, ip: IpAddr) -> bool {
    match (net, ip.to_canonical()) {
        (IpNet::V6(net), IpAddr::V4(ip)) if net.prefix_len() >= 96 => {
            net.contains(&ip.to_ipv6_mapped())
        }
        (net, ip) => net.contains(&ip),
    }
}

/// Descriptors of a busy session: two control, two data, and one pipe's two ends (S24).
const DESCRIPTORS_BUSY: u64 = 6;
/// Descriptors of a session at rest: its two control connections.
const DESCRIPTORS_IDLE: u64 = 2;
/// Kept for what is no session: log, standard streams, resolver, waiting data ports.
const DESCRIPTORS_PROCESS: u64 = 64;
/// Kept for each worker, as far as the limit allows: epoll, wake-up, and the ends of 48 pooled pipes.
pub(crate) const DESCRIPTORS_WORKER: u64 = 16 + 2 * 48;

/// What is held whether or not there are sessions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// Threads with a runtime of their own.
    pub(crate) workers: usize,
    /// Sockets that listen for as long as the process lives, those of all workers together.
    pub(crate) listening: usize,
}

impl Standing {
    fn descriptors(self) -> u64 {
        DESCRIPTORS_PROCESS + self.workers as u64 * DESCRIPTORS_WORKER + self.listening as u64
    }
}

/// How many sessions can all be in a transfer at once under `limit` descriptors.
fn busy_sessions(limit: u64, standing: Standing) -> usize {
    sessions_of(limit, standing, DESCRIPTORS_BUSY)
}

/// How many sessions may be open at once under `limit` descriptors. They can all be at rest; more
/// would starve accept, so that those turned away would get no 421 but silence (S24).
pub(crate) fn most_sessions(limit: u64, standing: Standing) -> usize {
    sessions_of(limit, standing, DESCRIPTORS_IDLE).max(1)
}

/// What to say at start when the configured number of sessions does not fit; `None` = it fits.
pub(crate) fn descriptor_warning(
    limit: u64,
    standing: Standing,
    sessions: usize,
) -> Option<String> {
    let busy = busy_sessions(limit, standing);
    if sessions <= busy {
        return None;
    }
    let idle = most_sessions(limit, standing);
    let wanted = sessions as u64 * DESCRIPTORS_BUSY + standing.descriptors();
    Some(format!(
        "{limit} descriptors carry {busy} sessions in a transfer and no more than {idle} at rest, but \
         {sessions} are allowed: raise the limit to {wanted} (systemd: LimitNOFILE={wanted}; shell: \
         ulimit -n)"
    ))
}

/// What is kept for the rest is never more than half: with very few, sessions come first.
fn sessions_of(limit: u64, standing: Standing, each: u64) -> usize {
    let kept = standing.descriptors().min(limit / 2);
    usize::try_from((limit - kept) / each).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
