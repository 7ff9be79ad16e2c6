//! Data connections that balancers bring, with a PROXY header that says for whom (P163 to P166).
//!
//! The header is read aside: a balancer that is slow to send it keeps nobody else from the port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;

use super::{Listener, Local, Place, PortPool, Verdict, sharing};
use crate::data::headers::Announced;
use crate::data::options::Expose;
use crate::net::balancers::HeaderOptions;

/// Has the header read, and the connection handed to the lease that waits for the one it names.
pub(super) fn receive(
    listener: &Arc<Listener>,
    options: &HeaderOptions,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let Place { pool, address, port } = &listener.place;
    let strangers = Arc::clone(&listener.strangers);
    let stranger = move || {
        strangers.fetch_add(1, Ordering::Relaxed);
    };
    let Some(seat) = pool.headers.admit(options, peer) else { return stranger() };
    // The port closes with its last lease, whoever is on the way in.
    let (pool, address, port, options) = (pool.clone(), *address, *port, options.clone());
    tokio::spawn(async move {
        let announced = pool.headers.read(&options, &stream, peer).await;
        drop(seat);
        let Some(Announced { client, told }) = announced else { return stranger() };
        match pool.claim(address, port, told, client) {
            Some((Verdict::Peer(waiting), _)) => {
                // A lease dropped in this very moment refuses it, and the connection closes.
                sharing::hand_over(&waiting.hand_over, stream, client, false);
            }
            Some((Verdict::Either(claimants), listener)) => {
                listener.sort(stream, client, claimants);
            }
            Some((Verdict::Stranger, _)) | None => stranger(),
        }
    });
}

impl PortPool {
    /// Whose it is: of those who wait for the client at the port it was told, or else at the one
    /// where its connection came in, if that says anything (P166).
    fn claim(
        &self,
        address: Local,
        port: u16,
        told: Option<u16>,
        client: SocketAddr,
    ) -> Option<(Verdict, Arc<Listener>)> {
        let mut by_address = self.lock();
        let ports = by_address.get_mut(&address)?;
        let expose = &self.options.expose;
        let meant = ports.open.keys().copied().find(|p| told.is_some() && expose.told(*p) == told);
        let here = (!matches!(expose, Expose::Any(_))).then_some(port);
        let mut waited_at = meant.into_iter().chain(here).filter(|port| {
            let waiting = ports.open.get(port).map_or(&[][..], |open| &*open.waiting);
            waiting.iter().any(|waiting| waiting.expected.admits(client.ip()))
        });
        let port = waited_at.next()?;
        drop(waited_at);
        let listener = ports.open.get(&port)?.listener.upgrade()?;
        let (verdict, orphans) = ports.admit(port, client.ip());
        drop(by_address);
        drop(orphans);
        Some((verdict, listener))
    }
}

#[cfg(test)]
mod tests;
