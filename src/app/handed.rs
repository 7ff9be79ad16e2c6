//! Sockets that the service manager listens on and hands over (`LISTEN_FDS`): the process needs no
//! privilege for port 21 then, and no client is refused while it is started anew.

use std::env;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::SockRef;

use super::BuildError;
use crate::config::{Config, ListenerConfig};

/// What systemd calls a socket without a name.
const NAMELESS: &str = "unknown";

/// The sockets handed over, each with its name.
#[derive(Debug, Default)]
pub(crate) struct Handed(Vec<(String, io::Result<TcpListener>)>);

impl Handed {
    /// Those of this process. To be called once, before there are threads: the variables that tell
    /// of them are taken out of the environment.
    pub(crate) fn from_environment() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').filter(|name| !name.is_empty());
        let mut sockets = ListenFd::from_env();
        let taken = (0..sockets.len()).map(|n| {
            let name = names.next().unwrap_or(NAMELESS).to_owned();
            let taken = sockets
                .take_tcp_listener(n)
                .and_then(|taken| usable(taken.ok_or(io::ErrorKind::NotFound)?));
            (name, taken)
        });
        Self(taken.collect())
    }

    /// What each listener takes, in their order. What nobody takes is told, and closed.
    ///
    /// # Errors
    /// A listener's socket is not there, or does not accept TCP connections.
    pub(super) fn share_out(
        mut self,
        config: &Config,
    ) -> Result<Vec<Vec<TcpListener>>, BuildError> {
        let listeners = &config.listeners;
        let named: Vec<&str> =
            listeners.iter().flat_map(|l| &l.handed).flatten().map(String::as_str).collect();
        let shares = listeners.iter().map(|listener| {
            let wanted = listener.handed.iter();
            let shares = wanted.map(|wanted| self.share(listener, wanted.as_deref(), &named));
            Ok(shares.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        });
        let shares = shares.collect();
        for (socket, _) in self.0 {
            tracing::warn!(
                socket,
                "a socket was handed over that no listener takes: set bind = \"systemd\", or stop \
                 its .socket unit"
            );
        }
        shares
    }

    /// The sockets of one name, or all that have none of the `named`.
    fn share(
        &mut self,
        listener: &ListenerConfig,
        wanted: Option<&str>,
        named: &[&str],
    ) -> Result<Vec<TcpListener>, BuildError> {
        let listener = || listener.name.clone();
        let suits = |name: &str| match wanted {
            Some(wanted) => name == wanted,
            None => !named.contains(&name),
        };
        let (taken, left) = mem::take(&mut self.0).into_iter().partition(|(name, _)| suits(name));
        self.0 = left;
        let taken: Vec<_> = taken;
        if taken.is_empty() {
            let what = match wanted {
                Some(wanted) => format!("the socket \"{wanted}\""),
                None => "its sockets".into(),
            };
            return Err(BuildError::NotHanded { listener: listener(), what });
        }
        let checked = taken.into_iter().map(|(name, socket)| {
            socket.map_err(|error| BuildError::Handed { listener: listener(), name, error })
        });
        checked.collect()
    }
}

/// Where a socket of ours listens: one for both families is two addresses.
pub(super) fn addresses(socket: &TcpListener) -> Vec<SocketAddr> {
    let Ok(address) = socket.local_addr() else { return Vec::new() };
    let only_v6 = || SockRef::from(socket).only_v6().unwrap_or(true);
    let both = address.is_ipv6() && address.ip().is_unspecified() && !only_v6();
    let v4 = both.then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())));
    v4.into_iter().chain([address]).collect()
}

/// One for every worker: they share its queue of connections.
pub(super) fn for_workers(socket: TcpListener, workers: usize) -> io::Result<Vec<TcpListener>> {
    let mut set = Vec::new();
    for _ in 1..workers {
        set.push(socket.try_clone()?);
    }
    set.push(socket);
    Ok(set)
}

/// One that listens, made fit for a runtime.
fn usable(socket: TcpListener) -> io::Result<TcpListener> {
    if !SockRef::from(&socket).is_listener()? {
        return Err(io::Error::other("it does not listen"));
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
