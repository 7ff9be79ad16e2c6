//! Certificates are read again when they change, and spoken of before they end.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::UnixTime;

use super::{Stop, notify};
use crate::tls::TlsServer;

/// How often the files are looked at; SIGHUP has them looked at now.
const INTERVAL: Duration = Duration::from_secs(60);

/// How often what will end is spoken of.
const REMIND: Duration = Duration::from_secs(24 * 60 * 60);

/// Until the drain. New sessions get new certificates; a bad file leaves the old ones in use.
pub(super) async fn keep(listeners: Vec<(Arc<str>, Arc<TlsServer>)>, stop: Stop) {
    let mut reminded = None;
    loop {
        if reminded.is_none_or(|at: tokio::time::Instant| at.elapsed() >= REMIND) {
            reminded = Some(tokio::time::Instant::now());
            remind(&listeners);
        }
        let asked = tokio::select! {
            () = stop.started() => return,
            () = stop.reload.notified() => true,
            () = tokio::time::sleep(INTERVAL) => false,
        };
        if asked {
            notify::reloading();
        }
        let each = listeners.clone();
        let changed = tokio::task::spawn_blocking(move || read_again(&each)).await;
        if changed.is_ok_and(|changed| changed) {
            reminded = None;
        }
        if asked {
            notify::ready();
        }
    }
}

fn read_again(listeners: &[(Arc<str>, Arc<TlsServer>)]) -> bool {
    let mut changed = false;
    for (name, tls) in listeners {
        match tls.reload() {
            Ok(true) => {
                changed = true;
                tracing::info!(listener = &**name, "new certificates are in use");
            }
            Ok(false) => {}
            Err(error) => {
                let why = error.label();
                tracing::error!(listener = &**name, why, "the old certificates stay: {error}");
            }
        }
    }
    changed
}

fn remind(listeners: &[(Arc<str>, Arc<TlsServer>)]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for (name, tls) in listeners {
        for warning in tls.warnings(UnixTime::since_unix_epoch(now)) {
            tracing::warn!(listener = &**name, "{warning}");
        }
    }
}
