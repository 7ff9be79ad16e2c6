//! The run form: what the rest of the program is built from. Nothing invalid can be written here
//! that the reader let through, and no `Option` must be `Some`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::advertise::options::AdvertiseOptions;
use crate::data::options::{DataOptions, PortRange};
use crate::limits::{AccessList, LimitOptions, Standing};
use crate::net::balancers::HeaderOptions;
use crate::privileges::RunAs;
use crate::session::policy::{ClientTls, Policy};
use crate::telemetry::options::LogOptions;
use crate::tls::ServerTlsOptions;
use crate::upstream::destinations::{Destinations, Mode};
use crate::upstream::options::UpstreamOptions;

/// A whole configuration, read, checked and with every default filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// At least one.
    pub(crate) listeners: Vec<ListenerConfig>,
    /// Log settings of the process.
    pub(crate) log: LogOptions,
    /// How long a drain waits for transfers before the hard stop.
    pub(crate) shutdown: Duration,
    /// The process itself.
    pub(crate) runtime: RuntimeOptions,
}

/// The process: its threads and whom it runs as.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeOptions {
    /// Worker threads; `None` is one a core.
    pub(crate) workers: Option<NonZeroUsize>,
    /// Each of them stays on a core of its own, if there are as many of both.
    pub(crate) cpu_affinity: bool,
    /// Whom it becomes when it was started as root; `None`: it stays what it is.
    pub(crate) run_as: Option<RunAs>,
}

impl Config {
    /// What so many workers hold whether or not there are sessions.
    pub(crate) fn standing(&self, workers: usize) -> Standing {
        let listening = self.listeners.iter().map(|listener| listener.listening(workers)).sum();
        Standing { workers, listening }
    }
}

/// One door with its own settings: the global sections overlaid with the listener's own.
#[derive(Debug, Clone)]
pub(crate) struct ListenerConfig {
    /// Unique; its name in the logs.
    pub(crate) name: String,
    /// Where clients connect; no two listeners on the same.
    pub(crate) bind: Vec<SocketAddr>,
    /// Sockets that the service manager hands over: those of a name, or all that no other
    /// listener names. Empty only where `bind` is not.
    pub(crate) handed: Vec<Option<String>>,
    /// Who names the server that a session goes to.
    pub(crate) mode: Mode,
    /// Where clients may go who choose it themselves; empty where they do not.
    pub(crate) destinations: Destinations,
    /// The server behind it, or what is known of all those that clients choose.
    pub(crate) upstream: UpstreamOptions,
    /// `T_dial` of the control connection to it.
    pub(crate) connect: Duration,
    /// Who may connect.
    pub(crate) access: AccessList,
    /// What a session allows and how long it waits.
    pub(crate) policy: Policy,
    /// Data ports, waits and caps.
    pub(crate) data: DataOptions,
    /// What goes into 227.
    pub(crate) advertise: AdvertiseOptions,
    /// How much it takes on.
    pub(crate) limits: LimitOptions,
    /// Idle time before TCP keepalive probes on both control connections (P34).
    pub(crate) keepalive: Duration,
    /// The certificates shown to clients; none, no TLS towards them.
    pub(crate) tls: Option<ServerTlsOptions>,
    /// The PROXY header that control connections have to begin with, if any.
    pub(crate) proxy: Option<HeaderOptions>,
}

impl ListenerConfig {
    /// Ports that lead to the same port of the server, for clients whose AUTH is the server's.
    pub(crate) fn mirrored(&self) -> Option<PortRange> {
        let passes = self.policy.tls.client == ClientTls::Passthrough;
        self.data.forwarded.filter(|_| passes)
    }

    /// Sockets that listen for it for as long as the process lives; of those that are handed over
    /// by name, one for each name.
    fn listening(&self, workers: usize) -> usize {
        let addresses = self.bind.len() + self.handed.len();
        let mirrored = self.mirrored().map_or(0, |range| (range.first..=range.last).len());
        addresses * (workers + mirrored)
    }
}

/// What the command line says; it wins over the environment, which wins over the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen IP:PORT`, as often as wanted: `bind` of the only listener.
    pub listen: Vec<String>,
    /// `--upstream HOST[:PORT]`: `address` of the only upstream.
    pub upstream: Option<String>,
    /// `--public IP|NAME|auto`: `[advertise] address`.
    pub public: Option<String>,
    /// `--ports FIRST-LAST`: `[data] ports`.
    pub ports: Option<String>,
    /// `--log LEVEL`: `[log] level`.
    pub log: Option<String>,
    /// `--log-format auto|text|json`: `[log] format`.
    pub log_format: Option<String>,
}
