//! The orderly stop: signals, the deadline, the second signal.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{Stop, notify};

/// SIGTERM and SIGINT stop; SIGHUP has the certificates read again.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// From here on the signals are ours.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The first signal starts the drain; a second one, or `deadline`, ends it.
    pub(crate) async fn obey(mut self, stop: Stop, deadline: Duration) {
        let name = self.next(&stop).await;
        tracing::info!(signal = name, ?deadline, "stopping: transfers may end, nothing new starts");
        notify::stopping();
        stop.drain.cancel();
        tokio::select! {
            name = self.next(&stop) => tracing::warn!(signal = name, "second signal: stopping at once"),
            () = tokio::time::sleep(deadline) => {
                tracing::warn!("the time for an orderly stop (timeouts.shutdown) is over");
            }
        }
        stop.kill.cancel();
    }

    async fn next(&mut self, stop: &Stop) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    tracing::info!(
                        "SIGHUP: certificates are read again; a changed configuration takes a restart"
                    );
                    stop.reload.notify_one();
                }
            }
        }
    }
}
