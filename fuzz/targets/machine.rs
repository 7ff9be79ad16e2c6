//! A session played by the fuzzer's choices: client, server, data plane and clock, with the ledger
//! of `tests/simulation.rs` that knows what must hold.
#![no_main]

#[allow(dead_code, reason = "some of it is the test's")]
#[path = "../../tests/simulation"]
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

use libfuzzer_sys::fuzz_target;
use simulation::dice::Dice;
use simulation::world::World;

fuzz_target!(|choices: &[u8]| {
    let mut world = World::new(Dice::chosen(choices));
    if let Err(why) = world.play(usize::MAX) {
        panic!("{}: {why}\n{}", world.place(), world.story(60));
    }
});
