//! What the operator is told at start: who gets which address, why, and what is wrong with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use super::Advertiser;
use super::options::Source;
use super::rules::{self, Choice, Known, RuleName};

impl Advertiser {
    /// One line for each group of clients of a listener bound to `listen`: what they are told and
    /// by which rule. The lines are made by asking [`rules::choose`], so they cannot be wrong.
    pub(crate) fn describe(&self, listen: IpAddr) -> Vec<String> {
        let (local, known) = (outward(listen), self.known.load());
        let mut lines: Vec<String> = self
            .options
            .rules
            .iter()
            .filter(|rule| rule.clients.network().is_ipv4() == local.is_ipv4())
            .map(|rule| {
                let choice = rules::choose(&self.options, &known, rule.clients.addr(), local);
                line(&format!("clients in {}", rule.clients), choice)
            })
            .collect();
        let (inside, outside) = samples(local);
        let lan = rules::choose(&self.options, &known, inside, local);
        let world = rules::choose(&self.options, &known, outside, local);
        if lan == world {
            lines.push(line("clients", world));
        } else {
            lines.push(line("private clients", lan));
            lines.push(line("other clients", world));
        }
        lines
    }

    /// What is likely to go wrong for a listener bound to `listen`, with the remedy; empty = fine.
    pub(crate) fn warnings(&self, listen: IpAddr) -> Vec<String> {
        let (local, known) = (outward(listen), self.known.load());
        let mut warnings = self.silent_sources(&known);
        let choice = rules::choose(&self.options, &known, samples(local).1, local);
        match choice {
            Some(Choice { address, rule: RuleName::Fallback }) if !address.is_loopback() => {
                warnings.push(fallback_advice(address));
            }
            Some(Choice { address, rule: RuleName::Address | RuleName::File })
                if rules::is_private(address) && !rules::is_private(local) =>
            {
                warnings.push(format!(
                    "clients on the public address {local} are told the private address {address}"
                ));
            }
            _ => {}
        }
        warnings
    }

    /// Sources that never had an answer: their clients get 425.
    fn silent_sources(&self, known: &Known) -> Vec<String> {
        let mut silent: Vec<String> = self
            .options
            .names()
            .filter(|name| !known.names.contains_key(*name))
            .map(|name| {
                format!("the advertised name {name} has not resolved: PASV gets 425 until it does")
            })
            .collect();
        if let (Some(path), None) = (&self.options.file, known.file) {
            let path = path.display();
            silent.push(format!("no address could be read from {path}: PASV gets 425 until then"));
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

fn line(who: &str, choice: Option<Choice>) -> String {
    match choice {
        Some(Choice { address, rule }) => format!("{who} are told {address} (rule {rule})"),
        None => format!("{who} get 425: no valid address is known yet"),
    }
}

/// A private and a public client of that family, standing for all of their kind.
fn samples(local: IpAddr) -> (IpAddr, IpAddr) {
    if local.is_ipv4() {
        (Ipv4Addr::new(192, 168, 0, 2).into(), Ipv4Addr::new(198, 51, 100, 2).into())
    } else {
        let ula = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
        let global = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
        (ula.into(), global.into())
    }
}

/// The local address that clients will probably reach: `listen` itself, or for a wildcard the
/// source address of the default route. The UDP connect only looks up that route: no packet.
fn outward(listen: IpAddr) -> IpAddr {
    let listen = listen.to_canonical();
    if !listen.is_unspecified() {
        return listen;
    }
    let (_, world) = samples(listen);
    UdpSocket::bind((listen, 0))
        .and_then(|socket| socket.connect((world, 9)).and_then(|()| socket.local_addr()))
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
