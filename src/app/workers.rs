//! The threads that serve: one runtime each, and the sockets it listens on.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};

use super::{Stop, cores, mirror};
use crate::listener::Door;
use crate::listener::team::{Member, Team};

/// No thread to serve anybody.
#[derive(Debug, thiserror::Error)]
#[error(
    "no worker can be started: {0}; it may take more descriptors (ulimit -n, LimitNOFILE) or more \
     tasks (TasksMax)"
)]
pub struct NoWorker(io::Error);

/// What one worker listens on: control sockets, each with its door, and ports forwarded one-to-one.
pub(super) type Sockets = (Vec<(TcpListener, Arc<Door>)>, Vec<mirror::ForwardedPort>);

/// Starts them all, or as many as can be, with `cpu_affinity` each on a core of its own. Each ends with the number of sessions it had to cut off.
///
/// # Errors
/// There is not one.
pub(super) fn start(
    sockets: impl Iterator<Item = Sockets>,
    cpu_affinity: bool,
    stop: &Stop,
) -> Result<Vec<JoinHandle<usize>>, NoWorker> {
    let mut failed = None;
    let mut tell = |error: io::Error| {
        tracing::error!(%error, "cannot start a worker thread");
        failed = Some(error);
    };
    let mut runtimes = Vec::new();
    for sockets in sockets {
        match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtimes.push((runtime, sockets)),
            Err(error) => tell(error),
        }
    }
    let team: Team = runtimes.iter().map(|(it, _)| Member::new(it.handle().clone())).collect();
    let cores = if cpu_affinity { cores::one_each(runtimes.len()) } else { Vec::new() };
    let mut threads = Vec::new();
    for (number, (runtime, sockets)) in runtimes.into_iter().enumerate() {
        let core = cores.get(number).copied();
        match worker((team.clone(), number), (runtime, core), sockets, stop.clone()) {
            Ok(thread) => threads.push(thread),
            Err(error) => tell(error),
        }
    }
    match failed.filter(|_| threads.is_empty()) {
        Some(error) => Err(NoWorker(error)),
        None => Ok(threads),
    }
}

/// A thread, and the sessions that come in through its sockets or from its team.
fn worker(
    (team, number): (Team, usize),
    (runtime, core): (Runtime, Option<usize>),
    (sockets, forwarded): Sockets,
    stop: Stop,
) -> io::Result<JoinHandle<usize>> {
    let serve = async move {
        let Some(member) = team.get(number) else { return 0 };
        for (socket, door) in sockets {
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => {
                    tokio::spawn(door.keep(socket, (team.clone(), number), stop.drain.clone()));
                }
                Err(error) => tracing::error!(%error, "cannot watch a control socket"),
            }
        }
        for (socket, mirror) in forwarded {
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => drop(tokio::spawn(mirror.keep(socket))),
                Err(error) => tracing::error!(%error, "cannot watch a forwarded port"),
            }
        }
        member.up.store(true, Ordering::Relaxed);
        stop.started().await;
        member.sessions.close();
        tokio::select! {
            () = member.sessions.wait() => {}
            () = stop.kill.cancelled() => {}
        }
        member.sessions.len()
    };
    let work = move || {
        core.into_iter().for_each(cores::stay_on);
        let cut_off = runtime.block_on(serve);
        // Not waiting for a resolver that does not answer.
        runtime.shutdown_background();
        cut_off
    };
    thread::Builder::new().name(format!("worker-{number}")).spawn(work)
}
