//! Certificates are read again when they change, and spoken of before they end.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::UnixTime;
use tokio::sync::Notify;

use super::{Stop, notify};
use crate::listener::Door;
use crate::tls::{TlsClient, TlsError, TlsServer};

/// How often the files are looked at; SIGHUP has them looked at now.
const INTERVAL: Duration = Duration::from_secs(60);

/// How often what will end is spoken of.
const REMIND: Duration = Duration::from_secs(24 * 60 * 60);

/// What those who read certificates and those who fetch them tell each other.
#[derive(Debug, Default)]
pub(super) struct Wake {
    /// There is a new one.
    pub(super) fetched: Notify,
    /// Whatever could not be fetched is to be tried again now.
    pub(super) again: Notify,
}

/// What is made of files, and whose it is.
#[derive(Debug, Clone)]
pub(super) struct Secured {
    listener: Arc<str>,
    tls: Tls,
}

#[derive(Debug, Clone)]
enum Tls {
    /// Towards clients.
    Server(Arc<TlsServer>),
    /// Towards the upstream of this name.
    Client(Arc<TlsClient>, String),
}

impl Secured {
    /// All there is behind a door.
    pub(super) fn of(door: &Door) -> impl Iterator<Item = Self> {
        let rooms = &door.rooms;
        let server = rooms.client_tls.clone().map(Tls::Server);
        let name = || rooms.upstream.options().name.clone();
        let client = rooms.server_tls.clone().map(|tls| Tls::Client(tls, name()));
        let listener = rooms.name.clone();
        server.into_iter().chain(client).map(move |tls| Self { listener: listener.clone(), tls })
    }

    fn upstream(&self) -> Option<&str> {
        match &self.tls {
            Tls::Server(_) => None,
            Tls::Client(_, name) => Some(name),
        }
    }

    fn reload(&self) -> Result<bool, TlsError> {
        match &self.tls {
            Tls::Server(tls) => tls.reload(),
            Tls::Client(tls, _) => tls.reload(),
        }
    }

    fn warnings(&self, now: UnixTime) -> Vec<String> {
        match &self.tls {
            Tls::Server(tls) => tls.warnings(now),
            Tls::Client(tls, _) => tls.warnings(now),
        }
    }
}

/// Until the drain. New sessions get new certificates; a bad file leaves the old ones in use.
pub(super) async fn keep(all: Vec<Secured>, wake: Arc<Wake>, stop: Stop) {
    let mut reminded = None;
    loop {
        if reminded.is_none_or(|at: tokio::time::Instant| at.elapsed() >= REMIND) {
            reminded = Some(tokio::time::Instant::now());
            remind(&all);
        }
        let asked = tokio::select! {
            () = stop.started() => return,
            () = stop.reload.notified() => true,
            () = wake.fetched.notified() => false,
            () = tokio::time::sleep(INTERVAL) => false,
        };
        if asked {
            notify::reloading();
            wake.again.notify_one();
        }
        let each = all.clone();
        let changed = tokio::task::spawn_blocking(move || read_again(&each)).await;
        if changed.is_ok_and(|changed| changed) {
            reminded = None;
        }
        if asked {
            notify::ready();
        }
    }
}

fn read_again(all: &[Secured]) -> bool {
    let mut changed = false;
    for secured in all {
        let (listener, upstream) = (&*secured.listener, secured.upstream());
        match secured.reload() {
            Ok(true) => {
                changed = true;
                tracing::info!(listener, upstream, "new certificates are in use");
            }
            Ok(false) => {}
            Err(error) => {
                let why = error.label();
                tracing::error!(listener, upstream, why, "the old certificates stay: {error}");
            }
        }
    }
    changed
}

fn remind(all: &[Secured]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for secured in all {
        for warning in secured.warnings(UnixTime::since_unix_epoch(now)) {
            let (listener, upstream) = (&*secured.listener, secured.upstream());
            tracing::warn!(listener, upstream, "{warning}");
        }
    }
}

#[cfg(test)]
mod tests;
