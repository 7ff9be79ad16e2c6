//! What the data plane of a listener is told by the configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use crate::net::balancers::{Balancers, HeaderOptions};
use crate::net::device::Device;
use crate::net::tuning::Tuning;

/// An inclusive range of ports, `60000-60010`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortRange {
    /// The lowest port.
    pub(crate) first: u16,
    /// The highest port, itself part of the range.
    pub(crate) last: u16,
}

/// Why a text is no port range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PortRangeError {
    /// Not `N` or `N-M`.
    #[error("a port range is written FIRST-LAST, as in \"60000-60010\"")]
    Syntax,
    /// Port 0, or the first above the last.
    #[error("the first port must be at least 1 and not above the last")]
    Order,
}

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |t: &str| t.trim().parse::<u16>().map_err(|_| PortRangeError::Syntax);
        let (first, last) = (port(first)?, port(last)?);
        if first == 0 || first > last {
            return Err(PortRangeError::Order);
        }
        Ok(Self { first, last })
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// One side's data ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortOptions {
    /// Never a port outside of it (S21).
    pub(crate) range: PortRange,
    /// Ports of the range that are left out, such as 5060 (SIP).
    pub(crate) avoid: Vec<u16>,
    /// Which port the peer is told for a port we listen on.
    pub(crate) expose: Expose,
    /// Where to listen; `None` is the local address of the control connection (S34).
    pub(crate) bind: Option<IpAddr>,
    /// How they come.
    pub(crate) peers: Peers,
    /// That address need not be this machine's: peers aim at somebody else (P172).
    pub(crate) borrowed: bool,
    /// The only link to accept from; `None` is any.
    pub(crate) device: Option<Device>,
    /// What the side's data connections are given, accepted ones and those that we open.
    pub(crate) tuning: Tuning,
}

/// How the peers of a range of ports come to us (P164, P165).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peers {
    /// From addresses of their own.
    Direct,
    /// Through balancers that do not say for whom, or from addresses of their own.
    Hidden(Balancers),
    /// Through balancers that say in a PROXY header for whom, all of them.
    Announced(HeaderOptions),
}

/// The port to tell for the port we listen on, when a NAT in front shifts them (P69).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expose {
    /// The same.
    Same,
    /// Shifted by a constant: `50000-50010` told as `40000-40010` is -10000.
    Shift(i32),
    /// Listened port to told port; a port not named is not given out.
    Map(BTreeMap<u16, u16>),
    /// The one port listened on is told as any of these: a balancer brings them all there, and says
    /// in its PROXY header which one it was (P166).
    Any(PortRange),
}

impl Expose {
    /// The port to tell for `listened`, or for one of [`Any`](Self::Any); `None`: it must not be given
    /// out.
    pub(crate) fn told(&self, listened: u16) -> Option<u16> {
        match self {
            Self::Same | Self::Any(_) => Some(listened),
            Self::Shift(by) => {
                let told = i32::from(listened).checked_add(*by)?;
                u16::try_from(told).ok().filter(|port| *port != 0)
            }
            Self::Map(map) => map.get(&listened).copied().filter(|port| *port != 0),
        }
    }
}

/// Waits and sizes of data connections (`requirements.md` §18).
#[derive(Debug, Clone)]
pub(crate) struct DataOptions {
    /// Ports that clients connect to.
    pub(crate) downstream: PortOptions,
    /// Ports that servers connect to, in active mode.
    pub(crate) upstream: PortOptions,
    /// Ports that lead to the same port of the server, where AUTH is the server's (P122).
    pub(crate) forwarded: Option<PortRange>,
    /// Where our connections to active clients leave from, 20 for firewalls of old; 0 is any port
    /// (P40).
    pub(crate) source_port: u16,
    /// The same of our connections to passive servers.
    pub(crate) upstream_source_port: u16,
    /// `T_accept`: how long a given port waits for its peer.
    pub(crate) accept: Duration,
    /// `T_dial`: how long our connect may take.
    pub(crate) dial: Duration,
    /// `T_stall`: how long nothing may move in either direction.
    pub(crate) stall: Duration,
    /// `T_drain`: the same after the server's final reply.
    pub(crate) drain: Duration,
    /// `T_grace`: how long a data connection may lag behind a reply that says it exists.
    pub(crate) grace: Duration,
    /// `T_close`: how long we read on after everything was delivered.
    pub(crate) close: Duration,
    /// Largest pipe for splice(2), bytes.
    pub(crate) pipe: usize,
    /// Bandwidth caps.
    pub(crate) rates: Rates,
    /// What is asked of data connections under TLS.
    pub(crate) tls: DataTls,
}

/// What is asked of data connections under TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DataTls {
    /// `T_tls`: how long a handshake may take.
    pub(crate) handshake: Duration,
    /// Whether a client's data connection has to resume its control connection's session (P149).
    pub(crate) reuse: Reuse,
    /// An upload that ends without close_notify is broken (P156).
    pub(crate) strict_client_end: bool,
    /// So is a download from the server; else its 226 is believed.
    pub(crate) strict_server_end: bool,
}

/// Session reuse on data connections, asked of clients (P149).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Not looked at.
    Off,
    /// Logged when it is missing.
    Prefer,
    /// A data connection without it is refused with 522.
    Require,
}

impl Default for DataTls {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(15),
            reuse: Reuse::Prefer,
            strict_client_end: true,
            strict_server_end: false,
        }
    }
}

/// Bandwidth caps, bytes a second; `None` is no cap.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rates {
    /// Server to client, each session.
    pub(crate) session_download: Option<NonZeroU64>,
    /// Client to server, each session.
    pub(crate) session_upload: Option<NonZeroU64>,
    /// Server to client, all sessions of the listener together.
    pub(crate) listener_download: Option<NonZeroU64>,
    /// Client to server, all sessions of the listener together.
    pub(crate) listener_upload: Option<NonZeroU64>,
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            downstream: PortOptions::new(PortRange { first: 10100, last: 10199 }),
            upstream: PortOptions::new(PortRange { first: 11000, last: 11999 }),
            forwarded: None,
            source_port: 0,
            upstream_source_port: 0,
            accept: Duration::from_secs(60),
            dial: Duration::from_secs(15),
            stall: Duration::from_secs(300),
            drain: Duration::from_secs(30),
            grace: Duration::from_secs(2),
            close: Duration::from_secs(5),
            pipe: 1 << 20,
            rates: Rates::default(),
            tls: DataTls::default(),
        }
    }
}

/// For the operator: what to open, and what peers are told.
impl std::fmt::Display for PortOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.range)?;
        if !self.avoid.is_empty() {
            let avoid: Vec<String> = self.avoid.iter().map(u16::to_string).collect();
            write!(f, " without {}", avoid.join(", "))?;
        }
        match (self.told(), &self.expose) {
            (Some(told), _) => write!(f, " (told as {told})"),
            (None, Expose::Map(map)) => {
                let pairs: Vec<String> =
                    map.iter().map(|(at, told)| format!("{at} as {told}")).collect();
                write!(f, " (told: {})", pairs.join(", "))
            }
            (None, _) => Ok(()),
        }
    }
}

impl PortOptions {
    /// Exactly this range: nothing left out, told as it is, on the control connection's address.
    pub(crate) const fn new(range: PortRange) -> Self {
        Self {
            range,
            avoid: Vec::new(),
            expose: Expose::Same,
            bind: None,
            peers: Peers::Direct,
            borrowed: false,
            device: None,
            tuning: Tuning { congestion: None, buffer: None, notsent_lowat: None },
        }
    }

    /// The ports that peers are told, where these lie in one range of their own.
    fn told(&self) -> Option<PortRange> {
        match self.expose {
            Expose::Shift(_) => Some(PortRange {
                first: self.expose.told(self.range.first)?,
                last: self.expose.told(self.range.last)?,
            }),
            Expose::Any(told) => Some(told),
            Expose::Same | Expose::Map(_) => None,
        }
    }

    /// The ports that may be given out.
    pub(crate) fn usable(&self) -> impl Iterator<Item = u16> {
        let usable = |p: &u16| !self.avoid.contains(p) && self.expose.told(*p).is_some();
        let PortRange { first, last } = match self.expose {
            Expose::Any(told) => told,
            _ => self.range,
        };
        (first..=last).filter(usable)
    }

    /// The ports that are listened on for those.
    pub(crate) fn listened(&self) -> impl Iterator<Item = u16> {
        let one = matches!(self.expose, Expose::Any(_)).then_some(self.range.first);
        let each = one.is_none().then(|| self.usable());
        one.into_iter().chain(each.into_iter().flatten())
    }
}
