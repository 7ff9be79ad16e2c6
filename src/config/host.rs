//! Hosts: names and address literals, of servers and of ourselves.

use std::net::IpAddr;

use super::item::Item;
use super::problem::Problem;
use crate::advertise::options::Source;
use crate::upstream::options::HostPort;

/// The port of STUN (RFC 8489).
pub(super) const STUN_PORT: u16 = 3478;

/// What a text is before it is known to be the right kind of host.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Host {
    Literal(IpAddr),
    Name(String),
}

impl Host {
    /// `None` is neither; a text that ends in a number is an address or nothing, since the
    /// resolver would read `127.1` or `0x7f.1` as one (S35).
    fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self::Literal(ip.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
            plain && !label.is_empty() && label.len() <= 63 && !label.starts_with('-')
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
        (name.len() <= 253 && name.split('.').all(label) && !numeric)
            .then(|| Self::Name(text.to_owned()))
    }
}

/// `HOST[:PORT]`, with the port there is when none is written; an IPv6 literal stands in brackets
/// when a port follows.
pub(super) fn host_port(default: u16) -> impl Fn(&Item) -> Result<HostPort, Problem> {
    move |item| server(item, default)
}

fn server(item: &Item, default: u16) -> Result<HostPort, Problem> {
    let text = item.text()?;
    let text = text.trim();
    let malformed = || {
        item.problem("not a server's address").remedy(format!(
            "write \"ftp.example.com\", \"192.0.2.5:{default}\" or \"[2001:db8::5]:{default}\""
        ))
    };
    if text.contains("://") {
        return Err(malformed().remedy("leave out the scheme: write HOST or HOST:PORT"));
    }
    let (host, port) = split(text).ok_or_else(malformed)?;
    let port = match port {
        None => default,
        Some(digits) => digits
            .parse::<u16>()
            .ok()
            .filter(|&port| port != 0 && !digits.starts_with('+'))
            .ok_or_else(|| item.problem("the port must be a number from 1 to 65535"))?,
    };
    let host = match Host::parse(host).ok_or_else(malformed)? {
        Host::Literal(ip) if ip.is_unspecified() || ip.is_multicast() => {
            return Err(item.problem("no server can be reached at this address"));
        }
        Host::Literal(ip) => ip.to_string(),
        Host::Name(name) => name,
    };
    Ok(HostPort { host, port })
}

/// Host and port, not yet looked at.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        let v6 = host.contains(':');
        return match rest.strip_prefix(':') {
            Some(port) if v6 => Some((host, Some(port))),
            None if v6 && rest.is_empty() => Some((host, None)),
            _ => None,
        };
    }
    match text.split_once(':') {
        Some((_, more)) if more.contains(':') => Some((text, None)),
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

/// Which literals may be advertised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What to advertise: an address of the family, a name, or `word` (`auto`, `local`) for what it
/// stands for.
pub(super) fn advertised(
    family: Family,
    word: &'static str,
) -> impl Fn(&Item) -> Result<Option<Source>, Problem> {
    move |item| {
        let text = item.text()?;
        let text = text.trim();
        if text.eq_ignore_ascii_case(word) {
            return Ok(None);
        }
        match Host::parse(text) {
            Some(Host::Name(name)) => Ok(Some(Source::Name(name))),
            Some(Host::Literal(ip)) if !usable(ip) => {
                Err(item.problem("no client can connect to this address"))
            }
            Some(Host::Literal(ip)) if Family::of(ip) == family => Ok(Some(Source::Literal(ip))),
            Some(Host::Literal(_)) => Err(wrong_family(item, family)),
            None => Err(item
                .problem(format!("neither an IP address nor a name nor \"{word}\""))
                .remedy("write it without a port: \"203.0.113.7\" or \"ftp.example.com\"")),
        }
    }
}

fn usable(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

fn wrong_family(item: &Item, family: Family) -> Problem {
    match family {
        Family::V4 => item
            .problem("an IPv6 address where an IPv4 one is needed")
            .remedy("227 can carry only IPv4; the public IPv6 address is `address6`"),
        Family::V6 => item
            .problem("an IPv4 address where an IPv6 one is needed")
            .remedy("the public IPv4 address is `address`"),
    }
}
