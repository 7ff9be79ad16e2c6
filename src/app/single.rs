//! One session on a connection that was accepted elsewhere, by inetd or its like.
//!
//! The rooms are a listener's own, but in a process of their own: limits and data ports are not
//! shared with other sessions.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::parts::{self, Parts};
use super::privileges::Privileges;
use super::{BuildError, Stop, outgoing, transparent};
use crate::advertise::options::Mapping;
use crate::config::{Config, ListenerConfig};
use crate::ftp::addr::canonical_end;
use crate::limits::{self, Standing};
use crate::listener::Door;
use crate::net::socket;
use crate::registry::seats::Seats;

/// Everything ready for one session.
pub(crate) struct Single {
    door: Arc<Door>,
    stream: TcpStream,
    /// How long a drain may take.
    pub(crate) shutdown: Duration,
}

impl Single {
    /// As the listener of this name would have it, or as the only one.
    pub(crate) fn build(
        config: &Config,
        name: Option<&str>,
        stream: TcpStream,
    ) -> Result<Self, BuildError> {
        let mut listener = choose(&config.listeners, name)?.clone();
        warn_of_what_is_missing(&listener);
        listener.advertise.mapping = Mapping::Off;
        let config = Config { listeners: vec![listener.clone()], ..config.clone() };
        let privileges = Privileges::plan(&config, &config.listeners)?.lasting();
        privileges.check()?;
        let abilities = transparent::abilities(&config.listeners)?;
        let keys = parts::keys(&listener)?;
        let xferlog = privileges.settle(&config)?;
        let reached: Vec<_> = stream.local_addr().into_iter().map(canonical_end).collect();
        outgoing::check(&listener, &reached)?;
        let descriptors = socket::descriptor_limit().unwrap_or(u64::MAX);
        let standing = Standing { workers: 1, listening: 0 };
        let seats = Seats::new(limits::most_sessions(descriptors, standing));
        let door = Parts::new(reached, abilities, xferlog, seats).door(&listener, keys, None)?;
        let door = Arc::new(door);
        Ok(Self { door, stream, shutdown: config.shutdown })
    }

    /// Carries the session to its end, or to the end that `stop` sets.
    ///
    /// # Errors
    /// The connection is gone already.
    pub(crate) async fn run(self, stop: Stop) -> std::io::Result<()> {
        let advertiser = self.door.rooms.advertiser.clone();
        advertiser.refresh_once().await;
        tokio::spawn(advertiser.refresh_forever(stop.drain.clone()));
        self.stream.set_nonblocking(true)?;
        let stream = tokio::net::TcpStream::from_std(self.stream)?;
        let peer = stream.peer_addr()?;
        socket::tune_control(&stream, self.door.rooms.keepalive)?;
        let sessions = TaskTracker::new();
        self.door.welcome(stream, peer, &sessions, &stop.drain);
        sessions.close();
        tokio::select! {
            () = sessions.wait() => {}
            () = stop.kill.cancelled() => {}
        }
        Ok(())
    }
}

/// What takes a process that stays.
fn warn_of_what_is_missing(listener: &ListenerConfig) {
    let name = &*listener.name;
    if listener.tls.as_ref().is_some_and(|tls| tls.acme.is_some()) {
        tracing::warn!(
            listener = name,
            "no certificate is fetched by a process that carries one session: have an `ftpgate \
             run` beside it keep the same folder"
        );
    }
    if listener.advertise.mapping != Mapping::Off {
        tracing::warn!(
            listener = name,
            "no router is asked for ports by a process that carries one session: forward them on it \
             by hand, or have an `ftpgate run` serve the listener"
        );
    }
    if listener.mirrored().is_some() {
        tracing::warn!(
            listener = name,
            "no port is forwarded by a process that carries one session: under TLS that the \
             server ends there are no data connections"
        );
    }
}

fn choose<'a>(
    listeners: &'a [ListenerConfig],
    name: Option<&str>,
) -> Result<&'a ListenerConfig, BuildError> {
    let names: Vec<_> = listeners.iter().map(|listener| listener.name.as_str()).collect();
    let names = names.join(", ");
    match (name, listeners) {
        (Some(name), _) => listeners
            .iter()
            .find(|listener| listener.name == name)
            .ok_or_else(|| format!("there is no listener \"{name}\"; there is {names}")),
        (None, [only]) => Ok(only),
        (None, _) => Err(format!("several listeners are there: name one of {names} (--listener)")),
    }
    .map_err(BuildError::Which)
}

#[cfg(test)]
mod tests;
