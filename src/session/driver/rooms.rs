//! What every session of a listener shares.

use std::sync::Arc;
use std::time::Duration;

use crate::advertise::Advertiser;
use crate::data::mirror::Mirror;
use crate::data::options::DataOptions;
use crate::data::ports::PortPool;
use crate::data::throttle::Throttle;
use crate::registry::handshakes::Handshakes;
use crate::session::event::Side;
use crate::session::policy::Policy;
use crate::telemetry::xferlog::Xferlog;
use crate::tls::{TlsClient, TlsServer};
use crate::upstream::Upstream;
use crate::upstream::destinations::{Destinations, Mode};

/// The parts of the house a session goes through. Made once for each listener, read only.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// The listener's name.
    pub(crate) name: Arc<str>,
    /// What the machine may do.
    pub(crate) policy: Arc<Policy>,
    /// Who names the server that a session goes to.
    pub(crate) mode: Mode,
    /// Active clients are dialled from the address of the server they aim at (P174).
    pub(crate) lends: bool,
    /// The server its sessions go to, or what all have in common that clients choose.
    pub(crate) upstream: Arc<Upstream>,
    /// Where clients may go who name their server.
    pub(crate) destinations: Arc<Destinations>,
    /// `T_dial` of the control connection to it.
    pub(crate) connect: Duration,
    /// Data ports that clients connect to.
    pub(crate) downstream_ports: Arc<PortPool>,
    /// Data ports that the server connects to, in active mode.
    pub(crate) upstream_ports: Arc<PortPool>,
    /// Ports that are the server's own, for sessions whose AUTH it took.
    pub(crate) mirror: Option<Arc<Mirror>>,
    /// Decides what a 227 says.
    pub(crate) advertiser: Arc<Advertiser>,
    /// Waits and sizes of transfers.
    pub(crate) data: Arc<DataOptions>,
    /// The caps that all its sessions share.
    pub(crate) throttle: Throttle,
    /// TCP keepalive of both control connections (P34).
    pub(crate) keepalive: Duration,
    /// TLS towards clients, if it is offered.
    pub(crate) client_tls: Option<Arc<TlsServer>>,
    /// How many full TLS handshakes each client address may have, if there is a limit.
    pub(crate) handshakes: Option<Arc<Handshakes>>,
    /// TLS towards the server, if it is asked for.
    pub(crate) server_tls: Option<Arc<TlsClient>>,
    /// The classic transfer log.
    pub(crate) xferlog: Option<Arc<Xferlog>>,
}

impl Rooms {
    /// The ports that this side connects to.
    pub(crate) fn ports(&self, side: Side) -> &Arc<PortPool> {
        match side {
            Side::Downstream => &self.downstream_ports,
            Side::Upstream => &self.upstream_ports,
        }
    }
}
