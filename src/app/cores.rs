//! A core for each worker.
//!
//! Left to the scheduler, a worker and the server or the client it serves change places while a
//! transfer runs, and the caches with them (`benches/SPEED.md`).

use std::io;

/// The cores that `workers` threads stay on: those this process may use, if they are as many.
/// Empty otherwise: fewer workers would leave cores to nobody (a container's share of the CPU
/// makes them fewer), more would get in each other's way.
pub(super) fn one_each(workers: usize) -> Vec<usize> {
    let cores = allowed();
    if cores.len() == workers { cores } else { Vec::new() }
}

/// Binds the calling thread to a core. Where that is forbidden it goes on as it was.
pub(super) fn stay_on(core: usize) {
    if let Err(error) = bind(core) {
        tracing::debug!(%error, core, "this worker goes where the scheduler puts it");
    }
}

#[cfg(target_os = "linux")]
fn allowed() -> Vec<usize> {
    use rustix::thread::{CpuSet, sched_getaffinity};

    let Ok(cores) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|&core| cores.is_set(core)).collect()
}

#[cfg(target_os = "linux")]
fn bind(core: usize) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> Vec<usize> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
fn bind(_: usize) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn as_many_workers_as_cores_have_one_each() {
        let cores = allowed();
        assert!(!cores.is_empty());
        assert!(one_each(cores.len() + 1).is_empty(), "they would share one");
        assert!(one_each(cores.len() - 1).is_empty(), "one would be left to nobody");
        for core in one_each(cores.len()) {
            let after = thread::spawn(move || {
                stay_on(core);
                allowed()
            });
            assert_eq!(after.join().unwrap(), [core]);
        }
        assert_eq!(allowed(), cores, "the thread that starts them stays free");
    }
}
