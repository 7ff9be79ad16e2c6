//! Time passes, and the timer is kept or late.

use std::time::Duration;

use ftpgate::session::event::Event;

use super::ledger::Verdict;
use super::world::World;

/// Deadlines that may be due at one moment: one for each command that waits, and the grant's.
const DUE_AT_ONCE: usize = 6;

impl World {
    pub(super) fn time_passes(&mut self) -> Verdict {
        let step = match self.dice.below(32) {
            0..20 => Duration::from_millis(self.dice.below(200) as u64),
            20..29 => Duration::from_secs(self.dice.below(12) as u64),
            29 => Duration::from_secs(self.dice.below(130) as u64),
            _ => match self.machine.poll_deadline() {
                Some(at) => at.saturating_duration_since(self.now),
                None => Duration::ZERO,
            },
        };
        if self.dice.once_in(4) {
            // A busy worker: the clock goes on, the timer is late.
            self.now += step.min(Duration::from_secs(3));
            return Ok(());
        }
        let end = self.now + step;
        while let Some(due) = self.machine.poll_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.deadline()?;
        }
        self.now = end;
        Ok(())
    }

    /// What is due is dealt with, and nothing stays due.
    pub(super) fn deadline(&mut self) -> Verdict {
        for _ in 0..DUE_AT_ONCE {
            self.give(Event::Deadline)?;
            if self.machine.poll_deadline().is_none_or(|next| next > self.now) {
                return Ok(());
            }
        }
        Err("the deadline spins".into())
    }
}
