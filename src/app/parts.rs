//! Doors out of a configuration: what their sessions share, and what doors share among themselves.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::BuildError;
use super::acme::Clients;
use crate::advertise::Advertiser;
use crate::config::ListenerConfig;
use crate::data::mirror::Mirror;
use crate::data::options::PortOptions;
use crate::data::ports::PortPool;
use crate::data::throttle::Throttle;
use crate::listener::Door;
use crate::listener::preamble::Preamble;
use crate::net::transparent::Abilities;
use crate::registry::Registry;
use crate::registry::handshakes::Handshakes;
use crate::registry::seats::Seats;
use crate::session::driver::rooms::Rooms;
use crate::telemetry::xferlog::Xferlog;
use crate::tls::{TlsClient, TlsServer};
use crate::upstream::Upstream;

/// What listeners have in common when they ask for the same.
pub(super) struct Parts {
    own: Vec<SocketAddr>,
    may: Abilities,
    /// Of upstreams that name none.
    mark: u32,
    xferlog: Option<Arc<Xferlog>>,
    /// Of the whole process.
    seats: Arc<Seats>,
    servers: HashMap<String, Server>,
    pools: Vec<(PortOptions, Arc<PortPool>)>,
    /// Who fetches certificates.
    pub(super) acme: Clients,
}

/// An upstream and the places it has.
#[derive(Clone)]
struct Server {
    upstream: Arc<Upstream>,
    seats: Arc<Seats>,
}

impl Parts {
    /// None made yet. `own`: our control listeners, never dialled (P83). `mark`: that of upstreams
    /// which name none.
    pub(super) fn new(
        own: Vec<SocketAddr>,
        (may, mark): (Abilities, u32),
        xferlog: Option<Arc<Xferlog>>,
        seats: Arc<Seats>,
    ) -> Self {
        let (servers, pools, acme) = Default::default();
        Self { own, may, mark, xferlog, seats, servers, pools, acme }
    }

    /// A listener's door, with all that is behind it.
    pub(super) fn door(
        &mut self,
        listener: &ListenerConfig,
        keys: Keys,
        mirror: Option<Arc<Mirror>>,
    ) -> Result<Door, BuildError> {
        let mut policy = listener.policy.clone();
        policy.own.clone_from(&self.own);
        let Server { upstream, seats } = self.server(listener);
        let name: Arc<str> = listener.name.as_str().into();
        let per_minute = listener.limits.handshakes_per_minute;
        let rooms = Rooms {
            handshakes: Handshakes::new(name.clone(), per_minute),
            name,
            mode: listener.mode,
            lends: listener.mode.is_transparent() && self.may.borrow,
            policy: Arc::new(policy),
            upstream: upstream.clone(),
            destinations: Arc::new(listener.destinations.clone()),
            connect: listener.connect,
            downstream_ports: self.pool(&listener.data.downstream),
            upstream_ports: self.pool(&listener.data.upstream),
            mirror,
            advertiser: Advertiser::new(listener.advertise.clone()),
            throttle: Throttle::listener(&listener.data.rates),
            data: Arc::new(listener.data.clone()),
            keepalive: listener.keepalive,
            client_tls: self.fetched(listener)?.or(keys.client),
            server_tls: keys.server,
            xferlog: self.xferlog.clone(),
        };
        let preamble = listener.proxy.clone();
        let preamble = preamble.map(|options| Preamble::new(rooms.name.clone(), options));
        Ok(Door {
            rooms: Arc::new(rooms),
            preamble,
            access: listener.access.clone(),
            limits: listener.limits.clone(),
            registry: Registry::new(),
            process: self.seats.clone(),
            server: seats,
            hidden_told: AtomicBool::new(false),
        })
    }

    /// The certificate that is fetched, where it is: its files belong to us.
    fn fetched(&mut self, listener: &ListenerConfig) -> Result<Option<Arc<TlsServer>>, BuildError> {
        let Some(acme) = listener.tls.as_ref().and_then(|tls| tls.acme.as_ref()) else {
            return Ok(None);
        };
        let prepared = self.acme.prepare(&listener.name, acme);
        prepared.map_err(|error| tls_error(listener, error))?;
        client_tls(listener)
    }

    fn server(&mut self, listener: &ListenerConfig) -> Server {
        let mut options = listener.upstream.clone();
        options.mark.get_or_insert(self.mark);
        let known = self.servers.entry(options.name.clone());
        let new = || Server {
            seats: Seats::new(options.sessions.map_or(usize::MAX, NonZeroUsize::get)),
            upstream: Upstream::new(options, self.own.clone()),
        };
        known.or_insert_with(new).clone()
    }

    /// Listeners with the same range share its ports, instead of fighting for them.
    fn pool(&mut self, options: &PortOptions) -> Arc<PortPool> {
        if let Some((_, pool)) = self.pools.iter().find(|(known, _)| known == options) {
            return pool.clone();
        }
        let pool = PortPool::new(options.clone());
        self.pools.push((options.clone(), pool.clone()));
        pool
    }
}

/// What a listener needs of certificates and keys, which perhaps only root may read.
pub(super) struct Keys {
    client: Option<Arc<TlsServer>>,
    server: Option<Arc<TlsClient>>,
}

/// Reads them; what is fetched comes later.
pub(super) fn keys(listener: &ListenerConfig) -> Result<Keys, BuildError> {
    let fetched = listener.tls.as_ref().is_some_and(|tls| tls.acme.is_some());
    let client = if fetched { None } else { client_tls(listener)? };
    Ok(Keys { client, server: server_tls(listener)? })
}

fn client_tls(listener: &ListenerConfig) -> Result<Option<Arc<TlsServer>>, BuildError> {
    let loaded = listener.tls.as_ref().map(TlsServer::load).transpose();
    loaded.map_err(|error| tls_error(listener, error))
}

fn tls_error(
    listener: &ListenerConfig,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> BuildError {
    let whose = format!("listener \"{}\"", listener.name);
    BuildError::Tls { whose, source: error.into() }
}

fn server_tls(listener: &ListenerConfig) -> Result<Option<Arc<TlsClient>>, BuildError> {
    let upstream = &listener.upstream;
    let loaded = upstream.tls.as_ref().map(|tls| TlsClient::load(tls, upstream.host())).transpose();
    let whose = || format!("upstream \"{}\"", upstream.name);
    loaded.map_err(|error| BuildError::Tls { whose: whose(), source: error.into() })
}
