//! The timed measures. Each session has a thread; the clock starts when all are logged in.

use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::ftp::{Client, Mode, PATIENCE, Target};
use crate::pattern::Pattern;
use crate::report::Report;
use crate::transfer::{Sink, fetch, store};

/// After so many failures a session gives up.
const MAX_FAILURES: u32 = 5;
/// The size of the files that are fetched beside small ones: a fraction of a second each.
const BESIDE: u64 = 100_000_000;
/// After a failure to connect, so that a refusing server is not stormed.
const PAUSE: Duration = Duration::from_millis(10);

/// What one session did.
#[derive(Default)]
struct Tally {
    span: Option<(Instant, Instant)>,
    /// When what counts was over, if that was not the end of the work.
    ended: Option<Instant>,
    bytes: u64,
    /// Bytes that went beside those that count.
    beside: u64,
    done: u64,
    failed: u32,
    error: Option<io::Error>,
    latencies: Vec<Duration>,
}

impl Tally {
    /// Counts a failure; whether to go on.
    fn fail(&mut self, error: io::Error) -> bool {
        self.failed += 1;
        self.error.get_or_insert(error);
        self.failed < MAX_FAILURES
    }
}

pub fn target(args: &mut Args) -> io::Result<Target> {
    let target = Target::new(args.at()?, args.or("user", "ftp".to_owned())?);
    Ok(Target { tls: args.flag("tls"), ..target })
}

/// `sessions` clients logged in, then `work` in all at once, then one line of what they did.
fn in_parallel(
    sessions: usize,
    target: &Target,
    work: impl Fn(usize, &mut Client, &mut Tally) + Sync,
) -> bool {
    let barrier = Barrier::new(sessions);
    let one = |number: usize| {
        let mut tally = Tally::default();
        let client = Client::ready(target);
        barrier.wait();
        let begun = Instant::now();
        match client {
            Err(error) => drop(tally.fail(error)),
            Ok(mut client) => {
                work(number, &mut client, &mut tally);
                tally.span = Some((begun, tally.ended.unwrap_or_else(Instant::now)));
                // A session that failed may have no answer to give.
                if tally.failed == 0
                    && let Err(error) = client.quit()
                {
                    tally.fail(error);
                }
            }
        }
        tally
    };
    summarise(run_all(sessions, one))
}

fn run_all(sessions: usize, one: impl Fn(usize) -> Tally + Sync) -> Vec<Tally> {
    std::thread::scope(|scope| {
        let one = &one;
        let all: Vec<_> = (0..sessions).map(|n| scope.spawn(move || one(n))).collect();
        all.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn summarise(tallies: Vec<Tally>) -> bool {
    let spans = || tallies.iter().filter_map(|t| t.span);
    let first = spans().map(|(begun, _)| begun).min();
    let last = spans().map(|(_, ended)| ended).max();
    let seconds = first.zip(last).map_or(0.0, |(first, last)| (last - first).as_secs_f64());
    let failed: u32 = tallies.iter().map(|t| t.failed).sum();
    let mut report = Report::default()
        .number("seconds", seconds)
        .count("bytes", tallies.iter().map(|t| t.bytes).sum())
        .count("beside_bytes", tallies.iter().map(|t| t.beside).sum())
        .count("done", tallies.iter().map(|t| t.done).sum())
        .count("failed", failed.into());
    let error = tallies.iter().find_map(|t| t.error.as_ref()).map(ToString::to_string);
    let mut latencies: Vec<_> = tallies.into_iter().flat_map(|t| t.latencies).collect();
    if !latencies.is_empty() {
        report = report.latencies(&mut latencies);
    }
    report.text("error", &error.unwrap_or_default()).print();
    failed == 0
}

/// `load get`.
pub fn get(mut args: Args) -> io::Result<bool> {
    let (target, size, sessions) = bulk(&mut args)?;
    let pattern = args.flag("verify").then(Pattern::new).transpose()?;
    args.end()?;
    let sink = pattern.as_ref().map_or(Sink::Discard, Sink::Compare);
    Ok(in_parallel(sessions, &target, |_, client, tally| {
        match fetch(client, Mode::Pasv, &format!("RETR z{size}"), sink) {
            Ok(fetched) if fetched.bytes == size => {
                tally.bytes = size;
                tally.done = 1;
            }
            Ok(fetched) => drop(tally.fail(short(fetched.bytes))),
            Err(error) => drop(tally.fail(error)),
        }
    }))
}

/// `load put`. To verify: the null server compares a `v`, another server gives it back.
pub fn put(mut args: Args) -> io::Result<bool> {
    let (target, size, sessions) = bulk(&mut args)?;
    let verify = args.flag("verify");
    args.end()?;
    let pattern = Pattern::new()?;
    let mark = if verify { 'v' } else { 'z' };
    Ok(in_parallel(sessions, &target, |number, client, tally| {
        let name = format!("up/{number}-{mark}{size}");
        let mut outcome = store(client, Mode::Pasv, &name, size, &pattern);
        tally.ended = Some(Instant::now());
        if outcome.is_ok() {
            tally.bytes = size;
            tally.done = 1;
        }
        if verify && outcome.is_ok() {
            let back = fetch(client, Mode::Pasv, &format!("RETR {name}"), Sink::Compare(&pattern));
            outcome = back.and_then(|b| if b.bytes == size { Ok(()) } else { Err(short(b.bytes)) });
        }
        let cleared = client.command(&format!("DELE {name}")).map(drop);
        if let Err(error) = outcome.and(cleared) {
            tally.fail(error);
        }
    }))
}

fn bulk(args: &mut Args) -> io::Result<(Target, u64, usize)> {
    Ok((target(args)?, args.required("bytes")?, args.or("sessions", 1)?))
}

/// `load small`.
pub fn small(mut args: Args) -> io::Result<bool> {
    let target = target(&mut args)?;
    let files: usize = args.required("files")?;
    let sessions: usize = args.or("sessions", 1)?;
    let size: u64 = args.or("bytes", 1024)?;
    let mode = args.or("mode", Mode::Pasv)?;
    let beside: usize = args.or("beside", 0)?;
    args.end()?;
    let busy = AtomicUsize::new(sessions);
    Ok(in_parallel(sessions + beside, &target, |number, client, tally| {
        if number < sessions {
            fetch_small(client, mode, (files / sessions, size), tally);
            busy.fetch_sub(1, Ordering::Relaxed);
            tally.ended = Some(Instant::now());
        } else {
            fetch_beside(client, &busy, tally);
        }
    }))
}

/// `files` files of `size` bytes, or until too many have failed.
fn fetch_small(client: &mut Client, mode: Mode, (files, size): (usize, u64), tally: &mut Tally) {
    let command = format!("RETR z{size}");
    for _ in 0..files {
        let fetched = fetch(client, mode, &command, Sink::Discard);
        let failure = match fetched {
            Ok(fetched) if fetched.bytes == size => {
                tally.bytes += size;
                tally.done += 1;
                tally.latencies.push(fetched.first_byte);
                continue;
            }
            Ok(fetched) => short(fetched.bytes),
            Err(error) => error,
        };
        if !tally.fail(failure) {
            return;
        }
    }
}

/// Large files for as long as anybody is busy with small ones, or might be. Its time is not what is
/// measured.
fn fetch_beside(client: &mut Client, busy: &AtomicUsize, tally: &mut Tally) {
    let begun = Instant::now();
    tally.ended = Some(begun);
    let command = format!("RETR z{BESIDE}");
    while busy.load(Ordering::Relaxed) > 0 && begun.elapsed() < PATIENCE {
        match fetch(client, Mode::Pasv, &command, Sink::Discard) {
            Ok(fetched) => tally.beside += fetched.bytes,
            Err(error) => {
                tally.fail(error);
                return;
            }
        }
    }
}

/// `load sess`. Latency is from connect to the reply to PASS.
pub fn sess(mut args: Args) -> io::Result<bool> {
    let target = target(&mut args)?;
    let sessions: usize = args.or("sessions", 16)?;
    let time = Duration::from_secs_f64(args.required("seconds")?);
    args.end()?;
    let one = |_| {
        let mut tally = Tally::default();
        let begun = Instant::now();
        let mut now = begun;
        while now < begun + time {
            let client = Client::login(&target);
            tally.latencies.push(now.elapsed());
            match client.and_then(Client::quit) {
                Ok(()) => tally.done += 1,
                Err(error) => {
                    if !tally.fail(error) {
                        break;
                    }
                    std::thread::sleep(PAUSE);
                }
            }
            now = Instant::now();
        }
        tally.span = Some((begun, now));
        tally
    };
    Ok(summarise(run_all(sessions, one)))
}

/// `load noop`.
pub fn noop(mut args: Args) -> io::Result<bool> {
    let target = target(&mut args)?;
    let count: usize = args.required("count")?;
    args.end()?;
    Ok(in_parallel(1, &target, |_, client, tally| {
        tally.latencies.reserve(count);
        for _ in 0..count {
            let begun = Instant::now();
            if let Err(error) = client.expect("NOOP", 2) {
                tally.fail(error);
                return;
            }
            tally.latencies.push(begun.elapsed());
            tally.done += 1;
        }
    }))
}

fn short(bytes: u64) -> io::Error {
    io::Error::other(format!("226 after {bytes} bytes"))
}
