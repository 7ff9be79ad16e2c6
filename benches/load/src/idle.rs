//! `load idle`: many logged-in sessions, held.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::args::Args;
use crate::ftp::{Client, Target};
use crate::measure::target;
use crate::report::Report;

/// Logins under way at once.
const AT_ONCE: usize = 16;
/// Failures until the rest is not tried any more.
const MAX_FAILURES: u64 = 30;
/// A way that is full may leave a client without a word: that is a failure too, and soon.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints a line when all are there, waits for a line on standard input, asks each whether it is
/// still there, prints another.
pub fn hold(mut args: Args) -> io::Result<bool> {
    let target = Target { patience: PATIENCE, ..target(&mut args)? };
    let wanted: u64 = args.required("sessions")?;
    args.end()?;
    let (begun, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let held = Mutex::new(Vec::new());
    let error = Mutex::new(String::new());
    let open = || {
        while begun.fetch_add(1, Ordering::Relaxed) < wanted
            && failed.load(Ordering::Relaxed) < MAX_FAILURES
        {
            match Client::login(&target) {
                Ok(client) => held.lock().expect("no panic").push(client),
                Err(e) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    *error.lock().expect("no panic") = e.to_string();
                }
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(open))));
    let mut held = held.into_inner().expect("no panic");
    let error = error.into_inner().expect("no panic");
    let report = Report::default().count("held", held.len() as u64);
    report.count("failed", failed.into_inner()).text("error", &error).print();

    io::stdin().read_line(&mut String::new())?;
    let alive = held.iter_mut().filter_map(|client| client.expect("NOOP", 2).ok()).count() as u64;
    Report::default().count("alive", alive).print();
    Ok(alive == wanted)
}
