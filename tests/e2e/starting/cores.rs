//! A core for each worker.

use std::collections::BTreeSet;
use std::path::Path;

use super::privileges::{status, status_of};
use crate::support::ftp::Control;
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::Lab;
use crate::support::mock::{Mock, polite};
use crate::support::process::eventually;

/// Where its threads may run, as the kernel has it.
const CORES: &str = "Cpus_allowed_list";

/// With as many workers as cores each has its own, unless the operator says otherwise, and the
/// other threads go where they like.
#[test]
fn each_worker_stays_on_its_own() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let own = BTreeSet::from([status_of(Path::new("/proc/thread-self"), CORES)]);
    let one_each: BTreeSet<_> = own.iter().flat_map(|list| singly(list)).collect();
    let workers = one_each.len();
    let bound: BTreeSet<_> = own.union(&one_each).cloned().collect();
    for (lines, expected) in [
        (format!("workers = {workers}"), &bound),
        (format!("workers = {workers}\ncpu_affinity = false"), &own),
        (format!("workers = {}", workers + 1), &own),
    ] {
        let config = Config::to(mock.address()).section(&format!("[runtime]\n{lines}\n"));
        let gateway = Gateway::start(&lab, &config);
        // A worker that answers has come to its core before.
        let session = Control::login(&lab.net.client, gateway.address());
        eventually(&format!("{lines}: threads on {expected:?}"), || {
            (status(gateway.pid(), CORES) == *expected).then_some(())
        });
        drop(session);
        gateway.stop();
    }
}

/// The cores of a list such as `0-2,5`.
fn singly(list: &str) -> Vec<String> {
    let cores = list.split(',').flat_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let core = |text: &str| text.parse::<usize>().expect("a core");
        core(first)..=core(last)
    });
    cores.map(|core| core.to_string()).collect()
}
