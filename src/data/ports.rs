//! Data ports, leased by (peer address, port).
//!
//! A lease normally has a port to itself: picked at random among the unused (S3), bound on demand,
//! closed again as soon as the one connection it waits for is there (P36, P51). When no port is
//! unused, a port is shared among peers of *different* addresses, told apart by where the
//! connection comes from (S22); two leases for one address never share a port (S5).

mod local;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub(crate) use local::Local;

use super::options::PortOptions;
use crate::net::socket;

/// Ports held by somebody else that one lease passes over before it asks to share. Each costs
/// some 5 us; a range that is not ours at all must not hold a worker up for long.
const BIND_TRIES: usize = 64;
/// One port in so many rests after its use while others are unused, so that late packets and
/// strays of the last peer do not meet the next.
const RESTING_SHARE: usize = 4;
/// Pause after an accept that failed for want of descriptors or memory (S24).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why no port was leased.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// Every port of the range already waits for this very peer, or is held by somebody else.
    #[error("every data port of the range is taken")]
    Exhausted,
    /// The kernel refused: descriptors, permission, an address that is not ours.
    #[error("cannot listen on a data port: {0}")]
    Local(#[from] io::Error),
}

/// The ports that a router in front lets through, by the ports we listen on, and what each is called
/// outside.
pub(crate) type Mapped = BTreeMap<u16, u16>;

/// The one peer that may connect to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected(IpAddr);

impl Expected {
    /// `::ffff:a.b.c.d` is `a.b.c.d` (S35).
    pub(crate) fn new(peer: IpAddr) -> Self {
        Self(peer.to_canonical())
    }

    /// *The* comparison of a data peer with whom we wait for (S3, S6); there is no other.
    pub(crate) fn admits(self, peer: IpAddr) -> bool {
        self.0 == peer.to_canonical()
    }
}

/// The ports of one side of a listener, on each local address apart. Shared by all workers; its
/// lock is never held across a system call or an await.
#[derive(Debug)]
pub(crate) struct PortPool {
    options: PortOptions,
    usable: Vec<u16>,
    mapped: ArcSwapOption<Mapped>,
    by_address: Mutex<HashMap<Local, Ports>>,
    next_lease: AtomicU64,
    passed_over: AtomicU64,
}

/// The ports of one local address. A port in none of the three is on its way between them.
#[derive(Debug)]
struct Ports {
    /// Unused, in no order.
    free: Vec<u16>,
    /// Unused, but not long enough; longest first.
    resting: VecDeque<u16>,
    /// Listening, with at least one lease that waits.
    open: BTreeMap<u16, OpenPort>,
}

#[derive(Debug)]
struct OpenPort {
    /// The leases own it together; the last one closes it.
    listener: Weak<Listener>,
    waiting: Vec<Waiting>,
}

/// A lease that waits for its peer, as others see it.
#[derive(Debug)]
struct Waiting {
    lease: u64,
    expected: Expected,
    hand_over: oneshot::Sender<Arrival>,
}

/// A connection accepted by another lease of the same port, perhaps on another worker.
type Arrival = (std::net::TcpStream, SocketAddr);

/// A listening data port. Fields drop in this order: the port is free once the socket is closed.
#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    place: Place,
}

/// A port taken out of the pool; dropping gives it back.
#[derive(Debug)]
struct Place {
    pool: Arc<PortPool>,
    address: Local,
    port: u16,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ports) = self.pool.lock().get_mut(&self.address) {
            ports.give_back(self.port, self.pool.usable.len());
        }
    }
}

impl Ports {
    fn new(usable: &[u16]) -> Self {
        Self { free: usable.to_vec(), resting: VecDeque::new(), open: BTreeMap::new() }
    }

    /// Any unused port that suits, unpredictably; a resting one only if there is no other.
    fn take(&mut self, suits: impl Fn(u16) -> bool) -> Option<u16> {
        if let Some(place) = pick(self.free.len(), |n| self.free.get(n).is_some_and(|p| suits(*p)))
        {
            return Some(self.free.swap_remove(place));
        }
        let resting = |n| self.resting.get(n).is_some_and(|p| suits(*p));
        self.resting.swap_remove_back(pick(self.resting.len(), resting)?)
    }

    fn give_back(&mut self, port: u16, usable: usize) {
        self.resting.push_back(port);
        if self.resting.len() > usable / RESTING_SHARE {
            self.free.extend(self.resting.pop_front());
        }
    }

    /// An open port that suits and where nobody waits for `expected`, searched from a random one on.
    fn shareable(
        &mut self,
        expected: Expected,
        suits: impl Fn(u16) -> bool,
    ) -> Option<(&mut OpenPort, Arc<Listener>)> {
        let start = rand::random::<u16>();
        let suits = |(port, open): &(&u16, &OpenPort)| {
            suits(**port) && open.waiting.iter().all(|waiting| waiting.expected != expected)
        };
        let (&port, _) = self.open.range(start..).chain(self.open.range(..start)).find(suits)?;
        let open = self.open.get_mut(&port)?;
        let listener = open.listener.upgrade()?;
        Some((open, listener))
    }

    /// Takes the waiting leases that `chosen` names; forgets the port with its last one.
    fn remove(&mut self, port: u16, chosen: impl Fn(&Waiting) -> bool) -> Option<Waiting> {
        let waiting = &mut self.open.get_mut(&port)?.waiting;
        let place = waiting.iter().position(chosen)?;
        let found = waiting.swap_remove(place);
        if waiting.is_empty() {
            self.open.remove(&port);
        }
        Some(found)
    }
}

/// One of so many that suits, the first from a random one on.
fn pick(count: usize, suits: impl Fn(usize) -> bool) -> Option<usize> {
    let start = if count == 0 { 0 } else { rand::random_range(0..count) };
    (start..count).chain(0..start).find(|&place| suits(place))
}

impl PortPool {
    /// A pool in which every usable port is unused; nothing is bound yet.
    pub(crate) fn new(options: PortOptions) -> Arc<Self> {
        Arc::new(Self {
            usable: options.usable().collect(),
            options,
            mapped: ArcSwapOption::empty(),
            by_address: Mutex::default(),
            next_lease: AtomicU64::new(0),
            passed_over: AtomicU64::new(0),
        })
    }

    /// A port for one connection from `expected`; it listens when this returns (P36). `local` is
    /// the local address of the control connection (S34).
    ///
    /// Must be called on a worker's runtime.
    ///
    /// # Errors
    /// [`LeaseError`]: never a port outside of the range (S21).
    pub(crate) fn lease(
        self: &Arc<Self>,
        local: impl Into<Local>,
        expected: IpAddr,
    ) -> Result<PortLease, LeaseError> {
        self.lease_of(local.into(), expected, |_| true)
    }

    /// As [`lease`](Self::lease), for a peer who comes through the router in front: only of the ports
    /// that it maps, told as it calls them (P69).
    pub(crate) fn lease_mapped(
        self: &Arc<Self>,
        local: impl Into<Local>,
        expected: IpAddr,
    ) -> Result<PortLease, LeaseError> {
        let Some(mapped) = self.mapped.load_full() else { return self.lease(local, expected) };
        let mut lease = self.lease_of(local.into(), expected, |port| mapped.contains_key(&port))?;
        lease.mapped = Some(mapped);
        Ok(lease)
    }

    /// From now on these are the ports that the router in front maps; `None`: it has no say.
    pub(crate) fn set_mapped(&self, mapped: Option<Arc<Mapped>>) {
        self.mapped.store(mapped);
    }

    /// The ports that may be given out, each with what it is told as.
    pub(crate) fn offered(&self) -> impl Iterator<Item = (u16, u16)> {
        self.usable.iter().map(|&port| (port, self.options.expose.told(port).unwrap_or(port)))
    }

    fn lease_of(
        self: &Arc<Self>,
        local: Local,
        expected: IpAddr,
        suits: impl Fn(u16) -> bool,
    ) -> Result<PortLease, LeaseError> {
        let (address, expected) = (self.listen_address(local), Expected::new(expected));
        let mut taken = Vec::new();
        while taken.len() < BIND_TRIES {
            let Some(place) = self.take(address, &suits) else { break };
            let bound = socket::listen_data(address.port(place.port));
            match bound.and_then(TcpListener::from_std) {
                Ok(socket) => return Ok(self.open(Listener { socket, place }, expected)),
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                    self.passed_over.fetch_add(1, Ordering::Relaxed);
                    taken.push(place);
                }
                Err(e) => return Err(LeaseError::Local(e)),
            }
        }
        self.share(address, expected, suits).ok_or(LeaseError::Exhausted)
    }

    /// How many ports listen now.
    pub(crate) fn in_use(&self) -> usize {
        self.lock().values().map(|ports| ports.open.len()).sum()
    }

    /// How often a port was found held by somebody else.
    pub(crate) fn passed_over(&self) -> u64 {
        self.passed_over.load(Ordering::Relaxed)
    }

    /// Tries every port once and says which cannot be had: for the start, before any lease.
    pub(crate) fn probe(&self, local: IpAddr) -> Vec<(u16, io::Error)> {
        let address = self.listen_address(local.into());
        let attempt = |port| socket::listen_data(address.port(port));
        self.usable.iter().filter_map(|&port| attempt(port).err().map(|e| (port, e))).collect()
    }

    /// Where to listen for a control connection that came in on `local`.
    fn listen_address(&self, local: Local) -> Local {
        let bind = self.options.bind.filter(|bind| bind.is_ipv4() == local.ip.is_ipv4());
        bind.map_or(local, Local::from)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Local, Ports>> {
        // Every critical section leaves the map whole at each of its steps.
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, address: Local, suits: impl Fn(u16) -> bool) -> Option<Place> {
        let mut by_address = self.lock();
        let ports = by_address.entry(address).or_insert_with(|| Ports::new(&self.usable));
        let port = ports.take(suits)?;
        Some(Place { pool: Arc::clone(self), address, port })
    }

    fn open(&self, listener: Listener, expected: Expected) -> PortLease {
        let listener = Arc::new(listener);
        let (waiting, lease) = self.enlist(&listener, expected);
        let open = OpenPort { listener: Arc::downgrade(&listener), waiting: vec![waiting] };
        if let Some(ports) = self.lock().get_mut(&listener.place.address) {
            ports.open.insert(listener.place.port, open);
        }
        lease
    }

    fn share(
        &self,
        address: Local,
        expected: Expected,
        suits: impl Fn(u16) -> bool,
    ) -> Option<PortLease> {
        let mut by_address = self.lock();
        let (open, listener) = by_address.get_mut(&address)?.shareable(expected, suits)?;
        let (waiting, lease) = self.enlist(&listener, expected);
        open.waiting.push(waiting);
        Some(lease)
    }

    /// The two ends of a new lease.
    fn enlist(&self, listener: &Arc<Listener>, expected: Expected) -> (Waiting, PortLease) {
        let lease = self.next_lease.fetch_add(1, Ordering::Relaxed);
        let (hand_over, handed) = oneshot::channel();
        let listener = Arc::clone(listener);
        let lease_end = PortLease { handed, lease, listener, mapped: None, strangers: 0 };
        (Waiting { lease, expected, hand_over }, lease_end)
    }
}

/// The right to one connection from one peer on one port. Dropping it gives the right back.
#[derive(Debug)]
pub(crate) struct PortLease {
    handed: oneshot::Receiver<Arrival>,
    lease: u64,
    listener: Arc<Listener>,
    /// The peer comes through a router with these.
    mapped: Option<Arc<Mapped>>,
    strangers: u32,
}

impl PortLease {
    #[cfg(test)]
    /// The address and port that listen.
    pub(crate) fn listened(&self) -> SocketAddr {
        self.listener.place.address.port(self.listener.place.port)
    }

    /// The port to tell the peer (P69).
    pub(crate) fn exposed_port(&self) -> u16 {
        let Place { pool, port, .. } = &self.listener.place;
        let mapped = self.mapped.as_ref().and_then(|mapped| mapped.get(port).copied());
        mapped.or_else(|| pool.options.expose.told(*port)).unwrap_or(*port)
    }

    /// Connections dropped so far because nobody waits for them (S4).
    pub(crate) fn strangers(&self) -> u32 {
        self.strangers
    }

    /// Waits for the peer. Nobody else gets in, and nobody else's arrival ends the wait (S4). The
    /// right is used up when this returns a connection. Cancel-safe.
    ///
    /// # Errors
    /// When this worker cannot take the connection on; failures to accept are waited out.
    pub(crate) async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let accepted = tokio::select! {
                biased;
                Ok((stream, peer)) = &mut self.handed, if !self.handed.is_terminated() => {
                    return Ok((TcpStream::from_std(stream)?, peer));
                }
                accepted = self.listener.socket.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            match self.admit(peer.ip()) {
                Some(waiting) if waiting.lease == self.lease => return Ok((stream, peer)),
                // A lease dropped in this very moment refuses it, and the connection closes.
                Some(waiting) => drop(stream.into_std().map(|s| waiting.hand_over.send((s, peer)))),
                None => self.strangers = self.strangers.saturating_add(1),
            }
        }
    }

    /// Uses up the lease of this port that waits for `peer`, if there is one.
    fn admit(&self, peer: IpAddr) -> Option<Waiting> {
        let Place { pool, address, port } = &self.listener.place;
        pool.lock().get_mut(address)?.remove(*port, |w| w.expected.admits(peer))
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        let Place { pool, address, port } = &self.listener.place;
        if let Some(ports) = pool.lock().get_mut(address) {
            ports.remove(*port, |w| w.lease == self.lease);
        }
    }
}

#[cfg(test)]
mod tests;
