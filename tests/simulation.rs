//! A session played at random: client, server, data plane and clock against the machine, and a
//! ledger that knows what must hold whatever they do (`ARCHITECTURE.md`, invariants).
//!
//! A failure prints its seed and the last steps. `FTPGATE_SEED=n` plays that seed alone, with every
//! step; `FTPGATE_SEEDS=n` plays so many.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at once")]

mod simulation {
    pub(crate) mod client;
    mod clock;
    pub(crate) mod dice;
    pub(crate) mod ledger;
    pub(crate) mod reader;
    pub(crate) mod server;
    pub(crate) mod setting;
    mod settling;
    mod surroundings;
    pub(crate) mod tally;
    pub(crate) mod tls;
    pub(crate) mod world;
}

use std::panic::{AssertUnwindSafe, catch_unwind};

use simulation::dice::Dice;
use simulation::tally::Tally;
use simulation::world::World;

/// Sessions of a normal run.
const SEEDS: u64 = 1000;

/// Steps of a session; many end earlier.
const STEPS: usize = 400;

#[test]
fn whatever_happens_the_invariants_hold() {
    let number = |name| std::env::var(name).ok().map(|n: String| n.parse::<u64>().unwrap());
    let seeds = match number("FTPGATE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FTPGATE_SEEDS").unwrap_or(SEEDS),
    };
    let single = seeds.end - seeds.start == 1;
    let mut tally = Tally::default();
    for seed in seeds {
        let mut world = World::new(Dice::seeded(seed));
        let played = catch_unwind(AssertUnwindSafe(|| world.play(STEPS)));
        if single {
            println!("{}", world.story(usize::MAX));
        }
        match played {
            Ok(Ok(())) => tally.add(world.tally()),
            Ok(Err(why)) => panic!("seed {seed}, {}: {why}\n{}", world.place(), world.story(40)),
            Err(_) => panic!("seed {seed}, {}: panicked\n{}", world.place(), world.story(40)),
        }
    }
    if !single {
        tally.assert_worth_it();
    }
}
