//! The end of a random session: everybody does what is still owed.

use ftpgate::session::event::{Event, Outcome, Side, Stage};

use super::ledger::Verdict;
use super::world::World;

/// Rounds in which a session must come to rest, beside a few for each command that waits.
const SETTLING: usize = 80;

impl World {
    /// Everybody does what is still owed; then every command has its reply.
    pub(super) fn settle(&mut self) -> Verdict {
        let leave = self.dice.once_in(3);
        self.story.push("-- everybody settles".into());
        for _ in 0..SETTLING + 4 * self.ledger.missing() {
            if self.ledger.closed {
                return self.stays_closed();
            }
            self.settle_once(leave)?;
            if !leave && self.ledger.missing() == 0 && !self.ledger.is_closing() {
                self.tally.count("at rest");
                return match self.ledger.requested == self.ledger.records {
                    true => Ok(()),
                    false => Err("a transfer without a record".into()),
                };
            }
        }
        let owed = self.ledger.missing();
        Err(format!("does not come to rest: {owed} replies missing, client leaves: {leave}"))
    }

    fn settle_once(&mut self, leave: bool) -> Verdict {
        if self.dialing {
            self.connect()?;
        }
        if self.is_shaking() {
            return self.shake(false);
        }
        self.server.settle();
        if self.server_may_speak() && !self.server.said.is_empty() {
            return self.server_bytes(self.server.said.len());
        }
        match self.data {
            None | Some(Stage::Granted) => {}
            Some(Stage::Failed) => return self.report(Outcome::Stopped),
            Some(_) => return self.report(Outcome::Delivered),
        }
        if leave && !self.gone[0] {
            return self.hang_up(Side::Downstream);
        }
        let waits = self.ledger.missing() > 0 || self.gone[0] || self.ledger.is_closing();
        match self.machine.poll_deadline() {
            Some(due) if waits => {
                self.now = self.now.max(due);
                self.deadline()
            }
            _ => Ok(()),
        }
    }

    fn stays_closed(&mut self) -> Verdict {
        self.give(Event::Bytes(Side::Downstream, b"USER late\r\n"))?;
        self.give(Event::Bytes(Side::Upstream, b"421 late\r\n"))?;
        self.give(Event::Eof(Side::Downstream))?;
        self.give(Event::Deadline)?;
        self.give(Event::Drain)?;
        match [Side::Downstream, Side::Upstream].map(|side| self.machine.wants_input(side)) {
            [false, false] => Ok(()),
            _ => Err("reads on after the close".into()),
        }
    }
}
