//! Data ports forwarded one-to-one, for sessions whose dialogue we cannot read (P122).
//!
//! What the server says about its port reaches only the client, so the same port has to be ours: it
//! listens all the time, and what comes from a client with such a session is handed to that
//! session, which dials the server. Anybody else's connection is closed and counted.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::headers::Headers;
use super::options::Peers;
use super::ports::Expected;

/// Data connections of one session at once. It has one transfer, and perhaps one that is ending.
pub(crate) const MAX_PER_SESSION: usize = 4;
/// Pause after an accept that failed for want of descriptors or memory (S24).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A data connection that a client opened, and our port that it came to.
type Caller = (std::net::TcpStream, SocketAddr, u16);

/// The sessions of a listener that wait for data connections on forwarded ports.
#[derive(Debug)]
pub(crate) struct Mirror {
    /// Where the ports listen.
    addresses: Vec<SocketAddr>,
    /// How the clients come there.
    peers: Peers,
    headers: Headers,
    guests: Mutex<Vec<Guest>>,
    next: AtomicU64,
    strangers: AtomicU64,
}

#[derive(Debug)]
struct Guest {
    id: u64,
    expected: Expected,
    server: IpAddr,
    hand_over: mpsc::Sender<Caller>,
}

impl Mirror {
    /// For ports that listen at these addresses.
    pub(crate) fn new(addresses: Vec<SocketAddr>, peers: Peers) -> Arc<Self> {
        Arc::new(Self {
            addresses,
            peers,
            headers: Headers::new(),
            guests: Mutex::default(),
            next: AtomicU64::new(0),
            strangers: AtomicU64::new(0),
        })
    }

    /// From now on a session of `client` with `server` takes its data connections, until the hall is
    /// dropped.
    pub(crate) fn admit(self: &Arc<Self>, client: IpAddr, server: IpAddr) -> Hall {
        let (hand_over, callers) = mpsc::channel(MAX_PER_SESSION);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let expected = self.peers.expected(client);
        self.lock().push(Guest { id, expected, server, hand_over });
        Hall { mirror: Arc::clone(self), id, callers }
    }

    /// Whether that is one of these very ports, seen from our address `local`: never dialled (P83).
    pub(crate) fn is_own(&self, to: SocketAddr, local: IpAddr) -> bool {
        let (ip, local) = (to.ip().to_canonical(), local.to_canonical());
        self.addresses.iter().any(|own| {
            own.port() == to.port() && (own.ip() == ip || own.ip().is_unspecified() && ip == local)
        })
    }

    /// Accepts on one of the ports for as long as it is polled.
    pub(crate) async fn keep(self: Arc<Self>, listener: TcpListener) {
        let Ok(port) = listener.local_addr().map(|address| address.port()) else { return };
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Peers::Announced(options) = &self.peers else {
                self.bring(stream, peer, port);
                continue;
            };
            // Read aside: one that is slow keeps nobody else from the port.
            let Some(seat) = self.headers.admit(options, peer) else { continue };
            let (mirror, options) = (self.clone(), options.clone());
            tokio::spawn(async move {
                let announced = mirror.headers.read(&options, &stream, peer).await;
                drop(seat);
                if let Some(announced) = announced {
                    mirror.bring(stream, announced.client, port);
                }
            });
        }
    }

    fn bring(&self, stream: TcpStream, peer: SocketAddr, port: u16) {
        if !self.hand_over(stream, peer, port) {
            let strangers = self.strangers.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::debug!(%peer, port, strangers, "nobody's data connection: closed");
        }
    }

    /// To the newest session of that client that takes it; to none if they lead to several servers,
    /// for nothing tells whose it is.
    fn hand_over(&self, stream: TcpStream, peer: SocketAddr, port: u16) -> bool {
        let Ok(stream) = stream.into_std() else { return false };
        let mut caller = (stream, peer, port);
        let guests = self.lock();
        let own = || guests.iter().rev().filter(|guest| guest.expected.admits(peer.ip()));
        let server = own().next().map(|guest| guest.server);
        if own().any(|guest| Some(guest.server) != server) {
            return false;
        }
        for guest in own() {
            match guest.hand_over.try_send(caller) {
                Ok(()) => return true,
                Err(refused) => caller = refused.into_inner(),
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Guest>> {
        // Every critical section leaves the list whole at each of its steps.
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a session meets the data connections of its client.
#[derive(Debug)]
pub(crate) struct Hall {
    mirror: Arc<Mirror>,
    id: u64,
    callers: mpsc::Receiver<Caller>,
}

impl Hall {
    /// The next data connection: where it came from, and the port it came to. Must be called on a
    /// worker's runtime.
    ///
    /// # Errors
    /// When this worker cannot take the connection on.
    pub(crate) fn poll_caller(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr, u16)>> {
        // The sender is in the list for as long as we are.
        let Some((stream, peer, port)) = ready!(self.callers.poll_recv(cx)) else {
            return Poll::Pending;
        };
        Poll::Ready(TcpStream::from_std(stream).map(|stream| (stream, peer, port)))
    }

    /// As [`Mirror::is_own`].
    pub(crate) fn is_own(&self, to: SocketAddr, local: IpAddr) -> bool {
        self.mirror.is_own(to, local)
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        self.mirror.lock().retain(|guest| guest.id != self.id);
    }
}

#[cfg(test)]
mod tests;
