//! What has to be let in, whatever the firewall is called.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::config::{Config, ListenerConfig};
use crate::data::options::{Expose, PortOptions, PortRange};
use crate::upstream::destinations::Mode;

/// All of a configuration.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) openings: Vec<Opening>,
    /// Connections to servers elsewhere that are to come here.
    pub(super) catches: Vec<Catch>,
    /// What the configuration does not tell: a sentence each.
    pub(super) notes: Vec<String>,
}

/// Connections of a listener's clients, whatever address they aim at.
#[derive(Debug)]
pub(super) struct Catch {
    /// The listener's name.
    pub(super) listener: String,
    /// Redirected, or delivered as they are (tproxy).
    pub(super) mode: Mode,
    /// The servers' control ports.
    pub(super) ports: Vec<PortRange>,
    /// Where the listener takes them.
    pub(super) at: Vec<SocketAddr>,
    /// Data ports, ours and told as the server's.
    pub(super) data: PortRange,
    /// Of each family, whose connections.
    pub(super) v4: Option<Sources>,
    pub(super) v6: Option<Sources>,
}

/// Connections to let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    /// The listener's name.
    pub(super) listener: String,
    pub(super) purpose: Purpose,
    /// On this machine.
    pub(super) ports: PortRange,
    /// Where the same ports are for those outside of a NAT, if they have other numbers there:
    /// pairs of inside and outside, each of one length.
    pub(super) outside: Vec<(PortRange, PortRange)>,
    /// Of each family, whom to let in; `None` is nobody, as none of our addresses is of it.
    pub(super) v4: Option<Sources>,
    pub(super) v6: Option<Sources>,
}

/// What the connections are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Where clients begin.
    Control,
    /// Passive mode, towards clients.
    ClientData,
    /// Active mode, towards the server of this name.
    ServerData(String),
}

impl Purpose {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Control => "control connections".into(),
            Self::ClientData => "data connections of clients".into(),
            Self::ServerData(server) => format!("data connections of {server}"),
        }
    }
}

/// Whose connections, of one address family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// Empty is everybody.
    pub(super) from: Vec<IpNet>,
    /// But not these.
    pub(super) except: Vec<IpNet>,
    /// At these of our addresses; empty is all of them.
    pub(super) to: Vec<IpAddr>,
}

impl Sources {
    pub(super) fn is_everybody(&self) -> bool {
        *self == Self::default()
    }
}

impl Opening {
    /// Let in from anywhere, to any of our addresses, in both families.
    pub(super) fn is_for_all(&self) -> bool {
        [&self.v4, &self.v6].into_iter().all(|s| s.as_ref().is_some_and(Sources::is_everybody))
    }

    /// The families it is for, with their sources.
    pub(super) fn families(&self) -> impl Iterator<Item = (Family, &Sources)> {
        let v4 = self.v4.iter().map(|sources| (Family::V4, sources));
        v4.chain(self.v6.iter().map(|sources| (Family::V6, sources)))
    }

    /// Pairs of inside and outside ports.
    pub(super) fn mappings(&self) -> Vec<(PortRange, PortRange)> {
        if self.outside.is_empty() { vec![(self.ports, self.ports)] } else { self.outside.clone() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// Its network of everybody.
    pub(super) const fn all(self) -> &'static str {
        match self {
            Self::V4 => "0.0.0.0/0",
            Self::V6 => "::/0",
        }
    }

    fn has(self, ip: IpAddr) -> bool {
        ip.is_ipv4() == (self == Self::V4)
    }
}

impl Plan {
    pub(super) fn of(config: &Config) -> Self {
        let mut openings = Vec::new();
        let transparent = config.listeners.iter().filter(|l| l.mode.is_transparent());
        let catches = transparent.map(Catch::of).collect();
        // What tproxy delivers comes by its mark, whatever the port.
        for listener in config.listeners.iter().filter(|l| l.mode != Mode::Tproxy) {
            for opening in of_listener(listener) {
                if !openings.contains(&opening) {
                    openings.push(opening);
                }
            }
        }
        let handed = config.listeners.iter().filter(|listener| !listener.handed.is_empty());
        let note = |listener: &ListenerConfig| {
            let name = &listener.name;
            format!("{name}: its control ports are those of the .socket unit; let them in as well.")
        };
        let mut notes: Vec<String> = handed.map(note).collect();
        let wide = openings
            .iter()
            .filter(|o: &&Opening| matches!(o.purpose, Purpose::ServerData(_)) && o.is_for_all());
        notes.extend(wide.map(|Opening { listener, purpose, .. }| {
            let what = purpose.words();
            format!("{listener}: {what} are let in from everywhere, as only its name is known here; narrow them.")
        }));
        Self { openings, catches, notes }
    }
}

impl Catch {
    fn of(listener: &ListenerConfig) -> Self {
        let at: Vec<IpAddr> = listener.bind.iter().map(SocketAddr::ip).collect();
        let who = Who { allow: &listener.access.allow, deny: &listener.access.deny };
        // Clients aim at the server, never at us.
        let of = |family| sources(family, &at, who).map(|s| Sources { to: Vec::new(), ..s });
        Self {
            listener: listener.name.clone(),
            mode: listener.mode,
            ports: listener.destinations.ports.clone(),
            at: listener.bind.clone(),
            data: listener.data.downstream.range,
            v4: of(Family::V4),
            v6: of(Family::V6),
        }
    }

    /// The families it is for: whose connections, and where they go.
    pub(super) fn families(&self) -> impl Iterator<Item = (Family, &Sources, SocketAddr)> {
        let at = |family: Family| self.at.iter().copied().find(|at| family.has(at.ip()));
        let v4 = self.v4.iter().filter_map(move |of| Some((Family::V4, of, at(Family::V4)?)));
        v4.chain(self.v6.iter().filter_map(move |of| Some((Family::V6, of, at(Family::V6)?))))
    }
}

fn of_listener(listener: &ListenerConfig) -> Vec<Opening> {
    let mut ports: Vec<u16> = listener.bind.iter().map(SocketAddr::port).collect();
    ports.sort_unstable();
    ports.dedup();
    let opening = |purpose, ports, outside, to: &[IpAddr], who: Who<'_>| Opening {
        listener: listener.name.clone(),
        purpose,
        ports,
        outside,
        v4: sources(Family::V4, to, who),
        v6: sources(Family::V6, to, who),
    };
    let clients = Who { allow: &listener.access.allow, deny: &listener.access.deny };
    let mut openings = Vec::new();
    for port in ports {
        let at = listener.bind.iter().filter(|addr| addr.port() == port);
        let at: Vec<IpAddr> = at.map(SocketAddr::ip).collect();
        let range = PortRange { first: port, last: port };
        openings.push(opening(Purpose::Control, range, Vec::new(), &at, clients));
    }
    let mut all: Vec<IpAddr> = listener.bind.iter().map(SocketAddr::ip).collect();
    if !listener.handed.is_empty() {
        // Where these listen is for the service manager to say.
        all.extend([IpAddr::from([0; 4]), IpAddr::from([0; 16])]);
    }
    let data = &listener.data.downstream;
    let at = data.bind.map_or(all.clone(), |ip| vec![ip]);
    openings.push(opening(Purpose::ClientData, data.range, outside(data), &at, clients));
    if let Some(ports) = listener.mirrored() {
        openings.push(opening(Purpose::ClientData, ports, Vec::new(), &at, clients));
    }
    if listener.policy.lets_server_in() {
        let server = &listener.upstream;
        let host = server.address.as_ref().map(|address| &address.host);
        let literal: Option<IpAddr> = host.and_then(|host| host.parse().ok());
        let only: Vec<IpNet> = literal.map(IpNet::from).into_iter().collect();
        let who = Who { allow: &only, deny: &[] };
        let purpose = Purpose::ServerData(host.map_or("servers".into(), String::clone));
        // Which of our addresses the server sees is for the routes to say.
        let any = |ip: IpAddr| match ip {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        let at = literal.map_or(vec![[0; 4].into(), [0; 16].into()], |ip| vec![any(ip)]);
        openings.push(opening(purpose, listener.data.upstream.range, Vec::new(), &at, who));
    }
    openings
}

/// Networks as configured; none at all is everybody.
#[derive(Clone, Copy)]
struct Who<'a> {
    allow: &'a [IpNet],
    deny: &'a [IpNet],
}

/// `None` when none of our addresses, or none of the sources, is of this family.
fn sources(family: Family, at: &[IpAddr], who: Who<'_>) -> Option<Sources> {
    let mut to: Vec<IpAddr> = at.iter().copied().filter(|ip| family.has(*ip)).collect();
    let mut from: Vec<IpNet> =
        who.allow.iter().copied().filter(|net| family.has(net.addr())).collect();
    if to.is_empty() || (from.is_empty() && !who.allow.is_empty()) {
        return None;
    }
    to.sort_unstable();
    to.dedup();
    if to.iter().any(IpAddr::is_unspecified) {
        to.clear();
    }
    if from.iter().any(|net| net.prefix_len() == 0) {
        from.clear();
    }
    let except = who.deny.iter().copied().filter(|net| family.has(net.addr())).collect();
    Some(Sources { from, except, to })
}

/// The ports as they are outside, in runs: 50000-50010 inside is 40000-40010 outside.
fn outside(options: &PortOptions) -> Vec<(PortRange, PortRange)> {
    if options.expose == Expose::Same {
        return Vec::new();
    }
    let mut runs: Vec<(PortRange, PortRange)> = Vec::new();
    for inside in options.range.first..=options.range.last {
        let Some(told) = options.expose.told(inside) else { continue };
        match runs.last_mut() {
            Some((own, outer))
                if own.last.checked_add(1) == Some(inside)
                    && outer.last.checked_add(1) == Some(told) =>
            {
                own.last = inside;
                outer.last = told;
            }
            _ => {
                let one = |port| PortRange { first: port, last: port };
                runs.push((one(inside), one(told)));
            }
        }
    }
    runs
}

/// `21`, or `60000` and a separator and `60010`.
pub(super) fn span(ports: PortRange, separator: &str) -> String {
    if ports.first == ports.last {
        return ports.first.to_string();
    }
    format!("{}{separator}{}", ports.first, ports.last)
}
