//! Data connections that balancers bring, with a PROXY header that says for whom (P163 to P166).
//!
//! The header is read aside: a balancer that is slow to send it keeps nobody else from the port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Listener, Local, Place, PortPool, Waiting};
use crate::data::options::Expose;
use crate::net::balancers::HeaderOptions;
use crate::net::preface::{self, NoHeader};
use crate::net::proxy_header::Origin;

/// Headers of one pool that are awaited at once: a balancer sends its header with the connection, so
/// a moment's worth of those.
pub(super) const HEADERS: usize = 1024;

/// Has the header read, and the connection handed to the lease that waits for the one it names.
pub(super) fn receive(
    listener: &Arc<Listener>,
    options: &HeaderOptions,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let Place { pool, address, port } = &listener.place;
    let stranger = || {
        listener.strangers.fetch_add(1, Ordering::Relaxed);
    };
    if !options.from.list(peer.ip()) {
        return stranger();
    }
    let Some(seat) = pool.headers.take() else {
        pool.closed(peer, "crowded", "too many connections have yet to send a PROXY header");
        return stranger();
    };
    let (pool, address, port, within) = (pool.clone(), *address, *port, options.within);
    // The port closes with its last lease, whoever is on the way in.
    let listener = Arc::downgrade(listener);
    tokio::spawn(async move {
        let origin = pool.origin(peer, timeout(within, preface::receive(&stream)).await);
        drop(seat);
        let waiting = origin.and_then(|(client, told)| {
            pool.claim(address, port, told, client).map(|waiting| (waiting, client))
        });
        match waiting {
            // A lease dropped in this very moment refuses it, and the connection closes.
            Some((waiting, client)) => {
                drop(stream.into_std().map(|s| waiting.hand_over.send((s, client))));
            }
            None => {
                if let Some(listener) = listener.upgrade() {
                    listener.strangers.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
}

type Header = Result<Result<Origin, NoHeader>, tokio::time::error::Elapsed>;

impl PortPool {
    /// Who connects, and to which port of the balancer's.
    fn origin(&self, peer: SocketAddr, header: Header) -> Option<(SocketAddr, Option<u16>)> {
        match header {
            Ok(Ok(Origin::Relayed { source, destination })) => {
                Some((source, Some(destination.port())))
            }
            Ok(Ok(Origin::Local | Origin::Unknown)) => Some((peer, None)),
            Ok(Err(NoHeader::Nothing)) => None,
            Ok(Err(error)) => {
                self.closed(peer, "malformed", &error.to_string());
                None
            }
            Err(_) => {
                self.closed(peer, "late", "no whole PROXY header came in time");
                None
            }
        }
    }

    /// Uses up the lease that waits for the client on the port it was told, or else on the one where
    /// its connection came in, if that says anything (P166).
    fn claim(
        &self,
        address: Local,
        port: u16,
        told: Option<u16>,
        client: SocketAddr,
    ) -> Option<Waiting> {
        let mut by_address = self.lock();
        let ports = by_address.get_mut(&address)?;
        let expose = &self.options.expose;
        let meant = ports.open.keys().copied().find(|p| told.is_some() && expose.told(*p) == told);
        let admits = |waiting: &Waiting| waiting.expected.admits(client.ip());
        let found = meant.and_then(|meant| ports.remove(meant, admits));
        match expose {
            Expose::Any(_) => found,
            _ => found.or_else(|| ports.remove(port, admits)),
        }
    }

    fn closed(&self, peer: SocketAddr, why: &'static str, sentence: &str) {
        if let Some(count) = self.seldom.count(why) {
            let ports = &self.options.range;
            tracing::warn!(%ports, %peer, why, count, "data connection closed: {sentence}");
        }
    }
}

#[cfg(test)]
mod tests;
