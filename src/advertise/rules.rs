//! Which address a client is told, and why: a pure decision.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::options::{AdvertiseOptions, Mapping, Source};
use crate::limits::covers;

/// An address to tell, and the rule that chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// What goes into 227 (or into an upstream PORT); of the client's address family.
    pub(crate) address: IpAddr,
    /// Why.
    pub(crate) rule: RuleName,
}

/// The rule that chose an address. `Display` is for logs (with the network of an explicit rule).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleName {
    /// The client aims at a server, and is told that server's address (P173).
    Original,
    /// An explicit rule for the client's network.
    Network(IpNet),
    /// The map of addresses that the client reached at a balancer.
    Proxy,
    /// A private client on a private local address.
    Lan,
    /// The configured address, literal or name.
    Address,
    /// The watched file.
    File,
    /// The local address is globally routable.
    Local,
    /// The cloud's metadata.
    Cloud,
    /// The router that maps our ports.
    Router,
    /// The STUN server's answer.
    Stun,
    /// Nothing fitted: the local address, which is probably wrong.
    Fallback,
}

impl RuleName {
    /// Short and stable, for logs and metrics: a closed set.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Network(_) => "network",
            Self::Proxy => "proxy",
            Self::Lan => "lan",
            Self::Address => "address",
            Self::File => "file",
            Self::Local => "local",
            Self::Cloud => "cloud",
            Self::Router => "router",
            Self::Stun => "stun",
            Self::Fallback => "fallback",
        }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(net) => write!(f, "network {net}"),
            other => f.write_str(other.label()),
        }
    }
}

/// One address of each family: IPv4 and IPv6 never stand in for each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The IPv4 address.
    pub(crate) v4: Option<Ipv4Addr>,
    /// The IPv6 address.
    pub(crate) v6: Option<Ipv6Addr>,
}

impl Addresses {
    /// The one that `peer` could use.
    fn like(self, peer: IpAddr) -> Option<IpAddr> {
        match peer {
            IpAddr::V4(_) => self.v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.v6.map(IpAddr::V6),
        }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.v4, self.v6) {
            (Some(v4), Some(v6)) => write!(f, "{v4}, {v6}"),
            (Some(v4), None) => v4.fmt(f),
            (None, Some(v6)) => v6.fmt(f),
            (None, None) => f.write_str("none"),
        }
    }
}

/// What the sources that change over time hold now. Absent = never had an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Last good answer for each configured name.
    pub(crate) names: BTreeMap<String, Addresses>,
    /// Last good content of the watched file.
    pub(crate) file: Option<Addresses>,
    /// Last good answer of the cloud's metadata; none of either family is one too.
    pub(crate) cloud: Option<Addresses>,
    /// What the router calls itself outside, while it maps ports for us.
    pub(crate) router: Option<Addresses>,
    /// Last good answer of the STUN server.
    pub(crate) stun: Option<Addresses>,
    /// Our default gateways: who comes from there may be anybody (P177).
    pub(crate) gateways: Vec<IpAddr>,
}

/// The address to tell `client`, which reached us on `local`; `None` when none is valid, to be
/// answered with 425 (P66). First match of: a rule for the client's network, the map of a balancer's
/// addresses, LAN, configured address, file, public local address, what was found out
/// ([`found_out`]), and at last the local address as it is.
///
/// A configured address stands before a public local one: who wrote it down wants it told.
/// A source that is configured but has no answer never falls through to an inner address.
pub(crate) fn choose(
    options: &AdvertiseOptions,
    known: &Known,
    client: IpAddr,
    local: IpAddr,
) -> Option<Choice> {
    let (client, local) = (client.to_canonical(), local.to_canonical());
    if options.original {
        return Some(Choice { address: local, rule: RuleName::Original });
    }
    let found = |rule| move |address| Choice { address, rule };
    if let Some(rule) = options.rules.iter().find(|r| covers(&r.clients, client)) {
        return value(&rule.address, known, local).map(found(RuleName::Network(rule.clients)));
    }
    if options.proxied
        && let Some(&address) = options.proxy_map.get(&local)
    {
        return Some(Choice { address, rule: RuleName::Proxy });
    }
    let lan = options.lan != Some(false) && is_private(client) && is_private(local);
    let lan = lan.then_some(Choice { address: local, rule: RuleName::Lan });
    if lan.is_some() && !known.gateways.contains(&client) {
        return lan;
    }
    // Our own gateway, or those whose address it hides and who do not see our local one.
    let outer = outer(options, known, client, local);
    let found = outer.filter(|choice| choice.rule != RuleName::Fallback);
    found.or(lan).or(outer)
}

/// What is told to who is not in the LAN.
fn outer(
    options: &AdvertiseOptions,
    known: &Known,
    client: IpAddr,
    local: IpAddr,
) -> Option<Choice> {
    let source = if local.is_ipv4() { &options.address } else { &options.address6 };
    if let Some(choice) = source.as_ref().and_then(|s| value(s, known, local)) {
        return Some(Choice { address: choice, rule: RuleName::Address });
    }
    let from_file = known.file.and_then(|addresses| addresses.like(local));
    if let Some(address) = from_file {
        return Some(Choice { address, rule: RuleName::File });
    }
    // A file that was read and names no address of this family says nothing about it.
    let unread = options.file.is_some() && known.file.is_none();
    if source.is_some() || unread {
        return None;
    }
    if is_public(local) {
        return Some(Choice { address: local, rule: RuleName::Local });
    }
    if let Some(choice) = found_out(known, client, local) {
        return Some(choice);
    }
    // These were asked for by the operator; the cloud is only looked for.
    let mapping = options.mapping != Mapping::Off && local.is_ipv4();
    let silent = mapping || (options.stun.is_some() && known.stun.is_none());
    (!silent).then_some(Choice { address: local, rule: RuleName::Fallback })
}

/// What nobody wrote down: the cloud's answer, else the router's, else that of STUN. A private one
/// (the router has a NAT in front of itself) is right for private clients alone.
fn found_out(known: &Known, client: IpAddr, local: IpAddr) -> Option<Choice> {
    let answers = [
        (RuleName::Cloud, known.cloud),
        (RuleName::Router, known.router),
        (RuleName::Stun, known.stun),
    ];
    answers.into_iter().find_map(|(rule, answer)| {
        let address = answer?.like(local)?;
        (is_public(address) || is_private(client)).then_some(Choice { address, rule })
    })
}

/// What a source says to somebody who reached us on `local`.
fn value(source: &Source, known: &Known, local: IpAddr) -> Option<IpAddr> {
    match source {
        Source::Literal(ip) => Some(ip.to_canonical()).filter(|ip| ip.is_ipv4() == local.is_ipv4()),
        Source::Name(name) => known.names.get(name).and_then(|addresses| addresses.like(local)),
        Source::Local => Some(local),
    }
}

/// Inside some network and unknown outside of it: RFC 1918, 4193, 6598, link-local, loopback.
pub(crate) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && b & 0xc0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

/// Globally routable. Documentation ranges count: they stand for public addresses in every lab,
/// and nobody else has one.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    let unicast = match ip.to_canonical() {
        IpAddr::V4(ip) => (1..=223).contains(&ip.octets()[0]),
        IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000,
    };
    unicast && !is_private(ip)
}

#[cfg(test)]
mod tests;
