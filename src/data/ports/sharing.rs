//! One port, one address, several leases: whose is a connection?
//!
//! Its first words tell: in its ClientHello a client offers the TLS session that it wants to resume,
//! and each FTP session knows its own. The words are read without taking them, so that the
//! handshake is left to the session that they name, at its time and under its terms. They prove
//! nothing, for they can be repeated: a lease is used up only when its handshake is done and has
//! resumed the session (P145).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::{Handed, Listener, MOST_SHARERS, OpenPort, Place, Waiting};
use crate::net::socket;
use crate::tls::{self, ServerSession};

/// Connections of one address that have not said whose they are, beyond one for each lease: those
/// of others. The oldest has to go.
const SPARE: usize = 4;

/// By what a lease tells its peer from others of the same address.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    /// The peer's data connection resumes a TLS session of this one, or is refused (P145, P149).
    pub(crate) session: ServerSession,
    /// How long a connection may take until its first words name a session: as long as the lease
    /// waits, since clients begin TLS only when they are told that the transfer starts.
    pub(crate) patience: Duration,
}

/// A lease whose connection it may be.
#[derive(Debug)]
pub(super) struct Claimant {
    session: ServerSession,
    patience: Duration,
    hand_over: mpsc::Sender<Handed>,
}

/// A connection that has not said whose it is. Dropping this closes it.
#[derive(Debug)]
pub(super) struct Unsorted {
    peer: IpAddr,
    task: AbortHandle,
}

impl Drop for Unsorted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Waiting {
    pub(super) fn claimant(&self) -> Option<Claimant> {
        let Proof { session, patience } = self.proof.clone()?;
        Some(Claimant { session, patience, hand_over: self.hand_over.clone() })
    }
}

impl OpenPort {
    /// How many wait for the same address; `None`: the newcomer must not be among them.
    pub(super) fn rivals(&self, newcomer: &Waiting) -> Option<usize> {
        let rivals = self.waiting.iter().filter(|w| w.expected.meets(&newcomer.expected));
        let mut rivals = rivals.peekable();
        if rivals.peek().is_none() {
            return Some(0);
        }
        let (mut count, mut proving) = (0, newcomer.proof.is_some());
        for rival in rivals {
            count += 1;
            proving &= rival.proof.is_some();
        }
        (proving && count < MOST_SHARERS).then_some(count)
    }

    /// One more lease.
    pub(super) fn join(&mut self, mut newcomer: Waiting) {
        for rival in self.waiting.iter_mut().filter(|w| w.expected.meets(&newcomer.expected)) {
            rival.shares = true;
            newcomer.shares = true;
        }
        self.waiting.push(newcomer);
    }

    /// Connections of an address for which nobody waits any more.
    pub(super) fn orphans(&mut self) -> Vec<Unsorted> {
        let awaited = |peer| self.waiting.iter().any(|waiting| waiting.expected.admits(peer));
        self.unsorted.extract_if(.., |unsorted| !awaited(unsorted.peer)).collect()
    }

    /// Keeps a connection until it says whose it is. What is given back is to be dropped without
    /// the lock.
    fn keep(&mut self, unsorted: Unsorted, most: usize) -> Vec<Unsorted> {
        let mut gone: Vec<_> = self.unsorted.extract_if(.., |u| u.task.is_finished()).collect();
        let same = self.unsorted.iter().filter(|u| u.peer == unsorted.peer).count();
        let oldest = self.unsorted.iter().position(|u| u.peer == unsorted.peer);
        if let Some(oldest) = oldest.filter(|_| same >= most) {
            gone.push(self.unsorted.remove(oldest));
        }
        self.unsorted.push(unsorted);
        gone
    }
}

impl Listener {
    /// Finds out whose a connection is, beside everything else.
    pub(super) fn sort(&self, stream: TcpStream, peer: SocketAddr, claimants: Vec<Claimant>) {
        let Place { pool, address, port } = &self.place;
        let most = claimants.len() + SPARE;
        let sorting = sort(stream, peer, *port, claimants, Arc::clone(&self.strangers));
        let task = tokio::spawn(sorting).abort_handle();
        let unsorted = Unsorted { peer: peer.ip().to_canonical(), task };
        let mut by_address = pool.lock();
        let open = by_address.get_mut(address).and_then(|ports| ports.open.get_mut(port));
        let gone = match open {
            Some(open) => open.keep(unsorted, most),
            None => vec![unsorted],
        };
        drop(by_address);
        drop(gone);
    }
}

async fn sort(
    stream: TcpStream,
    peer: SocketAddr,
    port: u16,
    claimants: Vec<Claimant>,
    strangers: Arc<AtomicU32>,
) {
    let patience = claimants.iter().map(|claimant| claimant.patience).max().unwrap_or_default();
    let offer = tokio::time::timeout(patience, tls::offered(&stream)).await;
    let Ok(Ok(offer)) = offer else {
        strangers.fetch_add(1, Ordering::Relaxed);
        return;
    };
    if let Some(owner) = claimants.iter().find(|claimant| claimant.session.gave(&offer)) {
        return hand_over(&owner.hand_over, stream, peer, true);
    }
    // No lease is told, so the transfer that this was for hears of it at T_accept. Even where one lease
    // is left it may be a late connection of one that is gone (see `Waiting::shares`), and anybody behind
    // the same NAT can make another: who offers no session must not end the wait of who has one.
    strangers.fetch_add(1, Ordering::Relaxed);
    tracing::info!(
        client = %peer.ip(),
        port,
        waiting = claimants.len(),
        "data connection refused: several sessions of this address wait on this port, and it offers \
         to resume the TLS session of none; a client that cannot resume needs a port to itself: make \
         data.ports larger"
    );
    // So that it hears of it: an alert, which is in the clear at this point.
    socket::close_plainly(&stream);
    let _ = stream.try_write(tls::ACCESS_DENIED);
    let _ = socket::shutdown_write(&stream);
}

/// A lease that was dropped, or has enough to look at, refuses it, and the connection closes.
pub(super) fn hand_over(
    to: &mpsc::Sender<Handed>,
    stream: TcpStream,
    peer: SocketAddr,
    claims: bool,
) {
    if let Ok(stream) = stream.into_std() {
        let _ = to.try_send(Handed { stream, peer, claims });
    }
}

#[cfg(test)]
mod tests;
