//! TLS handshakes of each client address: how many, and that they keep nobody else waiting.
//!
//! A full handshake costs us more than the one who begins it. A client address may have so many in
//! a minute (S41); further ones wait for their turn, and are refused only when that would take
//! longer than a handshake may. Handshakes that resume a session are not counted: they cost little,
//! and a session to resume has been paid for.
//!
//! Within its number an address still cannot crowd out others: its full handshakes are computed one
//! after the other, and between any two of them everybody else on the worker has a turn.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{ClientKey, REMEMBERED};

/// What the limit counts in, and so the most that may come at once after a pause.
const WINDOW: Duration = Duration::from_secs(60);
/// The log speaks of an address no more often than this.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// The handshakes of one listener's clients. Shared by the workers.
#[derive(Debug)]
pub(crate) struct Handshakes {
    /// The listener's name, for the log.
    listener: Arc<str>,
    per_minute: u32,
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    accounts: HashMap<ClientKey, Account>,
    swept: Option<Instant>,
}

/// What one address has had of late.
#[derive(Debug)]
struct Account {
    /// When all of it is forgotten: each full handshake moves this by the time in which one is
    /// allowed (a leaky bucket, kept as a time).
    even_at: Instant,
    /// Whose turn it is to compute.
    turn: Arc<Semaphore>,
    delayed: u32,
    refused: u32,
    said: Option<Instant>,
    /// A task says what was counted since.
    resting: bool,
}

/// Too many: the next one's time is too far away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Handshakes {
    /// `per_minute` full ones for each client address; `None` if that is 0, no limit.
    pub(crate) fn new(listener: Arc<str>, per_minute: u32) -> Option<Arc<Self>> {
        let new = || Arc::new(Self { listener, per_minute, clients: Mutex::default() });
        (per_minute > 0).then(new)
    }

    /// The part of this client, and of all others of its address (IPv6: of its /64).
    pub(crate) fn of(self: &Arc<Self>, client: IpAddr) -> Quota {
        Quota { handshakes: self.clone(), client: client.to_canonical() }
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time in which one more is allowed.
    fn interval(&self) -> Duration {
        WINDOW / self.per_minute
    }

    /// How long the next one has to wait, if it is taken at all.
    fn take(&self, client: IpAddr, patience: Duration, now: Instant) -> Result<Duration, TooMany> {
        let mut clients = self.lock();
        let account = clients.account(client, now);
        let even_at = account.even_at.max(now) + self.interval();
        let wait = even_at.saturating_duration_since(now + WINDOW);
        let taken = wait <= patience;
        if taken {
            account.even_at = even_at;
        }
        let said = if wait.is_zero() { None } else { account.say(taken, now) };
        drop(clients);
        if let Some((delayed, refused)) = said {
            self.tell(client, delayed, refused);
        }
        if taken { Ok(wait) } else { Err(TooMany) }
    }

    /// An address that goes quiet has no next line: what was not said in the last one is said when
    /// its time comes.
    fn tell_rest(self: &Arc<Self>, client: IpAddr) {
        let Some(at) = self.lock().account(client, Instant::now()).rest_due() else { return };
        let handshakes = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            let key = ClientKey::of(client);
            let rest = handshakes.lock().accounts.get_mut(&key).and_then(|a| a.rest(at));
            if let Some((delayed, refused)) = rest {
                handshakes.tell(client, delayed, refused);
            }
        });
    }

    fn tell(&self, client: IpAddr, delayed: u32, refused: u32) {
        tracing::warn!(
            listener = &*self.listener,
            %client,
            limit = self.per_minute,
            delayed,
            refused,
            "TLS handshakes of this client address are slowed down: more full ones than \
             limits.handshakes_per_minute; if many clients share the address, or it transfers many \
             files without resuming its TLS session, raise the limit; if it has no business here, \
             put it into deny_clients"
        );
    }
}

impl Clients {
    fn account(&mut self, client: IpAddr, now: Instant) -> &mut Account {
        self.sweep(now);
        self.accounts.entry(ClientKey::of(client)).or_insert_with(|| Account {
            even_at: now,
            turn: Arc::new(Semaphore::new(1)),
            delayed: 0,
            refused: 0,
            said: None,
            resting: false,
        })
    }

    /// Forgets those of whom there is nothing to remember: once a window, or all when they are too
    /// many, which is to their good.
    fn sweep(&mut self, now: Instant) {
        let crowded = self.accounts.len() >= REMEMBERED;
        let due = self.swept.is_none_or(|last| now.saturating_duration_since(last) >= WINDOW);
        if crowded || due {
            self.accounts.retain(|_, account| !crowded && account.even_at > now);
            self.swept = Some(now);
        }
    }
}

impl Account {
    /// Counts what was slowed down; gives the numbers when it is time to speak of them.
    fn say(&mut self, taken: bool, now: Instant) -> Option<(u32, u32)> {
        let count = if taken { &mut self.delayed } else { &mut self.refused };
        *count = count.saturating_add(1);
        let silent = self.said.is_some_and(|said| now.saturating_duration_since(said) < SAID_EVERY);
        if silent || self.resting { None } else { Some(self.unsaid(now)) }
    }

    fn unsaid(&mut self, now: Instant) -> (u32, u32) {
        self.said = Some(now);
        (std::mem::take(&mut self.delayed), std::mem::take(&mut self.refused))
    }

    /// When to say what was counted and not said; only the first who asks is to do it.
    fn rest_due(&mut self) -> Option<Instant> {
        let counted = self.delayed > 0 || self.refused > 0;
        let due = self.said.filter(|_| counted && !self.resting)? + SAID_EVERY;
        self.resting = true;
        Some(due)
    }

    fn rest(&mut self, now: Instant) -> Option<(u32, u32)> {
        std::mem::take(&mut self.resting).then(|| self.unsaid(now))
    }
}

/// What one client address may still have.
#[derive(Debug, Clone)]
pub(crate) struct Quota {
    handshakes: Arc<Handshakes>,
    client: IpAddr,
}

impl Quota {
    /// Takes one full handshake, when its time has come. Whoever stops waiting has taken it.
    ///
    /// # Errors
    /// That would take longer than `patience`; none was taken.
    pub(crate) async fn take(&self, patience: Duration) -> Result<(), TooMany> {
        let taken = self.handshakes.take(self.client, patience, Instant::now());
        if taken != Ok(Duration::ZERO) {
            self.handshakes.tell_rest(self.client);
        }
        let wait = taken?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// One that was not expected to be full was.
    pub(crate) fn charge(&self) {
        let (interval, now) = (self.handshakes.interval(), Instant::now());
        let mut clients = self.handshakes.lock();
        let account = clients.account(self.client, now);
        account.even_at = account.even_at.max(now) + interval;
    }

    /// Does the first step of `work`, the costly one, when it is this address's turn, and lets
    /// everybody else on the worker have theirs before the address has another. What follows is not
    /// held up: the client may take its time.
    pub(crate) async fn in_turn<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = Box::pin(work);
        let turn = self.handshakes.lock().account(self.client, Instant::now()).turn.clone();
        // Nobody closes it.
        let turn = turn.acquire_owned().await;
        let first = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
        tokio::task::yield_now().await;
        drop(turn);
        match first {
            Poll::Ready(done) => done,
            Poll::Pending => work.await,
        }
    }
}

#[cfg(test)]
mod tests;
