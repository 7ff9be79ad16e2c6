//! A lease as its session has it: waiting for one connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{Listener, Mapped, Place, Verdict, announced, sharing};
use crate::data::options::Peers;
use crate::net::socket;

/// Pause after an accept that failed for want of descriptors or memory (S24).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection accepted by another lease of the same port, perhaps on another worker.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) claims: bool,
}

/// A connection that came for a lease.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// The connection.
    pub(crate) stream: TcpStream,
    /// Where it comes from.
    pub(crate) peer: SocketAddr,
    /// It only says that it is the peer: the lease goes on until a TLS handshake has shown that
    /// it is. Else it is the peer, as far as the address tells, and the lease is used up.
    pub(crate) claims: bool,
}

/// The right to one connection from one peer on one port. Dropping it gives the right back.
#[derive(Debug)]
pub(crate) struct PortLease {
    handed: mpsc::Receiver<Handed>,
    lease: u64,
    listener: Arc<Listener>,
    /// The peer comes through a router that has these.
    pub(super) mapped: Option<Arc<Mapped>>,
    /// Of the port, before this lease.
    strangers_before: u32,
}

impl PortLease {
    pub(super) fn new(
        handed: mpsc::Receiver<Handed>,
        lease: u64,
        listener: &Arc<Listener>,
    ) -> Self {
        let strangers_before = listener.strangers.load(Ordering::Relaxed);
        Self { handed, lease, listener: Arc::clone(listener), mapped: None, strangers_before }
    }

    #[cfg(test)]
    /// The address and port that listen.
    pub(crate) fn listened(&self) -> SocketAddr {
        self.listener.place.address.port(self.listener.place.port)
    }

    /// The port to tell the peer (P69).
    pub(crate) fn exposed_port(&self) -> u16 {
        let Place { pool, port, .. } = &self.listener.place;
        let mapped = self.mapped.as_ref().and_then(|mapped| mapped.get(port).copied());
        mapped.or_else(|| pool.options.expose.told(*port)).unwrap_or(*port)
    }

    /// Connections to the port, since this lease waits, that nobody waits for (S4).
    pub(crate) fn strangers(&self) -> u32 {
        self.listener.strangers.load(Ordering::Relaxed).wrapping_sub(self.strangers_before)
    }

    /// Waits for the peer. Nobody else gets in, and nobody else's arrival ends the wait (S4).
    /// Cancel-safe.
    ///
    /// # Errors
    /// When this worker cannot take the connection on; failures to accept are waited out.
    pub(crate) async fn accept(&mut self) -> io::Result<Visitor> {
        loop {
            let accepted = tokio::select! {
                biased;
                Some(handed) = self.handed.recv() => {
                    let Handed { stream, peer, claims } = handed;
                    return Ok(Visitor { stream: TcpStream::from_std(stream)?, peer, claims });
                }
                accepted = self.listener.socket.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            // Most clients come before their command, and have nothing to say on a download.
            socket::expect_nothing(&stream);
            if let Peers::Announced(options) = &self.listener.place.pool.options.peers {
                announced::receive(&self.listener, options, stream, peer);
                continue;
            }
            match self.admit(peer) {
                Verdict::Stranger => {
                    self.listener.strangers.fetch_add(1, Ordering::Relaxed);
                }
                Verdict::Peer(waiting) if waiting.lease == self.lease => {
                    return Ok(Visitor { stream, peer, claims: false });
                }
                // A lease dropped in this very moment refuses it, and the connection closes.
                Verdict::Peer(waiting) => {
                    sharing::hand_over(&waiting.hand_over, stream, peer, false);
                }
                Verdict::Either(claimants) => self.listener.sort(stream, peer, claimants),
            }
        }
    }

    fn admit(&self, peer: SocketAddr) -> Verdict {
        let Place { pool, address, port } = &self.listener.place;
        let admitted = pool.lock().get_mut(address).map(|ports| ports.admit(*port, peer.ip()));
        admitted.map_or(Verdict::Stranger, |(verdict, _orphans)| verdict)
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        let Place { pool, address, port } = &self.listener.place;
        let mut by_address = pool.lock();
        let ports = by_address.get_mut(address);
        let removed = ports.and_then(|ports| ports.remove(*port, |w| w.lease == self.lease));
        drop(by_address);
        drop(removed);
    }
}
