//! What the operator is told at start: who gets which address, why, and what is wrong with it.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::atomic::Ordering;

use super::Advertiser;
use super::options::Source;
use super::rules::{self, Addresses, Choice, Known, RuleName};
use super::sources::{CLOUD, FILE, STUN};

/// Stands for all private clients.
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 0, 2));
/// Stands for all others.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));

impl Advertiser {
    /// One line for each group of clients of a listener bound to `listen`: what they are told and
    /// by which rule. The lines are made by asking [`rules::choose`], so they cannot be wrong.
    /// Whoever would get 425 is left to [`problems`](Self::problems).
    pub(crate) fn describe(&self, listen: IpAddr) -> Vec<String> {
        let local = outward(listen);
        if local.is_ipv6() {
            return vec!["IPv6 clients use EPSV, which names no address".into()];
        }
        if self.options.original {
            return vec![
                "clients are told the address of the server they aim at (rule original)".into(),
            ];
        }
        let wildcard = listen.is_unspecified();
        let told = |(who, choice): (String, Option<Choice>)| {
            let Choice { address, rule } = choice?;
            if self.options.proxied && address.is_unspecified() {
                return Some(format!("{who} are told the address they reached there"));
            }
            let rule = self.origin(rule);
            Some(match (wildcard && address == local, address.is_unspecified()) {
                (true, true) => format!("{who} are told the address they connect to"),
                (true, false) => {
                    format!(
                        "{who} are told the address they connect to, as {address} (rule {rule})"
                    )
                }
                (false, _) => format!("{who} are told {address} (rule {rule})"),
            })
        };
        self.groups(local).into_iter().filter_map(told).collect()
    }

    /// The rule, the source behind it, and its age once that is more than it should be.
    fn origin(&self, rule: RuleName) -> String {
        let options = &self.options;
        let (source, shown) = match (rule, &options.address) {
            (RuleName::Address, Some(Source::Name(name))) => (name.as_str(), None),
            (RuleName::File, _) => (FILE, None),
            (RuleName::Cloud, _) => (CLOUD, self.platform.map(|platform| platform.to_string())),
            (RuleName::Stun, _) => (STUN, options.stun.as_ref().map(ToString::to_string)),
            _ => return rule.to_string(),
        };
        let shown = shown.map(|shown| format!(": {shown}")).unwrap_or_default();
        match self.stale(source) {
            Some(age) => format!("{rule}{shown}, as of {} min ago", age.as_secs() / 60),
            None => format!("{rule}{shown}"),
        }
    }

    /// Groups of clients who reach us on `local`, and the choice for each.
    fn groups(&self, local: IpAddr) -> Vec<(String, Option<Choice>)> {
        let known = self.known.load();
        let choose = |client| rules::choose(&self.options, &known, client, local);
        if self.options.proxied {
            return self.proxied_groups(&known);
        }
        if local.is_loopback() {
            return vec![("local clients".into(), choose(local))];
        }
        let rules = self.options.rules.iter().map(|rule| rule.clients);
        let rules = rules.filter(|clients| clients.addr().to_canonical().is_ipv4());
        let mut groups: Vec<_> =
            rules.map(|net| (format!("clients in {net}"), choose(net.addr()))).collect();
        let (lan, world) = (choose(INSIDE), choose(OUTSIDE));
        if lan == world {
            groups.push(("clients".into(), world));
        } else {
            groups.push(("private clients".into(), lan));
            groups.push(("other clients".into(), world));
        }
        groups
    }

    /// Those who come through balancers, by the address they reached there.
    fn proxied_groups(&self, known: &Known) -> Vec<(String, Option<Choice>)> {
        // Stands for any address that is not in the map.
        let other = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mapped = self.options.proxy_map.keys().filter(|ip| ip.is_ipv4());
        let mapped = mapped.map(|&ip| (format!("clients that reached the balancer at {ip}"), ip));
        let all = mapped.chain([("clients that reached the balancer elsewhere".into(), other)]);
        all.map(|(who, reached)| (who, rules::choose(&self.options, known, OUTSIDE, reached)))
            .collect()
    }

    /// What is wrong now for a listener bound to `listen`: sources without an answer, and the
    /// clients who get 425 for it.
    pub(crate) fn problems(&self, listen: IpAddr) -> Vec<String> {
        let local = outward(listen);
        if local.is_ipv6() {
            return Vec::new();
        }
        let mut problems = self.silent_sources(&self.known.load());
        let without = self.groups(local).into_iter().filter(|(_, choice)| choice.is_none());
        problems.extend(without.map(|(who, _)| format!("{who} get 425 for PASV")));
        problems
    }

    /// What is likely to go wrong for a listener bound to `listen`, with the remedy; empty = fine.
    /// What is said here about the fallback is not said again when it is used.
    pub(crate) fn warnings(&self, listen: IpAddr) -> Vec<String> {
        let (local, known) = (outward(listen), self.known.load());
        // Without a route, or behind a balancer, nothing is known of the address that clients will reach.
        let unknown = self.options.proxied || self.options.original || local.is_unspecified();
        if local.is_ipv6() || local.is_loopback() || unknown {
            return Vec::new();
        }
        let mut warnings: Vec<String> = self.silent_cloud(&known).into_iter().collect();
        match rules::choose(&self.options, &known, OUTSIDE, local) {
            Some(Choice { address, rule: RuleName::Fallback }) => {
                self.warned.store(true, Ordering::Relaxed);
                warnings.push(fallback_advice(address));
            }
            Some(Choice { address, rule }) if rules::is_private(address) => {
                warnings.push(format!(
                    "public clients are told the private address {address} (rule {rule}), which \
                     they cannot reach"
                ));
            }
            _ => {}
        }
        if let (Some(Addresses { v4: Some(router), .. }), Some(Addresses { v4: Some(seen), .. })) =
            (known.router, known.stun)
            && router != seen
        {
            warnings.push(format!(
                "the router says that its address is {router}, but the STUN server sees {seen}: \
                 another NAT is in between, perhaps the provider's (carrier-grade NAT), and then \
                 nobody can connect from the Internet"
            ));
        }
        warnings
    }

    /// A cloud that was recognised and does not answer, with what stands in the way most often.
    fn silent_cloud(&self, known: &Known) -> Option<String> {
        let platform = self.platform.filter(|_| known.cloud.is_none())?;
        let why = if self.in_container {
            "in a container AWS wants a hop limit of 2 for it, or the host's network"
        } else {
            "it may be turned off or behind a firewall"
        };
        Some(format!("this machine is in {platform}, but its metadata do not answer: {why}"))
    }

    /// What is known of hidden sources on this machine; `None`: nothing (P177). Only in a container
    /// is something said: there it is the rule rather than the exception.
    pub(crate) fn hidden_sources(&self) -> Option<String> {
        let known = self.known.load();
        let gateways: Vec<String> = known.gateways.iter().map(ToString::to_string).collect();
        (self.in_container && !gateways.is_empty()).then(|| {
            format!(
                "clients whose address a proxy of the container hides come from {}: no bound for \
                 each client address is applied to that one",
                gateways.join(", ")
            )
        })
    }

    /// Sources that never had an answer.
    fn silent_sources(&self, known: &Known) -> Vec<String> {
        let mut silent: Vec<String> = self
            .options
            .names()
            .filter(|name| !known.names.contains_key(*name))
            .map(|name| format!("the advertised name {name} has not resolved"))
            .collect();
        if let (Some(path), None) = (&self.options.file, known.file) {
            let path = path.display();
            silent.push(format!("no address could be read from {path}"));
        }
        if let (Some(server), None) = (&self.options.stun, known.stun) {
            silent.push(format!("the STUN server {server} has not answered"));
        }
        silent
    }
}

/// The warning that goes with [`RuleName::Fallback`]: it contains the line to add.
pub(super) fn fallback_advice(address: IpAddr) -> String {
    let key = if address.is_ipv4() { "address" } else { "address6" };
    format!(
        "clients are told the local address {address}, which others cannot reach: if there is a NAT \
         in front, add its public address to the configuration: [advertise] {key} = \"PUBLIC-ADDRESS\""
    )
}

/// The local address that clients will probably reach: `listen` itself, or for a wildcard the
/// source address of the default route. The UDP connect only looks up that route: no packet.
fn outward(listen: IpAddr) -> IpAddr {
    let listen = listen.to_canonical();
    if !listen.is_unspecified() || listen.is_ipv6() {
        return listen;
    }
    UdpSocket::bind((listen, 0))
        .and_then(|socket| socket.connect((OUTSIDE, 9)).and_then(|()| socket.local_addr()))
        .map_or(listen, |address| address.ip())
}

impl super::options::AdvertiseOptions {
    /// Every name that is to be resolved.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let rules = self.rules.iter().map(|rule| &rule.address);
        rules.chain(&self.address).chain(&self.address6).filter_map(|source| match source {
            Source::Name(name) => Some(name.as_str()),
            Source::Literal(_) | Source::Local => None,
        })
    }
}

#[cfg(test)]
mod tests;
