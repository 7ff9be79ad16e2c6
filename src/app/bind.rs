//! Control sockets, bound for every worker.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::BuildError;
use super::handed::for_workers;
use crate::config::ListenerConfig;
use crate::net::socket::{self, is_missing_ipv6};
use crate::net::transparent;
use crate::upstream::destinations::Mode;

/// One socket a worker for each address of a listener, and for each that was handed over.
pub(super) fn bind(
    listener: &ListenerConfig,
    handed: Vec<TcpListener>,
    workers: usize,
) -> Result<Vec<Vec<TcpListener>>, BuildError> {
    let bind_all = |&address: &SocketAddr| -> io::Result<Vec<TcpListener>> {
        if address.port() != 0 {
            // With SO_REUSEPORT a second gateway would quietly take half of our clients.
            drop(socket::listen_control(address, false)?);
        }
        let first = socket::listen_control(address, workers > 1)?;
        let address = first.local_addr()?;
        let mut set = vec![first];
        for _ in 1..workers {
            set.push(socket::listen_control(address, true)?);
        }
        if listener.mode == Mode::Tproxy {
            set.iter().try_for_each(|socket| transparent::borrow(socket.into()))?;
        }
        Ok(set)
    };
    let mut sets = Vec::new();
    for socket in handed {
        let name = || listener.name.clone();
        let cannot = |error| BuildError::Handed { listener: name(), name: "".into(), error };
        sets.push(for_workers(socket, workers).map_err(cannot)?);
    }
    for address in &listener.bind {
        match bind_all(address) {
            Ok(set) => sets.push(set),
            Err(error) if is_missing_ipv6(address, &error) && listener.bind.len() > 1 => {
                let listener = &*listener.name;
                tracing::warn!(listener, "this machine has no IPv6: {address} is left out");
            }
            Err(error) => {
                let (listener, address) = (listener.name.clone(), *address);
                let remedy = remedy(&error);
                return Err(BuildError::Listen { listener, address, error, remedy });
            }
        }
    }
    Ok(sets)
}

pub(super) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there (ss -ltnp shows which): stop it or change `bind`"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or bind 2121 and forward 21"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; the address is not one of this machine's (ip addr shows them)"
        }
        _ => "",
    }
}
