//! The one timer of a session. Moving a timer is not free: this one is moved only when it would come
//! too late, and too early costs one look.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep};

use super::now;

/// How far ahead it is set at most while there is a data connection.
pub(super) const SOON: Duration = Duration::from_secs(5);

/// Goes off at a deadline that may move.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// What it is set to; never later than the deadline.
    set: Option<Instant>,
}

impl Alarm {
    /// Not set yet.
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(sleep(Duration::ZERO)), set: None }
    }

    /// Sets it to soon, whatever the deadline. A timer earlier than all others of the worker costs a
    /// wake-up of its reactor; after this, those of a data connection are not.
    pub(super) fn look_soon(&mut self) {
        let soon = now() + SOON;
        if self.set.is_none_or(|set| set > soon) {
            self.set_to(soon);
        }
    }

    /// Ready at `deadline`.
    pub(super) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let set = match self.set {
                Some(set) if set <= deadline => set,
                _ => self.set_to(deadline),
            };
            ready!(self.sleep.as_mut().poll(cx));
            self.set = None;
            if set >= deadline {
                return Poll::Ready(());
            }
        }
    }

    fn set_to(&mut self, at: Instant) -> Instant {
        self.sleep.as_mut().reset(at.into());
        *self.set.insert(at)
    }
}
