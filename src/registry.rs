//! Live sessions of a listener: who may open one, and how many there are.
//!
//! Shared by the workers. One short lock when a session opens, logs in and closes; nothing else
//! of a session passes here.

pub(crate) mod handshakes;
pub(crate) mod seats;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::ftp::canned;
use crate::limits::LimitOptions;
use seats::Seat;

/// The window of `connections_per_minute`.
const WINDOW: Duration = Duration::from_secs(60);
/// Clients without a session whose rate is still remembered; beyond, all such are forgotten.
const REMEMBERED: usize = 65_536;

/// Live sessions of one listener.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: usize,
    logins_pending: usize,
    clients: HashMap<ClientKey, Client>,
    swept: Option<Instant>,
}

/// Whose sessions are counted together: an IPv4 address or an IPv6 /64 (S18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ClientKey {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

#[derive(Debug)]
struct Client {
    sessions: usize,
    /// Sessions opened since `window` began.
    opened: u32,
    window: Instant,
}

impl Registry {
    /// Without sessions.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Room for one more session of `client`, or the bound that stands against it (S18).
    pub(crate) fn admit(
        self: &Arc<Self>,
        client: IpAddr,
        limits: &LimitOptions,
    ) -> Result<SessionPermit, Refusal> {
        let key = ClientKey::of(client);
        self.lock().admit(key, limits, Instant::now())?;
        let id = SessionId::next();
        Ok(SessionPermit { registry: self.clone(), key, id, login_pending: true, _seats: None })
    }

    /// Sessions of this client now.
    pub(crate) fn sessions_of(&self, client: IpAddr) -> usize {
        self.lock().clients.get(&ClientKey::of(client)).map_or(0, |client| client.sessions)
    }

    /// Sessions now.
    #[cfg(test)]
    pub(crate) fn sessions(&self) -> usize {
        self.lock().sessions
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn admit(
        &mut self,
        key: ClientKey,
        limits: &LimitOptions,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.sessions >= limits.sessions {
            return Err(Refusal::Sessions);
        }
        if self.logins_pending >= limits.logins_pending {
            return Err(Refusal::LoginsPending);
        }
        self.sweep(now);
        let known = self.clients.get(&key);
        if known.map_or(0, |c| c.sessions) >= limits.sessions_per_client {
            return Err(Refusal::PerClient);
        }
        let rate = limits.connections_per_minute;
        let opened = known.filter(|c| c.is_recent(now)).map_or(0, |c| c.opened);
        if rate > 0 && opened >= rate {
            return Err(Refusal::Rate);
        }
        let client =
            self.clients.entry(key).or_insert(Client { sessions: 0, opened: 0, window: now });
        if !client.is_recent(now) {
            (client.opened, client.window) = (0, now);
        }
        client.opened = client.opened.saturating_add(1);
        client.sessions += 1;
        self.sessions += 1;
        self.logins_pending += 1;
        Ok(())
    }

    /// Forgets clients that have no session and whose window is over: once a window, or at once
    /// and all of them when they are too many.
    fn sweep(&mut self, now: Instant) {
        let crowded = self.clients.len() >= self.sessions + REMEMBERED;
        let due = self.swept.is_none_or(|last| now.saturating_duration_since(last) >= WINDOW);
        if crowded || due {
            self.clients.retain(|_, c| c.sessions > 0 || (!crowded && c.is_recent(now)));
            self.swept = Some(now);
        }
    }

    fn leave(&mut self, key: ClientKey, login_pending: bool) {
        self.sessions = self.sessions.saturating_sub(1);
        self.logins_pending = self.logins_pending.saturating_sub(usize::from(login_pending));
        if let Some(client) = self.clients.get_mut(&key) {
            client.sessions = client.sessions.saturating_sub(1);
        }
    }
}

impl Client {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.window) < WINDOW
    }
}

impl ClientKey {
    fn of(client: IpAddr) -> Self {
        match client.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// A session's place; dropping it makes room.
#[derive(Debug)]
pub(crate) struct SessionPermit {
    registry: Arc<Registry>,
    key: ClientKey,
    id: SessionId,
    login_pending: bool,
    /// Those of the process and of the server.
    _seats: Option<[Seat; 2]>,
}

impl SessionPermit {
    /// Gives these places back together with its own.
    pub(crate) fn holding(mut self, seats: [Seat; 2]) -> Self {
        self._seats = Some(seats);
        self
    }

    /// The session's name in logs.
    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    /// The login succeeded: no longer counted among those who have not logged in.
    pub(crate) fn logged_in(&mut self) {
        if std::mem::take(&mut self.login_pending) {
            let mut state = self.registry.lock();
            state.logins_pending = state.logins_pending.saturating_sub(1);
        }
    }
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        self.registry.lock().leave(self.key, self.login_pending);
    }
}

/// Why there is no room for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `sessions` reached.
    Sessions,
    /// `sessions_per_client` reached.
    PerClient,
    /// `logins_pending` reached.
    LoginsPending,
    /// `connections_per_minute` reached.
    Rate,
    /// `sessions` of the upstream reached.
    Upstream,
    /// The process's descriptors carry no more (S24).
    Descriptors,
}

impl Refusal {
    /// Short and stable, for logs and metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::PerClient => "sessions-per-client",
            Self::LoginsPending => "logins-pending",
            Self::Rate => "connections-per-minute",
            Self::Upstream => "upstream-sessions",
            Self::Descriptors => "descriptors",
        }
    }

    /// The whole answer, written in place of a greeting.
    pub(crate) const fn reply(self) -> &'static [u8] {
        match self {
            Self::Sessions | Self::Upstream | Self::Descriptors => canned::TOO_MANY_SESSIONS,
            Self::PerClient => canned::TOO_MANY_FROM_CLIENT,
            Self::LoginsPending => canned::TOO_MANY_LOGINS,
            Self::Rate => canned::TOO_FAST,
        }
    }
}

/// A session's name in logs: ten letters and digits, unique on this machine, ascending in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(u64);

impl SessionId {
    /// Counting starts at the clock, in ticks of 10 µs: what a later process counts lies above
    /// what an earlier one did, as long as fewer than 100,000 sessions a second came.
    fn next() -> Self {
        static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            AtomicU64::new(u64::try_from(since.as_micros() / 10).unwrap_or_default())
        });
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for SessionId {
    /// Base 32 without the letters that look like digits (Crockford's).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut text = [b'0'; 10];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            *place = DIGITS[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
