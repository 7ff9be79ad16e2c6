//! The workers of a process, and which of them takes a new session.
//!
//! The kernel spreads connections by a hash of their addresses, which is even only for many: of two
//! sessions every second pair meets on one worker, and moves half of what two workers could.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// All workers, in their order.
pub(crate) type Team = Arc<[Member]>;

/// One worker, as the others see it.
#[derive(Debug)]
pub(crate) struct Member {
    /// Where its tasks run.
    pub(crate) runtime: Handle,
    /// Its sessions.
    pub(crate) sessions: TaskTracker,
    /// Its thread has started.
    pub(crate) up: AtomicBool,
}

impl Member {
    /// Without a thread yet.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, sessions: TaskTracker::new(), up: AtomicBool::new(false) }
    }
}

/// Who is to take the session that the worker number `own` has accepted; `None`: itself.
pub(super) fn relief(team: &[Member], own: usize) -> Option<&Member> {
    let mine = team.get(own)?.sessions.len();
    if mine == 0 {
        return None;
    }
    let others = team.iter().enumerate().filter(|(number, member)| {
        *number != own && member.up.load(Ordering::Relaxed) && !member.sessions.is_closed()
    });
    let (_, idlest) = others.min_by_key(|(_, member)| member.sessions.len())?;
    is_overloaded(mine, idlest.sessions.len()).then_some(idlest)
}

/// A session that changes its worker costs a wake-up: not for a few of many.
const fn is_overloaded(mine: usize, theirs: usize) -> bool {
    mine.saturating_mul(2) > theirs.saturating_mul(3)
}

#[cfg(test)]
mod tests {
    use tokio_util::task::task_tracker::TaskTrackerToken;

    use super::*;

    /// Workers with so many sessions each, as long as the tokens live.
    fn team(sessions: &[usize]) -> (Vec<Member>, Vec<TaskTrackerToken>) {
        let member = |_| Member::new(Handle::current());
        let team: Vec<_> = sessions.iter().map(member).collect();
        let mut tokens = Vec::new();
        for (member, count) in team.iter().zip(sessions) {
            member.up.store(true, Ordering::Relaxed);
            tokens.extend((0..*count).map(|_| member.sessions.token()));
        }
        (team, tokens)
    }

    fn taker(sessions: &[usize], own: usize) -> Option<usize> {
        let (team, _sessions) = team(sessions);
        let taker = relief(&team, own)?;
        team.iter().position(|member| std::ptr::eq(member, taker))
    }

    #[tokio::test]
    async fn the_idlest_takes_what_is_too_much_for_one() {
        assert_eq!(taker(&[1, 0], 0), Some(1));
        assert_eq!(taker(&[2, 1], 0), Some(1));
        assert_eq!(taker(&[9, 5, 3], 0), Some(2));
        assert_eq!(taker(&[0, 0], 0), None, "who has nothing to do takes it itself");
        assert_eq!(taker(&[0, 5], 1), Some(0));
        assert_eq!(taker(&[5, 0], 1), None);
        assert_eq!(taker(&[120, 100], 0), None, "of many the kernel's hash is even enough");
        assert_eq!(taker(&[7], 0), None);
    }

    #[tokio::test]
    async fn who_has_not_started_or_is_ending_gets_nothing() {
        let (team, _sessions) = team(&[3, 0]);
        team[1].up.store(false, Ordering::Relaxed);
        assert!(relief(&team, 0).is_none());
        team[1].up.store(true, Ordering::Relaxed);
        assert!(relief(&team, 0).is_some());
        team[1].sessions.close();
        assert!(relief(&team, 0).is_none());
    }
}
