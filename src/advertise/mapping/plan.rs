//! Which ports are asked for, and what the operator is told of it: pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::super::rules::is_private;
use super::router::{Link, Protocol, Refused};
use crate::data::ports::PortPool;

/// Data ports that a router is asked for: each is an entry in its table and a request of its own,
/// and many have room for no more.
const MOST: usize = 64;

/// The ports to map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Listened port, and the number to have outside if possible; control ports first.
    pub(super) ports: Vec<(u16, u16)>,
    /// Data ports beyond [`MOST`].
    pub(super) left_out: usize,
    /// Control listeners that the router cannot forward to.
    pub(super) elsewhere: Vec<SocketAddr>,
}

impl Wanted {
    /// Of listeners as bound, and their data ports, behind a router that forwards to `local`.
    pub(super) fn new(controls: &[SocketAddr], pools: &[Arc<PortPool>], local: Ipv4Addr) -> Self {
        let mut wanted = Self::default();
        for control in controls.iter().filter(|control| control.is_ipv4()) {
            if control.ip().is_unspecified() || control.ip() == IpAddr::V4(local) {
                wanted.add(control.port(), control.port());
            } else if !control.ip().is_loopback() {
                wanted.elsewhere.push(*control);
            }
        }
        let controls = wanted.ports.len();
        for (port, told) in pools.iter().flat_map(|pool| pool.offered()) {
            if wanted.ports.len() - controls < MOST {
                wanted.add(port, told);
            } else {
                wanted.left_out += 1;
            }
        }
        wanted
    }

    fn add(&mut self, port: u16, told: u16) {
        if !self.ports.iter().any(|(known, _)| *known == port) {
            self.ports.push((port, told));
        }
    }
}

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// All is well.
    Info(String),
    /// Somebody has to do something.
    Warn(String),
}

/// Says what was not said last time.
pub(super) fn tell(words: &[Word], told: &mut Vec<Word>) {
    for word in words.iter().filter(|word| !told.contains(word)) {
        match word {
            Word::Info(line) => tracing::info!("{line}"),
            Word::Warn(line) => tracing::warn!("{line}"),
        }
    }
    *told = words.to_vec();
}

/// The router, for the words about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    pub(super) link: Link,
    pub(super) protocol: Protocol,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) lease: Option<Duration>,
}

/// What is mapped, what is not and why, and what it means.
pub(super) fn words(
    who: Who,
    wanted: &Wanted,
    ports: &BTreeMap<u16, u16>,
    refused: &[(u16, String)],
) -> Vec<Word> {
    let Who { link: Link { gateway, local }, protocol, address, lease } = who;
    let lease = match lease {
        Some(lease) => format!("leased for {} min", lease.as_secs() / 60),
        None => "until they are removed: it takes no lease".into(),
    };
    let mapped = ranges(ports.keys().copied());
    let outside = address.map_or("address unknown".into(), |ip| ip.to_string());
    let mut words = vec![Word::Info(format!(
        "the router {gateway} ({protocol}), outside {outside}, forwards TCP {mapped} to {local}, {lease}"
    ))];
    let renamed: Vec<String> = (ports.iter())
        .filter(|(port, outside)| !wanted.ports.contains(&(**port, **outside)))
        .map(|(port, outside)| format!("{port} as {outside}"))
        .collect();
    if !renamed.is_empty() {
        let renamed = renamed.join(", ");
        words.push(Word::Warn(format!(
            "the router has other numbers outside for TCP {renamed}: clients of a control port have \
             to name that one"
        )));
    }
    if let Some((_, why)) = refused.first() {
        let left = ranges(refused.iter().map(|(port, _)| *port));
        words.push(Word::Warn(format!(
            "the router refuses TCP {left} ({why}): {}",
            by_hand(&left, who.link)
        )));
    }
    words.extend(bounds(wanted, local).map(Word::Warn));
    words.extend(address.and_then(behind_another).map(Word::Warn));
    words
}

/// A router that has gone silent while it maps ports for us.
pub(super) fn unheard(who: Who, why: &str) -> Word {
    Word::Warn(format!(
        "the router {} renews no mapping ({why}): they end with their lease unless it answers again",
        who.link.gateway
    ))
}

fn bounds(wanted: &Wanted, local: Ipv4Addr) -> impl Iterator<Item = String> {
    let left_out = (wanted.left_out > 0).then(|| {
        format!(
            "a router is asked for {MOST} data ports, and {} of the range are left out: clients \
             outside do with those; a smaller `ports` says the same",
            wanted.left_out
        )
    });
    let elsewhere = wanted.elsewhere.iter().map(move |control| {
        format!("{control} is not mapped: the router forwards to {local}, not to that address")
    });
    left_out.into_iter().chain(elsewhere.collect::<Vec<_>>())
}

/// A router whose own address is private has another NAT in front of itself.
pub(crate) fn behind_another(address: Ipv4Addr) -> Option<String> {
    let [a, b, ..] = address.octets();
    if a == 100 && b & 0xc0 == 64 {
        return Some(format!(
            "the router's own address outside, {address}, is one that a provider shares among its \
             customers (carrier-grade NAT): nobody can connect from the Internet; ask the provider \
             for a public IPv4 address, or let clients use IPv6"
        ));
    }
    is_private(address.into()).then(|| {
        format!(
            "the router's own address outside, {address}, is private: there is another router in \
             front of it, which has to forward the same ports to {address}"
        )
    })
}

/// What may be the cause when a router that can be spoken to maps nothing; `address`: what it said
/// of its own outside.
pub(super) fn behind_refusal(address: Result<Option<Ipv4Addr>, Refused>) -> Option<String> {
    match address {
        Ok(Some(ip)) if !ip.is_unspecified() => behind_another(ip),
        Err(refused) if refused.silent => None,
        Ok(_) | Err(_) => Some(
            "the router tells no public address of its own: it is not connected, or its provider \
             shares one among customers (carrier-grade NAT), and then nobody can connect from the \
             Internet"
                .into(),
        ),
    }
}

/// What to do when no protocol helps; `said`: what each of them met, `behind`: why perhaps.
pub(super) fn nothing_mapped(
    link: Link,
    wanted: &Wanted,
    said: &str,
    behind: Option<&str>,
) -> String {
    let ports = ranges(wanted.ports.iter().map(|(port, _)| *port));
    let behind = behind.map(|cause| format!(". {cause}")).unwrap_or_default();
    format!(
        "the router {} maps no port ({said}): {}, and set [advertise] address to its public \
         address; or turn on port mapping (PCP, NAT-PMP, UPnP) in it{behind}",
        link.gateway,
        by_hand(&ports, link)
    )
}

fn by_hand(ports: &str, Link { gateway, local }: Link) -> String {
    format!("forward TCP {ports} on the router ({gateway}) to {local} by hand")
}

/// `21, 60000-60010`.
fn ranges(ports: impl Iterator<Item = u16>) -> String {
    let mut sorted: Vec<u16> = ports.collect();
    sorted.sort_unstable();
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for port in sorted {
        match runs.last_mut() {
            Some((_, last)) if u32::from(port) <= u32::from(*last) + 1 => *last = port,
            _ => runs.push((port, port)),
        }
    }
    let run = |(first, last): (u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
