//! `load kill`: rounds in which a random one of a transfer's four sockets is killed.
//!
//! The client's two sockets are killed here, the server's two by the null server, which is asked
//! through the user name. The moment is drawn over the time that a round takes when nothing is
//! killed, so that every phase is hit. Then whatever is left has to end within the bound, and
//! nobody may have been told of success that was none.

mod round;

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::ftp::{Client, Mode, Target};
use crate::pattern::Pattern;
use crate::report::Report;
use crate::rng::{Rng, seed};
use crate::serve::How;
use round::{Outcome, Plan, Round, Victim};

const VICTIMS: [Victim; 4] =
    [Victim::ClientControl, Victim::ClientData, Victim::ServerControl, Victim::ServerData];
const MODES: [Mode; 4] = [Mode::Pasv, Mode::Epsv, Mode::Port, Mode::Eprt];
/// Largest file: enough that a kill finds it moving.
const MAX_SIZE: u64 = 8 << 20;
/// Rounds without a kill by which each lane learns how long one takes.
const REHEARSALS: u32 = 12;
/// The moment is drawn from so much of that time, in percent: some kills come too late.
const STRETCH: u32 = 110;
/// A run with so many violations has shown enough.
const MAX_VIOLATIONS: usize = 20;
/// Rounds tried for each that was wanted: some end before the kill.
const TRIES: u64 = 6;

#[derive(Default)]
struct Tally {
    hits: [[u64; 2]; VICTIMS.len()],
    phases: [u64; round::PHASES.len()],
    missed: u64,
    /// From the kill until all that was left had ended.
    gone: Vec<Duration>,
    violations: Vec<String>,
}

struct Work {
    target: Target,
    rounds: u64,
    bound: Duration,
    pattern: Pattern,
    tries: AtomicU64,
    hits: AtomicU64,
    tally: Mutex<Tally>,
}

pub fn run(mut args: Args) -> io::Result<bool> {
    let target = Target::new(args.at()?, String::new());
    let sources = args.sources()?;
    let lanes: u64 = args.or("lanes", 8)?;
    let seed = seed(args.or("seed", 0)?);
    let work = Work {
        target,
        rounds: args.required("rounds")?,
        bound: Duration::from_secs(args.or("bound", 15)?),
        pattern: Pattern::new()?,
        tries: AtomicU64::new(0),
        hits: AtomicU64::new(0),
        tally: Mutex::default(),
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
    Ok(work.summarise(seed, begun))
}

impl Work {
    fn lane(&self, target: &Target, rng: &mut Rng) {
        let mut scratch = vec![0; 1 << 18];
        let mut usual = [Duration::ZERO; 2];
        for _ in 0..REHEARSALS {
            let plan = self.plan(rng, None, usual);
            let round = Round::play(target, &self.pattern, plan, &mut scratch);
            if let Some(why) = round.violation() {
                return self.violated(why);
            }
            usual[0] += round.lasted / REHEARSALS;
            usual[1] += round.data_lasted / REHEARSALS;
        }
        let mut victim = rng.pick(&VICTIMS);
        while self.hits.load(Ordering::Relaxed) < self.rounds
            && self.tries.fetch_add(1, Ordering::Relaxed) < TRIES * self.rounds
            && self.tally.lock().expect("no panic").violations.len() < MAX_VIOLATIONS
        {
            let plan = self.plan(rng, Some(victim), usual);
            let round = Round::play(target, &self.pattern, plan, &mut scratch);
            self.count(victim, &round);
            // A victim that got away is tried again, so that all four are hit alike.
            if matches!(round.outcome, Outcome::Cut(_)) {
                victim = rng.pick(&VICTIMS);
            }
        }
    }

    fn plan(&self, rng: &mut Rng, victim: Option<Victim>, usual: [Duration; 2]) -> Plan {
        let usual = usual[usize::from(victim.is_some_and(Victim::is_data))];
        let longest = (usual * STRETCH / 100).as_micros() as u64;
        Plan {
            victim,
            how: rng.pick(&[How::Rst, How::Fin]),
            after: Duration::from_micros(rng.below(longest)),
            mode: rng.pick(&MODES),
            upload: rng.below(2) == 1,
            size: rng.below(MAX_SIZE),
            bound: self.bound,
        }
    }

    fn count(&self, victim: Victim, round: &Round) {
        let mut tally = self.tally.lock().expect("no panic");
        match round.outcome {
            Outcome::Complete => tally.missed += 1,
            Outcome::Cut(gone) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                tally.hits[victim as usize][usize::from(round.plan.how == How::Fin)] += 1;
                tally.phases[round.phase as usize] += 1;
                tally.gone.push(gone);
            }
            Outcome::Violation(_) => {}
        }
        drop(tally);
        if let Some(why) = round.violation() {
            self.violated(why);
        }
    }

    fn violated(&self, why: String) {
        self.tally.lock().expect("no panic").violations.push(why);
    }

    fn summarise(self, seed: u64, begun: Instant) -> bool {
        let mut tally = self.tally.into_inner().expect("no panic");
        let mut report = Report::default()
            .count("seed", seed)
            .number("seconds", begun.elapsed().as_secs_f64())
            .count("missed", tally.missed);
        let mut killed = 0;
        for (victim, [rst, fin]) in VICTIMS.iter().zip(tally.hits) {
            report = report.count(&format!("{}-rst", victim.name()), rst);
            report = report.count(&format!("{}-fin", victim.name()), fin);
            killed += rst + fin;
        }
        for (phase, hits) in round::PHASES.iter().zip(tally.phases) {
            report = report.count(&format!("while {phase}"), hits);
        }
        tally.gone.sort_unstable();
        let last = tally.gone.last().map_or(0.0, Duration::as_secs_f64);
        let report = report.count("killed", killed).number("gone_max_s", last);
        let report = report.latencies(&mut tally.gone);
        let violations = tally.violations.len() as u64;
        let first = tally.violations.first().map_or("", String::as_str);
        report.count("violations", violations).text("violation", first).print();
        violations == 0 && killed >= self.rounds
    }
}

/// `load stats`: asked directly, the session that asks is one of the live ones.
pub fn stats(mut args: Args) -> io::Result<bool> {
    let target = Target::new(args.at()?, "soak".into());
    args.end()?;
    let mut client = Client::login(&target)?;
    let reply = client.expect("SITE STATS", 2)?;
    let mut report = Report::default();
    for (name, value) in reply.text.split(' ').filter_map(|word| word.split_once('=')) {
        report = report.count(name, value.parse().map_err(io::Error::other)?);
    }
    report.print();
    client.quit()?;
    Ok(true)
}
