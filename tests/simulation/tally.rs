//! What the sessions of a run met: one that never gets anywhere proves nothing.

use std::collections::BTreeMap;

/// What was met.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<String, usize>);

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what.clone()).or_default() += count;
        }
    }

    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    /// Everything that matters was met often enough.
    pub(crate) fn assert_worth_it(&self) {
        let met = |what: &str| {
            self.0.iter().filter(|(name, _)| name.starts_with(what)).map(|(_, n)| n).sum::<usize>()
        };
        for (what, least) in [
            ("open", 200),
            ("record 2", 20),
            ("record 4", 20),
            ("record 0", 2),
            ("closed quit", 5),
            ("closed client-gone", 5),
            ("closed server-gone", 5),
            ("closed reply-timeout", 2),
            ("closed drain", 5),
            ("at rest", 20),
            ("tls client", 20),
            ("tls server", 20),
            ("tunnelled", 5),
        ] {
            assert!(met(what) >= least, "{what}: {} of {least} in {:#?}", met(what), self.0);
        }
    }
}
