//! Turns: what keeps dialogues and small files of a worker quick beside its large transfers.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio::time::Instant;

/// The longest turn while nobody speaks: the more a transfer moves at a time the better.
const LONG: Duration = Duration::from_millis(4);
/// The longest turn while somebody does. Small files beside four large ones come twice as fast by
/// it; 64 large ones lose a tenth, so it is not the rule (`benches/SPEED.md`).
const SHORT: Duration = Duration::from_micros(500);
/// Who spoke is taken to go on for so long: about the longest way to a client and back.
const LIVELY: Duration = Duration::from_millis(100);

thread_local! {
    static SPOKEN: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Short turns are taken one after another.
    static NEXT: Arc<Semaphore> = Arc::new(Semaphore::new(1));
}

/// A dialogue of this worker goes on: something was read.
pub(crate) fn spoken(now: Instant) {
    SPOKEN.set(Some(now));
}

/// A large transfer's turn on its worker. While there are dialogues, one has it at a time, and
/// after each everybody is served whose socket is ready: what a session waits for is one short
/// turn, however many transfers there are. Only the first word after a silence has to wait for
/// all of them.
pub(super) struct Turn {
    until: Instant,
    place: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Short turns come in the order of asking.
    pub(super) async fn take() -> Self {
        let lively = SPOKEN.get().is_some_and(|spoken| spoken.elapsed() < LIVELY);
        if !lively {
            return Self { until: Instant::now() + LONG, place: None };
        }
        let place = NEXT.with(Arc::clone).acquire_owned().await.ok();
        Self { until: Instant::now() + SHORT, place }
    }

    /// Its end.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Whether others are to go on.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Lets them.
    pub(super) async fn end(self) {
        if self.place.is_some() || self.is_over() {
            // The reactor is asked before we are woken.
            yield_now().await;
        }
    }
}

/// The turns of a transfer that is polled.
#[derive(Default)]
pub(super) struct Turns {
    mine: Option<Turn>,
    next: Option<Next>,
}

type Next = Pin<Box<dyn Future<Output = Turn> + Send>>;

impl Turns {
    /// Ready in its turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&Turn> {
        let turn = match self.mine.take() {
            Some(turn) => turn,
            None => {
                let next = self.next.get_or_insert_with(|| Box::pin(Turn::take()));
                let turn = ready!(next.as_mut().poll(cx));
                self.next = None;
                turn
            }
        };
        Poll::Ready(self.mine.insert(turn))
    }

    /// There is nothing to do for now.
    pub(super) fn leave(&mut self) {
        // Left unpolled it would keep the place.
        self.next = None;
        if let Some(turn) = self.mine.take().filter(|turn| turn.place.is_some()) {
            // Not ours to wait for: it would wake us for nothing.
            tokio::spawn(turn.end());
        }
    }

    /// There is more to do: after the others, and the task is woken for it.
    pub(super) fn pass(&mut self, cx: &mut Context<'_>) {
        let mine = self.mine.take();
        let mut next: Next = Box::pin(async move {
            yield_now().await;
            drop(mine);
            Turn::take().await
        });
        // Registers the task; it is never ready at once.
        let _ = next.as_mut().poll(cx);
        self.next = Some(next);
    }
}

#[cfg(test)]
mod tests;
