//! `load churn`: short transfers in a row, of every kind, each one compared.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::ftp::{Client, Mode, Target};
use crate::pattern::Pattern;
use crate::report::Report;
use crate::rng::{Rng, seed};
use crate::transfer::{Sink, fetch, store};

const MODES: [Mode; 4] = [Mode::Pasv, Mode::Epsv, Mode::Port, Mode::Eprt];
const VERBS: [&str; 3] = ["RETR", "STOR", "LIST"];
/// Largest file.
const MAX_SIZE: u64 = 4096;
/// A run with so many failures has shown enough.
const MAX_FAILURES: u64 = 20;

struct Work {
    target: Target,
    transfers: u64,
    per_session: u64,
    pattern: Pattern,
    begun: AtomicU64,
    /// Done, for each mode and verb.
    done: [[AtomicU64; VERBS.len()]; MODES.len()],
    lasted: Mutex<Vec<Duration>>,
    failed: AtomicU64,
    error: Mutex<String>,
}

pub fn run(mut args: Args) -> io::Result<bool> {
    let target = Target::new(args.at()?, "soak".into());
    let sources = args.sources()?;
    let lanes: u64 = args.or("lanes", 8)?;
    let seed = seed(args.or("seed", 0)?);
    let work = Work {
        target,
        transfers: args.required("transfers")?,
        per_session: args.or("per-session", 100)?,
        pattern: Pattern::new()?,
        begun: AtomicU64::new(0),
        done: Default::default(),
        lasted: Mutex::default(),
        failed: AtomicU64::new(0),
        error: Mutex::default(),
    };
    args.end()?;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for lane in 0..lanes {
            let (work, sources) = (&work, &sources);
            scope.spawn(move || {
                let mut target = work.target.clone();
                target.source = sources.get(lane as usize % sources.len().max(1)).copied();
                work.lane(&target, &mut Rng::new(seed.wrapping_add(lane)));
            });
        }
    });
    Ok(work.summarise(seed, begun.elapsed()))
}

impl Work {
    fn lane(&self, target: &Target, rng: &mut Rng) {
        while self.wanted() {
            if let Err(error) = self.session(target, rng) {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let mut first = self.error.lock().expect("no panic");
                if first.is_empty() {
                    *first = error.to_string();
                }
            }
        }
    }

    fn wanted(&self) -> bool {
        self.begun.load(Ordering::Relaxed) < self.transfers
            && self.failed.load(Ordering::Relaxed) < MAX_FAILURES
    }

    fn session(&self, target: &Target, rng: &mut Rng) -> io::Result<()> {
        let mut client = Client::ready(target)?;
        for _ in 0..self.per_session {
            if self.begun.fetch_add(1, Ordering::Relaxed) >= self.transfers {
                break;
            }
            let (mode, verb) = (rng.below(4) as usize, rng.below(3) as usize);
            let size = rng.below(MAX_SIZE + 1);
            let begun = Instant::now();
            let what = format!("{} {size} bytes, {:?}", VERBS[verb], MODES[mode]);
            self.transfer(&mut client, MODES[mode], VERBS[verb], size)
                .map_err(|e| io::Error::new(e.kind(), format!("{what}: {e}")))?;
            self.done[mode][verb].fetch_add(1, Ordering::Relaxed);
            self.lasted.lock().expect("no panic").push(begun.elapsed());
        }
        client.quit()
    }

    fn transfer(&self, client: &mut Client, mode: Mode, verb: &str, size: u64) -> io::Result<()> {
        let name = format!("v{size}");
        if verb == "STOR" {
            return store(client, mode, &name, size, &self.pattern);
        }
        let sink = Sink::Compare(&self.pattern);
        let fetched = fetch(client, mode, &format!("{verb} {name}"), sink)?;
        match fetched.bytes == size {
            true => Ok(()),
            false => Err(io::Error::other(format!("226 after {} bytes", fetched.bytes))),
        }
    }

    fn summarise(&self, seed: u64, elapsed: Duration) -> bool {
        let seconds = elapsed.as_secs_f64();
        let mut report = Report::default().count("seed", seed).number("seconds", seconds);
        let mut total = 0;
        for (mode, verbs) in MODES.iter().zip(&self.done) {
            for (verb, done) in VERBS.iter().zip(verbs) {
                let done = done.load(Ordering::Relaxed);
                report = report.count(&format!("{mode:?} {verb}").to_lowercase(), done);
                total += done;
            }
        }
        let failed = self.failed.load(Ordering::Relaxed);
        let error = self.error.lock().expect("no panic");
        let mut lasted = self.lasted.lock().expect("no panic");
        let report = report
            .count("done", total)
            .number("per_second", total as f64 / seconds)
            .latencies(&mut lasted)
            .number("slowest_s", lasted.last().map_or(0.0, Duration::as_secs_f64));
        report.count("failed", failed).text("error", &error).print();
        failed == 0 && total == self.transfers
    }
}
