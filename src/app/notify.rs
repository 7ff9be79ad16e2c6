//! What the service manager is told (`Type=notify`); without one, nothing happens.

use sd_notify::NotifyState;

/// Connections are accepted.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The drain has begun.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Files are read again, until [`ready`].
pub(crate) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot reach the service manager (NOTIFY_SOCKET)");
    }
}
