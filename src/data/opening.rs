//! Brings both legs up, each at the moment the dialogue calls for it.

use std::future::pending;

use tokio::sync::watch;
use tokio::time::Instant;

use super::guard::TransferTls;
use super::leg::{Connected, Leg, LegSource};
use super::options::DataOptions;
use super::transfer::Progress;
use crate::session::event::{Direction, Fault, Outcome, Protection, Side};

/// The two legs and what decides when to dial and when to give up.
pub(super) struct Opening<'a> {
    downstream: Leg,
    upstream: Leg,
    options: &'a DataOptions,
    began: Instant,
    requested: Option<Instant>,
    finished: Option<Instant>,
    hurried: Option<Instant>,
    server_arrived: Option<Instant>,
    /// The server was dialled although the transfer command is not out yet.
    early: bool,
    tls: TransferTls,
}

/// What is due at a deadline.
#[derive(Clone, Copy)]
enum Due {
    DialClient,
    GiveUp(Outcome),
}

impl<'a> Opening<'a> {
    /// Accepting legs listen already.
    pub(super) fn new(
        downstream: LegSource,
        upstream: LegSource,
        options: &'a DataOptions,
        tls: TransferTls,
    ) -> Self {
        Self {
            downstream: Leg::new(downstream),
            upstream: Leg::new(upstream),
            options,
            began: Instant::now(),
            requested: None,
            finished: None,
            hurried: None,
            server_arrived: None,
            early: false,
            tls,
        }
    }

    /// Connections dropped because they came from somebody else (S4).
    pub(super) fn strangers(&self) -> u32 {
        self.downstream.strangers().saturating_add(self.upstream.strangers())
    }

    /// The legs that are up, client's first.
    pub(super) fn take(&mut self) -> (Option<Connected>, Option<Connected>) {
        (self.downstream.take(), self.upstream.take())
    }

    /// Waits until both legs are up and the transfer command is out.
    ///
    /// # Errors
    /// How the transfer ended instead.
    pub(super) async fn run(
        &mut self,
        progress: &mut watch::Receiver<Progress>,
    ) -> Result<(), Outcome> {
        loop {
            let now = *progress.borrow_and_update();
            self.note(now)?;
            self.dial(now);
            if self.requested.is_some() && self.downstream.is_up() && self.upstream.is_up() {
                return Ok(());
            }
            let deadline = self.deadline(now.direction());
            let client_waits = self.requested.is_some() && self.downstream.waits();
            tokio::select! {
                biased;
                changed = progress.changed() => changed.map_err(|_| Outcome::Stopped)?,
                news = self.upstream.next(), if client_waits || !self.upstream.is_up() => {
                    self.upstream_news(news)?;
                }
                news = self.downstream.next(), if !self.downstream.is_up() => {
                    news.map_err(|fault| Outcome::NotOpened(Side::Downstream, fault))?;
                }
                due = at(deadline) => match due {
                    Due::DialClient => self.downstream.dial(self.options.dial),
                    Due::GiveUp(outcome) => return Err(outcome),
                },
            }
        }
    }

    /// Keeps the time of each stage.
    fn note(&mut self, progress: Progress) -> Result<(), Outcome> {
        if progress.has_failed() {
            return Err(Outcome::Stopped);
        }
        if let (Some(direction), None) = (progress.direction(), self.requested) {
            self.requested = Some(Instant::now());
            self.protect(progress.protection(), direction);
        }
        if progress.has_finished() {
            self.finished.get_or_insert_with(Instant::now);
        }
        if progress.is_hurried() {
            self.hurried.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// What counts is PROT at the transfer command (P116); the handshakes do not wait for the
    /// server's 150 (P120).
    fn protect(&mut self, protection: Protection, direction: Direction) {
        let options = self.options.tls;
        let guard = |side| self.tls.guard(side, protection, direction, options);
        let (down, up) = (guard(Side::Downstream), guard(Side::Upstream));
        down.into_iter().for_each(|guard| self.downstream.protect(guard));
        up.into_iter().for_each(|guard| self.upstream.protect(guard));
    }

    /// Dials what is due by the stage alone. A passive server: at once, while the client is still
    /// reading our reply; if that fails, when the command is out (P42, P43). An active client:
    /// after the server's 1yz (P46).
    fn dial(&mut self, progress: Progress) {
        if self.upstream.waits() && (self.requested.is_some() || !self.early) {
            self.early = self.requested.is_none();
            self.upstream.dial(self.options.dial);
        }
        if progress.has_started() {
            self.downstream.dial(self.options.dial);
        }
    }

    fn upstream_news(&mut self, news: Result<(), Fault>) -> Result<(), Outcome> {
        let again = self.early && self.upstream.waits();
        let late = self.requested.is_some_and(|at| at.elapsed() >= self.options.dial / 2);
        match news {
            // Data, or their end, before any 1yz: the server has started.
            Ok(()) if self.server_arrived.is_some() => self.downstream.dial(self.options.dial),
            Ok(()) => self.server_arrived = Some(Instant::now()),
            // Some servers listen only once they have the command. Whoever then stays silent for
            // half of `T_dial` is not asked again.
            Err(fault) if again && !(late && fault == Fault::NotOpened) => {}
            Err(fault) => return Err(Outcome::NotOpened(Side::Upstream, fault)),
        }
        Ok(())
    }

    /// The next moment at which waiting ends.
    fn deadline(&self, direction: Option<Direction>) -> Option<(Instant, Due)> {
        let not_opened = |side| Due::GiveUp(Outcome::NotOpened(side, Fault::NotOpened));
        let DataOptions { accept, grace, close, .. } = *self.options;
        let client = self.downstream.accepts().then(|| {
            let at = self.began + accept;
            let at = self.hurried.map_or(at, |hurried| at.min(hurried + close));
            (at, not_opened(Side::Downstream))
        });
        let server = self.requested.filter(|_| self.upstream.accepts());
        let server = server.map(|at| (at + accept, not_opened(Side::Upstream)));
        let nothing = self.finished.filter(|_| !self.upstream.is_up()).map(|at| match direction {
            Some(Direction::Upload) => (at + grace, not_opened(Side::Upstream)),
            _ => (at + grace, Due::GiveUp(Outcome::NoData)),
        });
        let dial = self.requested.zip(self.server_arrived).filter(|_| self.downstream.waits());
        let dial =
            dial.map(|(requested, arrived)| (requested.max(arrived) + grace, Due::DialClient));
        [client, server, nothing, dial].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

async fn at(deadline: Option<(Instant, Due)>) -> Due {
    let Some((at, due)) = deadline else { return pending().await };
    tokio::time::sleep_until(at).await;
    due
}

#[cfg(test)]
mod tests;
