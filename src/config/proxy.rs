//! PROXY protocol: what balancers in front of a listener say, what we say to a server, and what
//! their addresses are to clients.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::item::Item;
use super::problem::Problem;
use super::section::Section;
use super::settings::Settings;
use super::value;
use crate::data::options::Peers;
use crate::net::balancers::{Balancers, HeaderOptions};
use crate::net::proxy_header::Version;
use crate::upstream::destinations::Mode;

/// On which connections of a listener a header has to come first (P164).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    None,
    Control,
    Data,
    Both,
}

const ON: &[(&str, On)] =
    &[("none", On::None), ("control", On::Control), ("data", On::Data), ("both", On::Both)];

/// Which version goes to a server, if any.
pub(super) const VERSIONS: &[(&str, Option<Version>)] =
    &[("none", None), ("v1", Some(Version::V1)), ("v2", Some(Version::V2))];

/// As read.
#[derive(Debug)]
pub(super) struct Balanced {
    on: On,
    from: Balancers,
}

impl Balanced {
    /// Reads the keys of a listener.
    pub(super) fn read(s: &mut Section<'_>, mode: Mode) -> Self {
        let on = s.take("proxy_protocol", value::choice(ON));
        let wrong = on.is_none() && s.written("proxy_protocol").is_some();
        let on = on.unwrap_or(On::None);
        if let (true, Some(place)) = (mode.is_transparent(), s.written("proxy_protocol"))
            && on != On::None
        {
            let reason =
                "clients aim at their servers here: no balancer comes before this listener";
            s.report("proxy_protocol", Problem::error(reason).at(&place));
        }
        let place = s.place_of("proxy_from");
        let from = match &place {
            Some(_) => s.list("proxy_from", value::network),
            None => Some(Vec::new()),
        };
        if let Some(from) = from.as_ref().filter(|_| !wrong)
            && let Some(problem) = odd(on, from, place.is_some())
        {
            s.report("proxy_from", problem.within(place.as_ref().or(s.place())));
        }
        Self { on, from: from.unwrap_or_default().into() }
    }

    /// Gives a listener's settings what depends on it; what is left is for its door.
    pub(super) fn instruct(self, settings: &mut Settings) -> Option<HeaderOptions> {
        let header = HeaderOptions { from: self.from, within: settings.proxy_header };
        settings.data.downstream.peers = match self.on {
            On::None => Peers::Direct,
            On::Control => Peers::Hidden(header.from.clone()),
            On::Data | On::Both => Peers::Announced(header.clone()),
        };
        let control = matches!(self.on, On::Control | On::Both);
        settings.advertise.proxied = control;
        control.then_some(header)
    }
}

/// Who believes anybody believes a spoofed client (S37).
fn odd(on: On, from: &[IpNet], written: bool) -> Option<Problem> {
    match (on, from) {
        (On::None, _) if written => Some(
            Problem::error("without `proxy_protocol` nobody is asked for a PROXY header")
                .remedy("add proxy_protocol = \"both\", \"control\" or \"data\""),
        ),
        (On::None, _) => None,
        (_, []) => Some(
            Problem::error("whose PROXY header is to be believed is not said")
                .remedy("name the balancers: proxy_from = [\"10.0.0.5\", \"10.0.1.0/24\"]"),
        ),
        _ if from.iter().any(|net| net.prefix_len() == 0) => Some(
            Problem::warning(
                "everybody is believed, and so can claim to be any client: access lists, limits \
                 and the check of data connections are without effect",
            )
            .remedy("name the balancers alone"),
        ),
        _ => None,
    }
}

/// What clients are told, by the address that they reached at the balancer.
pub(super) fn map(item: &Item) -> Result<BTreeMap<IpAddr, IpAddr>, Problem> {
    let mut map = BTreeMap::new();
    for (key, entry) in &item.table()?.entries {
        let reached = key.parse::<IpAddr>().map_err(|_| {
            Problem::error(format!("`{key}` is not an IP address")).at(&entry.key).remedy(
                "write { \"10.0.0.5\" = \"203.0.113.7\" }: what the header says, what is told",
            )
        })?;
        let (reached, told) = (reached.to_canonical(), value::address(&entry.item)?);
        if reached.is_ipv4() != told.is_ipv4() {
            return Err(entry
                .item
                .problem("an IPv4 and an IPv6 address: one cannot stand for the other"));
        }
        map.insert(reached, told);
    }
    Ok(map)
}
