//! Data ports, leased by (peer address, port).
//!
//! A lease normally has a port to itself: picked at random among the unused (S3), bound on demand,
//! closed again as soon as the one connection it waits for is there (P36, P51). When no port is
//! unused, a port is shared among peers of *different* addresses, told apart by where the
//! connection comes from (S22). Two leases for one address share a port only if both can tell their
//! peers by the TLS session that these resume ([`Proof`]), and only as the last resort (S5).

mod announced;
mod expected;
mod inbound;
mod lease;
mod local;
mod mapped;
mod sharing;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwapOption;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::headers::Headers;
use super::options::{Expose, PortOptions};
use crate::net::socket;
pub(crate) use expected::Expected;
use inbound::Inbound;
use lease::Handed;
pub(crate) use lease::{PortLease, Visitor};
pub(crate) use local::Local;
pub(crate) use mapped::Mapped;
pub(crate) use sharing::Proof;
use sharing::{Claimant, Unsorted};

/// Ports held by somebody else that one lease passes over before it asks to share. Each costs
/// some 5 us; a range that is not ours at all must not hold a worker up for long.
const BIND_TRIES: usize = 64;
/// One port in so many rests after its use while others are unused, so that late packets and
/// strays of the last peer do not meet the next.
const RESTING_SHARE: usize = 4;
/// Leases of one address on one port, at most: for each connection that comes, the keys of so many
/// sessions are tried.
const MOST_SHARERS: usize = 64;
/// Connections that a lease may be handed before it has looked at the first: one is wanted, and on
/// a shared port others can say that they are it.
const MOST_HANDED: usize = 4;

/// Why no port was leased.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// Every port of the range already waits for this very address, or is held by somebody else.
    #[error("every data port of the range is taken")]
    Exhausted,
    /// The kernel refused: descriptors, permission, an address that is not ours.
    #[error("cannot listen on a data port: {0}")]
    Local(#[from] io::Error),
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
    /// The one socket behind all ports, where there is one.
    inbound: Inbound,
    /// The PROXY headers of those who come with one.
    headers: Headers,
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
    /// Connections that have not said yet whose they are; oldest first.
    unsorted: Vec<Unsorted>,
}

/// A lease that waits for its peer, as others see it.
#[derive(Debug)]
struct Waiting {
    lease: u64,
    expected: Expected,
    hand_over: mpsc::Sender<Handed>,
    proof: Option<Proof>,
    /// It has shared the port with a lease of the same address. From then on its peer has to
    /// prove itself: a late connection may be the other's.
    shares: bool,
}

/// What becomes of a connection.
#[derive(Debug)]
enum Verdict {
    /// Nobody waits for it.
    Stranger,
    /// It is this lease's, whose right is used up.
    Peer(Waiting),
    /// It is the one's whose TLS session it resumes.
    Either(Vec<Claimant>),
}

/// A listening data port. Fields drop in this order: the port is free once the socket is closed.
#[derive(Debug)]
struct Listener {
    socket: Arc<TcpListener>,
    place: Place,
    /// Connections that were nobody's.
    strangers: Arc<AtomicU32>,
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
        let (usable, mut by_address) = (self.pool.usable.len(), self.pool.lock());
        let Some(ports) = by_address.get_mut(&self.address) else { return };
        ports.give_back(self.port, usable);
        // Addresses that peers choose are without number: nothing is kept of one that nobody uses.
        if self.pool.options.borrowed && ports.unused() == usable {
            by_address.remove(&self.address);
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

    /// How many are neither open nor on their way.
    fn unused(&self) -> usize {
        self.free.len() + self.resting.len()
    }

    fn give_back(&mut self, port: u16, usable: usize) {
        self.resting.push_back(port);
        if self.resting.len() > usable / RESTING_SHARE {
            self.free.extend(self.resting.pop_front());
        }
    }

    /// The open port that suits and where the fewest wait for the address of `newcomer`, searched
    /// from a random one on.
    fn shareable(
        &mut self,
        newcomer: &Waiting,
        suits: impl Fn(u16) -> bool,
    ) -> Option<(&mut OpenPort, Arc<Listener>)> {
        let start = rand::random::<u16>();
        let ports = self.open.range(start..).chain(self.open.range(..start));
        let ports = ports.filter(|(port, _)| suits(**port));
        let rivals = ports.filter_map(|(&port, open)| Some((port, open.rivals(newcomer)?)));
        let (port, _) = rivals.min_by_key(|(_, rivals)| *rivals)?;
        let open = self.open.get_mut(&port)?;
        let listener = open.listener.upgrade()?;
        Some((open, listener))
    }

    /// Takes the waiting lease that `chosen` names; forgets the port with its last one. What comes
    /// with it is to be dropped without the lock.
    fn remove(
        &mut self,
        port: u16,
        chosen: impl Fn(&Waiting) -> bool,
    ) -> Option<(Waiting, Vec<Unsorted>)> {
        let open = self.open.get_mut(&port)?;
        let place = open.waiting.iter().position(chosen)?;
        let found = open.waiting.swap_remove(place);
        let orphans = open.orphans();
        if open.waiting.is_empty() {
            self.open.remove(&port);
        }
        Some((found, orphans))
    }

    /// Whose a connection from `peer` is.
    fn admit(&mut self, port: u16, peer: IpAddr) -> (Verdict, Vec<Unsorted>) {
        let waiting = self.open.get(&port).map_or(&[][..], |open| &*open.waiting);
        let meant: Vec<_> = waiting.iter().filter(|w| w.expected.admits(peer)).collect();
        match &*meant {
            [] => (Verdict::Stranger, Vec::new()),
            [only] if !only.shares => {
                let lease = only.lease;
                let removed = self.remove(port, |w| w.lease == lease);
                removed.map_or((Verdict::Stranger, Vec::new()), |(w, u)| (Verdict::Peer(w), u))
            }
            several => {
                let claimants = several.iter().filter_map(|waiting| waiting.claimant()).collect();
                (Verdict::Either(claimants), Vec::new())
            }
        }
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
            inbound: Inbound::default(),
            headers: Headers::new(),
        })
    }

    /// A port for one connection from `expected`; it listens when this returns (P36). `local` is
    /// the local address of the control connection (S34).
    ///
    /// With a `proof` it may be a port where others of the same address wait, who have theirs: to be
    /// given only where no data will move without it.
    ///
    /// Must be called on a worker's runtime.
    ///
    /// # Errors
    /// [`LeaseError`]: never a port outside of the range (S21).
    pub(crate) fn lease(
        self: &Arc<Self>,
        local: impl Into<Local>,
        expected: IpAddr,
        proof: Option<Proof>,
    ) -> Result<PortLease, LeaseError> {
        self.lease_of(local.into(), expected, proof, |_| true)
    }

    fn lease_of(
        self: &Arc<Self>,
        local: Local,
        expected: IpAddr,
        proof: Option<Proof>,
        suits: impl Fn(u16) -> bool,
    ) -> Result<PortLease, LeaseError> {
        let (address, expected) =
            (self.listen_address(local), self.options.peers.expected(expected));
        let (waiting, handed) = self.enlist(expected, proof);
        let mut taken = Vec::new();
        while taken.len() < BIND_TRIES {
            let Some(place) = self.take(address, &suits) else { break };
            match self.listen(address, place.port) {
                Ok(socket) => return Ok(self.open(socket, place, waiting, handed)),
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                    self.passed_over.fetch_add(1, Ordering::Relaxed);
                    taken.push(place);
                }
                Err(e) => return Err(LeaseError::Local(e)),
            }
        }
        self.share(address, waiting, handed, suits).ok_or(LeaseError::Exhausted)
    }

    fn listen(&self, address: Local, port: u16) -> io::Result<Arc<TcpListener>> {
        let bind = |port| TcpListener::from_std(self.bind(address.port(port))?);
        match self.options.expose {
            Expose::Any(_) => self.inbound.get(address, || bind(self.options.range.first)),
            _ => bind(port).map(Arc::new),
        }
    }

    fn bind(&self, at: SocketAddr) -> io::Result<std::net::TcpListener> {
        let PortOptions { device, borrowed, tuning, .. } = self.options;
        socket::listen_data_on(device, at, borrowed, tuning)
    }

    /// How many ports are waited at now.
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
        let attempt = |port| self.bind(address.port(port));
        let ports = self.options.listened();
        ports.filter_map(|port| attempt(port).err().map(|e| (port, e))).collect()
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

    fn open(
        &self,
        socket: Arc<TcpListener>,
        place: Place,
        waiting: Waiting,
        handed: mpsc::Receiver<Handed>,
    ) -> PortLease {
        let listener = Arc::new(Listener { socket, place, strangers: Arc::default() });
        let lease = PortLease::new(handed, waiting.lease, &listener);
        let open = OpenPort {
            listener: Arc::downgrade(&listener),
            waiting: vec![waiting],
            unsorted: Vec::new(),
        };
        if let Some(ports) = self.lock().get_mut(&listener.place.address) {
            ports.open.insert(listener.place.port, open);
        }
        lease
    }

    fn share(
        &self,
        address: Local,
        waiting: Waiting,
        handed: mpsc::Receiver<Handed>,
        suits: impl Fn(u16) -> bool,
    ) -> Option<PortLease> {
        let mut by_address = self.lock();
        let (open, listener) = by_address.get_mut(&address)?.shareable(&waiting, suits)?;
        let lease = PortLease::new(handed, waiting.lease, &listener);
        open.join(waiting);
        Some(lease)
    }

    /// A new lease as others will see it, and the way to it.
    fn enlist(
        &self,
        expected: Expected,
        proof: Option<Proof>,
    ) -> (Waiting, mpsc::Receiver<Handed>) {
        let lease = self.next_lease.fetch_add(1, Ordering::Relaxed);
        let (hand_over, handed) = mpsc::channel(MOST_HANDED);
        (Waiting { lease, expected, hand_over, proof, shares: false }, handed)
    }
}

#[cfg(test)]
mod tests;
