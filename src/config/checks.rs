//! What is wrong between values that are each right: errors that would surface at run time, and
//! warnings that speak in consequences.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::door::Door;
use super::problem::{Place, Problem};
use super::tuning;
use crate::advertise::options::Source;
use crate::data::options::{DataOptions, Expose, PortOptions, PortRange};
use crate::session::policy::Rfc6384;
use crate::upstream::destinations::Mode;

/// How long a translator's data port waits at least.
const TRANSLATED: Duration = Duration::from_secs(30);

/// What the kernel does; empty when it is not known.
#[derive(Debug, Clone, Default)]
pub(super) struct Kernel {
    /// Where it takes the ports of outgoing connections from.
    pub(super) ephemeral: Option<PortRange>,
    /// Which of these it leaves alone.
    pub(super) reserved: Vec<PortRange>,
    pub(super) tuning: tuning::Kernel,
}

impl Kernel {
    /// From the texts of `ip_local_port_range` and `ip_local_reserved_ports`.
    pub(super) fn parse(range: &str, reserved: &str) -> Self {
        let mut bounds = range.split_ascii_whitespace().map(str::parse::<u16>);
        let ephemeral = match (bounds.next(), bounds.next()) {
            (Some(Ok(first)), Some(Ok(last))) => Some(PortRange { first, last }),
            _ => None,
        };
        let reserved = reserved.trim().split(',').filter_map(|r| r.parse().ok()).collect();
        Self { ephemeral, reserved, ..Self::default() }
    }

    /// Whether an outgoing connection may be given a port of the range.
    fn may_take(&self, range: PortRange) -> bool {
        let Some(ephemeral) = self.ephemeral else { return false };
        let taken = |port: &u16| {
            contains(ephemeral, *port) && !self.reserved.iter().any(|&r| contains(r, *port))
        };
        (range.first..=range.last).any(|port| taken(&port))
    }
}

/// Everything that is wrong between the listeners and within each.
pub(super) fn all(doors: &[Door], kernel: &Kernel) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (n, door) in doors.iter().enumerate() {
        let earlier = doors.get(..n).unwrap_or_default();
        addresses(door, earlier, &mut problems);
        problems.extend(earlier.iter().filter_map(|other| handed(door, other)));
        ranges(door, kernel, &mut problems);
        problems.extend(earlier.iter().filter_map(|other| pools(door, other)));
        problems.extend(doors.iter().filter_map(|other| door_in_range(door, other)));
        problems.extend(forwarded(door, n, doors));
        problems.extend(short_wait(door));
        problems.extend(tuning::problems(door, &kernel.tuning));
        problems.extend(private_address(door));
        problems.extend(tproxy_everywhere(door));
        problems.extend(earlier.iter().find_map(|other| acme(door, other)));
    }
    problems
}

/// Each address once.
fn addresses(door: &Door, earlier: &[Door], problems: &mut Vec<Problem>) {
    let mut taken: Vec<(SocketAddr, Option<&Place>)> = earlier.iter().flat_map(pairs).collect();
    for (address, place) in pairs(door) {
        let clash = taken.iter().find(|(other, _)| same_address(address, *other));
        if let Some((other, first)) = clash {
            let mut problem = Problem::error(format!("{address} is taken by {other}"))
                .within(place.or(door.place.as_ref()))
                .about(format!("listener.{}.bind", door.config.name));
            if let Some(first) = first {
                problem = problem.context(first, "here");
            }
            problems.push(problem);
        }
        taken.push((address, place));
    }
}

/// A socket handed over is one listener's.
fn handed(door: &Door, other: &Door) -> Option<Problem> {
    let shared = door.config.handed.iter().find(|name| other.config.handed.contains(name))?;
    let (what, remedy) = match shared {
        Some(name) => (format!("the socket \"{name}\""), "each takes sockets of its own"),
        None => {
            let remedy = "name them: bind = \"systemd:NAME\", as in FileDescriptorName=NAME";
            ("what the service manager hands over".to_owned(), remedy)
        }
    };
    let reason = format!("listener `{}` takes {what} already", other.config.name);
    let problem = Problem::error(reason).within(door.place.as_ref()).remedy(remedy);
    Some(problem.about(format!("listener.{}.bind", door.config.name)))
}

fn pairs(door: &Door) -> impl Iterator<Item = (SocketAddr, Option<&Place>)> {
    door.config.bind.iter().copied().zip(door.binds.iter().map(Option::as_ref))
}

/// Whether two sockets cannot both listen; port 0 is a port of its own each time.
fn same_address(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.port() != 0 && overlap(a.ip(), b.ip())
}

/// Whether one of the addresses contains the other.
fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
}

fn contains(range: PortRange, port: u16) -> bool {
    (range.first..=range.last).contains(&port)
}

fn intersect(a: PortRange, b: PortRange) -> bool {
    a.first <= b.last && b.first <= a.last
}

/// A listener's own ranges, by themselves and against each other.
fn ranges(door: &Door, kernel: &Kernel, problems: &mut Vec<Problem>) {
    let (data, places) = (&door.config.data, &door.places);
    let mut sides = vec![("data.ports", &data.downstream, &places.ports)];
    if door.config.policy.lets_server_in() {
        sides.push(("data.upstream_ports", &data.upstream, &places.upstream_ports));
        if intersect(data.downstream.range, data.upstream.range) {
            let place = places.upstream_ports.as_ref().or(places.ports.as_ref());
            problems.push(
                Problem::error(format!(
                    "`ports` {} and `upstream_ports` {} overlap: clients and servers would meet",
                    data.downstream.range, data.upstream.range
                ))
                .within(place)
                .about("data.upstream_ports"),
            );
        }
    }
    for (key, options, place) in sides {
        if !(options.range.first..=options.range.last).any(|port| usable(options, port)) {
            let reason = format!("no port of {} is left to give out", options.range);
            let problem = Problem::error(reason).within(place.as_ref()).about(key);
            problems.push(problem.remedy("widen the range or shorten the list of those to avoid"));
        } else if kernel.may_take(options.range) {
            problems.push(ephemeral(options.range, kernel).within(place.as_ref()).about(key));
        }
    }
}

fn usable(options: &PortOptions, port: u16) -> bool {
    let told = match &options.expose {
        Expose::Map(map) => map.contains_key(&port),
        Expose::Same | Expose::Shift(_) | Expose::Any(_) => true,
    };
    told && !options.avoid.contains(&port)
}

fn ephemeral(range: PortRange, kernel: &Kernel) -> Problem {
    let own = kernel.ephemeral.map(|r| r.to_string()).unwrap_or_default();
    Problem::warning(format!(
        "{range} overlaps the range of outgoing connections {own}: \
         a port that one of them holds cannot be given out"
    ))
    .remedy(format!(
        "set net.ipv4.ip_local_reserved_ports={range} with sysctl, or choose a lower range"
    ))
}

/// Two listeners with one and the same range share it; with ranges that only overlap, each finds
/// ports held by the other.
fn pools(door: &Door, other: &Door) -> Option<Problem> {
    let (a, b) = (&door.config.data.downstream, &other.config.data.downstream);
    let same = a.range == b.range
        && a.avoid == b.avoid
        && a.expose == b.expose
        && a.bind == b.bind
        && a.peers == b.peers
        && a.tuning == b.tuning;
    if same || !intersect(a.range, b.range) || !share_address(door, other) {
        return None;
    }
    let reason = format!(
        "{} overlaps {} of listener `{}`, with other settings: \
         a port held by one cannot be given out by the other",
        a.range, b.range, other.config.name
    );
    let place = door.places.ports.as_ref().or(door.place.as_ref());
    let problem = Problem::warning(reason).within(place);
    Some(problem.about(format!("listener.{}.data.ports", door.config.name)))
}

/// Where the data ports of a listener listen.
fn data_addresses(door: &Door) -> Vec<IpAddr> {
    match door.config.data.downstream.bind {
        Some(ip) => vec![ip],
        None => door.config.bind.iter().map(SocketAddr::ip).collect(),
    }
}

fn share_address(door: &Door, other: &Door) -> bool {
    let theirs = data_addresses(other);
    data_addresses(door).iter().any(|&a| theirs.iter().any(|&b| overlap(a, b)))
}

/// A listener's own port must not be one of a data range, its own or another's.
fn door_in_range(door: &Door, other: &Door) -> Option<Problem> {
    let range = other.config.data.downstream.range;
    let theirs = data_addresses(other);
    let (address, place) = pairs(door).find(|(address, _)| {
        contains(range, address.port()) && theirs.iter().any(|&ip| overlap(ip, address.ip()))
    })?;
    let mut problem = Problem::error(format!(
        "port {} is one of the data ports {range}: it cannot be both",
        address.port()
    ))
    .within(place.or(door.place.as_ref()));
    if let Some(ports) = &other.places.ports {
        problem = problem.context(ports, "the data ports");
    }
    Some(problem.about(format!("listener.{}.bind", door.config.name)))
}

/// The rule that keeps packets for sockets with others' addresses would keep those for this port
/// too, whomever they are for.
fn tproxy_everywhere(door: &Door) -> Option<Problem> {
    let (address, place) = pairs(door).find(|(address, _)| address.ip().is_unspecified())?;
    if door.config.mode != Mode::Tproxy {
        return None;
    }
    let port = address.port();
    let problem = Problem::warning(format!(
        "{address} listens on port {port} of every server: with `socket transparent` in the firewall \
         their own clients come here too"
    ));
    let problem = problem.within(place).about(format!("listener.{}.bind", door.config.name));
    let remedy =
        format!("bind = [\"127.0.0.1:{port}\", \"[::1]:{port}\"], as tproxy needs no more");
    Some(problem.remedy(remedy))
}

/// Ports that lead to the server cannot be anything else as well. `number` is the door's among all.
fn forwarded(door: &Door, number: usize, doors: &[Door]) -> Option<Problem> {
    let range = door.config.mirrored()?;
    let near = doors.iter().enumerate().filter(|(_, other)| share_address(door, other));
    let clash = near.into_iter().find_map(|(n, other)| {
        let data = &other.config.data;
        let let_in = other.config.policy.lets_server_in();
        let ranges = [
            ("ports", Some(data.downstream.range)),
            ("upstream_ports", Some(data.upstream.range).filter(|_| let_in)),
            ("passthrough_ports", other.config.mirrored().filter(|_| n < number)),
        ];
        let taken = ranges.into_iter().find_map(|(key, other)| {
            let other = other.filter(|other| intersect(*other, range))?;
            Some(format!("`{key}` {other}"))
        });
        let mut own = other.config.bind.iter();
        let own = || own.find(|address| contains(range, address.port())).map(ToString::to_string);
        Some(format!("{} of listener `{}`", taken.or_else(own)?, other.config.name))
    })?;
    let reason = format!("`passthrough_ports` {range} overlap {clash}: a port leads to one place");
    let place = door.places.forwarded.as_ref().or(door.place.as_ref());
    Some(Problem::error(reason).within(place).about("data.passthrough_ports"))
}

/// Two certificates kept in one file.
fn acme(door: &Door, other: &Door) -> Option<Problem> {
    let of = |door: &Door| door.config.tls.as_ref()?.acme.clone();
    let (ours, theirs) = (of(door)?, of(other)?);
    if ours == theirs || ours.files() != theirs.files() {
        return None;
    }
    let reason = format!(
        "listener `{}` has the first name and `dir` of this certificate, but not all else: each \
         would overwrite the other's",
        other.config.name
    );
    let problem = Problem::error(reason).within(door.place.as_ref());
    let remedy = "write the same `acme` for both, or give one another `dir`";
    Some(problem.about(format!("listener.{}.tls.acme", door.config.name)).remedy(remedy))
}

/// A data port that is given up too early for RFC 6384 §12 (P101).
fn short_wait(door: &Door) -> Option<Problem> {
    let DataOptions { accept, .. } = door.config.data;
    if door.config.policy.rfc6384 == Rfc6384::Off || accept >= TRANSLATED {
        return None;
    }
    let reason = format!("a translator's data ports have to wait {TRANSLATED:?} (RFC 6384)");
    let problem = Problem::warning(reason).within(door.place.as_ref());
    Some(problem.about(format!("listener.{}.timeouts.data_accept", door.config.name)))
}

/// A private address told to the whole world.
fn private_address(door: &Door) -> Option<Problem> {
    let config = &door.config;
    let Some(Source::Literal(ip)) = config.advertise.address else { return None };
    let world = config.access.allow.iter().any(|net| net.addr().is_ipv4() && net.prefix_len() == 0);
    let outside = config.bind.iter().any(|address| !address.ip().is_loopback());
    if !is_private(ip) || !world || !outside || !config.advertise.rules.is_empty() {
        return None;
    }
    Some(
        Problem::warning(format!(
            "{ip} is a private address: clients outside of its network can log in to \
             listener `{}`, but open no data connection",
            config.name
        ))
        .within(door.places.address.as_ref())
        .about("advertise.address")
        .remedy("advertise the public address, or let only private networks in with `clients`"),
    )
}

/// Not reachable over the Internet (RFC 1918, RFC 6598, RFC 3927, loopback).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
