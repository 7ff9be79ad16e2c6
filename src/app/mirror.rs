//! Ports that are forwarded one-to-one, for listeners whose TLS is the server's (P122).

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use super::BuildError;
use super::bind::remedy;
use crate::config::ListenerConfig;
use crate::data::mirror::Mirror;
use crate::listener::Door;
use crate::net::socket::{self, is_missing_ipv6};
use crate::session::policy::ClientTls;

/// A listening port and whom it is for.
pub(super) type ForwardedPort = (TcpListener, Arc<Mirror>);

/// What every worker watches.
pub(super) type ByWorker = Vec<Vec<ForwardedPort>>;

/// Binds a listener's forwarded ports, shared out among the workers. They are held for as long as
/// the process lives: who else has one of them is found now, not in the middle of a session.
pub(super) fn bind(
    listener: &ListenerConfig,
    reached: &[SocketAddr],
    workers: &mut ByWorker,
) -> Result<Option<Arc<Mirror>>, BuildError> {
    let Some(range) = listener.mirrored() else { return Ok(None) };
    let mut sockets = Vec::new();
    for ip in addresses(listener, reached) {
        for address in (range.first..=range.last).map(|port| SocketAddr::new(ip, port)) {
            let tuning = listener.data.downstream.tuning;
            match socket::listen_data_on(None, address, false, tuning) {
                Ok(socket) => sockets.push(socket),
                Err(error) if is_missing_ipv6(&address, &error) => break,
                Err(error) => {
                    let (listener, remedy) = (listener.name.clone(), remedy(&error));
                    return Err(BuildError::Listen { listener, address, error, remedy });
                }
            }
        }
    }
    let bound = sockets.iter().filter_map(|socket| socket.local_addr().ok());
    let mirror = Mirror::new(bound.collect(), listener.data.downstream.peers.clone());
    let count = workers.len().max(1);
    for (number, socket) in sockets.into_iter().enumerate() {
        if let Some(worker) = workers.get_mut(number % count) {
            worker.push((socket, mirror.clone()));
        }
    }
    Ok(Some(mirror))
}

/// Where the listener's data ports listen, each once; `reached`: where it listens itself.
fn addresses(listener: &ListenerConfig, reached: &[SocketAddr]) -> Vec<IpAddr> {
    let own = reached.iter().map(|address| {
        let bind = listener.data.downstream.bind;
        bind.filter(|bind| bind.is_ipv4() == address.is_ipv4()).unwrap_or(address.ip())
    });
    let mut ips: Vec<IpAddr> = own.collect();
    ips.sort_unstable();
    ips.dedup();
    let any: Vec<bool> = ips.iter().filter(|ip| ip.is_unspecified()).map(IpAddr::is_ipv4).collect();
    ips.retain(|ip| ip.is_unspecified() || !any.contains(&ip.is_ipv4()));
    ips
}

/// What an operator has to know of TLS that is the server's.
pub(super) fn describe(door: &Door) -> Option<String> {
    let rooms = &door.rooms;
    if rooms.policy.tls.client != ClientTls::Passthrough {
        return None;
    }
    let Some(ports) = rooms.data.forwarded else {
        return Some(
            "AUTH is the server's, and no port is forwarded: under TLS there are no data \
             connections through this gateway (data.passthrough_ports)"
                .into(),
        );
    };
    Some(format!(
        "AUTH is the server's: under TLS clients use EPSV, or PASV if the server tells our \
         address (pasv_address); ports {ports} go one to one to the server, whose passive range \
         they have to be; open them for clients too"
    ))
}
