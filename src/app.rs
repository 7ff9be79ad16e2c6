//! The wiring: configuration to parts, parts to threads.
//!
//! One `current_thread` runtime a core, each with control listeners of its own (SO_REUSEPORT): a
//! session lives and dies on its worker. Background work (names, files, signals) has the thread
//! that calls [`App::run`].

#[cfg(feature = "acme")]
mod acme;
#[cfg(not(feature = "acme"))]
#[path = "app/no_acme.rs"]
mod acme;
mod bind;
mod certificates;
mod cores;
mod error;
pub(crate) mod handed;
mod mirror;
pub(crate) mod notify;
pub(crate) mod outgoing;
mod parts;
pub(crate) mod privileges;
mod router;
pub(crate) mod single;
pub(crate) mod transparent;
mod workers;

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::limits;
use crate::listener::Door;
use crate::net::helper::KernelHelper;
use crate::net::socket;
use crate::registry::seats::Seats;
use certificates::{Secured, Wake};
pub use error::BuildError;
use handed::Handed;
use parts::Parts;
use privileges::Privileges;
pub use workers::NoWorker;

/// Everything bound and ready; nothing accepted yet.
#[derive(Debug)]
pub struct App {
    doors: Vec<Arc<Door>>,
    /// For each worker, its control sockets and the door each belongs to.
    sockets: Vec<Vec<(TcpListener, Arc<Door>)>>,
    /// For each worker, its share of the ports that are forwarded one-to-one.
    forwarded: mirror::ByWorker,
    standing: limits::Standing,
    cpu_affinity: bool,
    addresses: Vec<SocketAddr>,
    acme: acme::Clients,
    shutdown: Duration,
}

/// Two steps of stopping; cloned to whoever has to know.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Take nothing new, let transfers end (P179).
    pub drain: CancellationToken,
    /// End at once.
    pub kill: CancellationToken,
    /// Read the certificates again.
    pub reload: Arc<Notify>,
}

impl Stop {
    /// Either of the two.
    async fn started(&self) {
        tokio::select! {
            () = self.drain.cancelled() => {}
            () = self.kill.cancelled() => {}
        }
    }
}

impl App {
    /// Binds all that is to be bound, reads the keys, then gives up the privileges that this took.
    pub(crate) fn build(config: &Config, handed: Handed) -> Result<Self, BuildError> {
        let privileges = Privileges::plan(config, &config.listeners)?;
        privileges.check()?;
        let abilities = transparent::abilities(&config.listeners)?;
        let workers = worker_count(config.runtime.workers);
        let mut bound = Vec::new();
        for (listener, handed) in config.listeners.iter().zip(handed.share_out(config)?) {
            bound.push(bind::bind(listener, handed, workers)?);
        }
        let addresses: Vec<SocketAddr> = bound.iter().flat_map(|sets| local(sets)).collect();
        let keys = config.listeners.iter().map(parts::keys).collect::<Result<Vec<_>, _>>()?;
        let xferlog = privileges.settle(config)?;
        let descriptors = socket::descriptor_limit().unwrap_or(u64::MAX);
        let standing = config.standing(workers);
        let seats = Seats::new(limits::most_sessions(descriptors, standing));
        let mut parts = Parts::new(addresses.clone(), abilities, xferlog, seats);
        let mut sockets: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        let mut forwarded: mirror::ByWorker = (0..workers).map(|_| Vec::new()).collect();
        let mut doors = Vec::new();
        for ((listener, sets), keys) in config.listeners.iter().zip(bound).zip(keys) {
            let reached: Vec<_> = local(&sets).collect();
            outgoing::check(listener, &reached)?;
            let mirror = mirror::bind(listener, &reached, &mut forwarded)?;
            let door = Arc::new(parts.door(listener, keys, mirror)?);
            for set in sets {
                for (worker, socket) in sockets.iter_mut().zip(set) {
                    worker.push((socket, door.clone()));
                }
            }
            doors.push(door);
        }
        let acme = parts.acme;
        let (shutdown, cpu_affinity) = (config.shutdown, config.runtime.cpu_affinity);
        Ok(Self { doors, sockets, forwarded, standing, cpu_affinity, addresses, acme, shutdown })
    }

    /// The control addresses, as bound.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How long a drain may take.
    pub fn shutdown(&self) -> Duration {
        self.shutdown
    }

    /// Serves until `stop.drain` and its sessions' end, or `stop.kill`. Returns how many sessions
    /// were cut off.
    ///
    /// # Errors
    /// Not one worker could be started; nothing was served.
    pub async fn run(self, stop: Stop) -> Result<usize, NoWorker> {
        for door in &self.doors {
            let advertiser = door.rooms.advertiser.clone();
            advertiser.refresh_once().await;
            tokio::spawn(advertiser.refresh_forever(stop.drain.clone()));
        }
        let keepers = router::start(self.by_door()).await;
        self.announce();
        let wake = Arc::<Wake>::default();
        let secured = self.doors.iter().flat_map(|door| Secured::of(door)).collect();
        tokio::spawn(certificates::keep(secured, wake.clone(), stop.clone()));
        tokio::spawn(self.acme.keep(wake, stop.clone()));
        let sockets = self.sockets.into_iter().zip(self.forwarded);
        let threads = workers::start(sockets, self.cpu_affinity, &stop)?;
        tracing::info!("ready");
        notify::ready();
        let ended = tokio::task::spawn_blocking(move || {
            threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
        });
        let cut_off = ended.await.unwrap_or_default();
        router::close(keepers).await;
        Ok(cut_off)
    }

    /// Says what the operator has to know: where it listens, what it tells whom and by which
    /// rule, what to open in the firewall.
    fn announce(&self) {
        for (door, addresses) in self.by_door() {
            let (rooms, name) = (&door.rooms, &*door.rooms.name);
            let ports = control_ports(&addresses);
            for address in addresses {
                tracing::info!(listener = name, %address, "listening");
                for line in rooms.advertiser.describe(address.ip()) {
                    tracing::info!(listener = name, "{line}");
                }
                let advertiser = &rooms.advertiser;
                let (ip, warnings) = (address.ip(), advertiser.warnings(address.ip()));
                for line in advertiser.problems(ip).into_iter().chain(warnings) {
                    tracing::warn!(listener = name, "{line}");
                }
            }
            if let Some(server) = &rooms.upstream.options().address {
                tracing::info!(listener = name, upstream = %server, "server");
            }
            let options = &rooms.data;
            let chosen = (rooms.mode, &*rooms.destinations);
            let data = &options.downstream;
            for line in transparent::describe(chosen, &ports, data, rooms.lends) {
                tracing::info!(listener = name, "{line}");
            }
            if !rooms.mode.is_transparent() {
                tracing::info!(
                    listener = name,
                    "open in the firewall (TCP), for clients: {ports} and data ports {data}"
                );
            }
            if rooms.policy.lets_server_in() {
                let from = &options.upstream;
                tracing::info!(listener = name, "and for the server: data ports {from}");
            }
            if let Some(line) = mirror::describe(door) {
                tracing::info!(listener = name, "{line}");
            }
        }
        match KernelHelper::look() {
            helper @ KernelHelper::Automatic => tracing::warn!("{}", helper.advice().unwrap_or("")),
            helper => helper.advice().into_iter().for_each(|advice| tracing::info!("{advice}")),
        }
        if let Ok(limit) = socket::descriptor_limit() {
            let sessions = self.doors.iter().map(|door| door.limits.sessions).sum();
            let warning = limits::descriptor_warning(limit, self.standing, sessions);
            if let Some(warning) = warning {
                tracing::warn!("{warning}");
            }
        }
    }

    fn by_door(&self) -> impl Iterator<Item = (&Door, Vec<SocketAddr>)> {
        self.doors.iter().map(|door| {
            let own = self.sockets.first().into_iter().flatten();
            let own = own.filter(|(_, of)| Arc::ptr_eq(of, door));
            let addresses = own.flat_map(|(socket, _)| handed::addresses(socket)).collect();
            (&**door, addresses)
        })
    }
}

/// The addresses of sets of sockets.
fn local(sets: &[Vec<TcpListener>]) -> impl Iterator<Item = SocketAddr> {
    sets.iter().filter_map(|set| set.first()).flat_map(handed::addresses)
}

/// As configured, or one a core.
pub(crate) fn worker_count(configured: Option<NonZeroUsize>) -> usize {
    configured.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

pub(crate) fn control_ports(addresses: &[SocketAddr]) -> String {
    let mut ports: Vec<u16> = addresses.iter().map(SocketAddr::port).collect();
    ports.sort_unstable();
    ports.dedup();
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    ports.join(", ")
}
