//! What comes of waiting too long (`requirements.md` §18, timers).

use std::time::Instant;

use super::event::{CloseReason, Side};
use super::machine::{Machine, Phase, within};
use super::pending::Kind;
use crate::ftp::canned;

impl Machine {
    /// When [`Event::Deadline`](super::event::Event::Deadline) is due.
    pub fn poll_deadline(&self) -> Option<Instant> {
        let timeouts = &self.policy.timeouts;
        match self.phase {
            Phase::Closed => return None,
            Phase::Ending { until, .. } => return Some(until),
            Phase::Lazy | Phase::Connecting | Phase::Open(_) => {}
        }
        let login = (!self.login.done).then(|| self.opened + timeouts.login);
        let idle = self.at_rest().then(|| self.last_activity + timeouts.idle);
        let replies = self.pending.iter().filter_map(|p| p.deadline).min();
        [login, idle, replies, self.grant.deadline()].into_iter().flatten().min()
    }

    pub(super) fn deadline(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let Phase::Ending { reason, until } = self.phase {
            if until <= now {
                self.close(reason);
            }
            return;
        }
        if self.phase == Phase::Closed {
            return;
        }
        let timeouts = &self.policy.timeouts;
        if !self.login.done && self.opened + timeouts.login <= now {
            self.say(Side::Downstream, canned::LOGIN_TIMEOUT);
            return self.end(CloseReason::LoginTimeout, now);
        }
        if self.at_rest() && self.last_activity + timeouts.idle <= now {
            self.say(Side::Downstream, canned::IDLE_TIMEOUT);
            return self.end(CloseReason::Idle, now);
        }
        if due(self.grant.deadline()) {
            self.ask_port_again(now);
        }
        if let Some(late) = self.pending.iter().position(|p| due(p.deadline)) {
            self.reply_overdue(late, now);
        }
    }

    /// The pending command at `index` has waited too long.
    fn reply_overdue(&mut self, index: usize, now: Instant) {
        let timeouts = self.policy.timeouts;
        let in_transfer = self.in_transfer();
        let half_said = self.mid_reply && self.owner == Some(index);
        let Some(pending) = self.pending.get_mut(index) else { return };
        match pending.kind {
            // The data connection is cut, so that the server notices; then it has one more
            // chance to answer (P33).
            Kind::Abor { .. } if in_transfer => {
                pending.deadline = within(now, timeouts.abort);
                if self.grant.is_moving() {
                    self.stop_transfer();
                } else {
                    self.give_up_transfer(now);
                }
            }
            Kind::Abor { in_transfer: true } if !half_said => self.give_up_abor(index, now),
            Kind::Transfer if !pending.answered && !half_said => self.give_up_transfer(now),
            _ => {
                self.epsv_unanswered();
                self.say(Side::Downstream, canned::SERVER_SILENT);
                self.end(CloseReason::ReplyTimeout, now);
            }
        }
    }

    /// One reply came for the two, it seems: the client gets its second (P23). What the server
    /// still says to it is swallowed.
    fn give_up_abor(&mut self, index: usize, now: Instant) {
        let Some(pending) = self.pending.get_mut(index) else { return };
        pending.deadline = None;
        self.held_abor = Vec::new();
        let answered = std::mem::replace(&mut pending.answered, true);
        if index == 0 {
            self.pending.pop_front();
            self.owner = self.owner.and_then(|owner| owner.checked_sub(1));
            self.late_abor = true;
            self.next_in_line(now);
        }
        if !answered {
            self.answer(canned::ABOR_DONE);
        }
    }

    /// Answers the client for the server; the server's own reply is swallowed when it comes.
    fn give_up_transfer(&mut self, now: Instant) {
        let wait = within(now, self.policy.timeouts.reply);
        if let Some(pending) = self.pending.iter_mut().find(|p| matches!(p.kind, Kind::Transfer)) {
            pending.deadline = wait;
            pending.answered = true;
        }
        self.answer_for_server(now);
    }
}
