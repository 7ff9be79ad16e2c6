//! What a value may be: each parser takes an item and says in a sentence what is wrong with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use jiff::fmt::friendly::SpanParser;

use super::item::Item;
use super::problem::Problem;
use super::suggest;
use crate::data::options::PortRange;

/// A duration with its unit, `30s`, `5m`, `1h 30m`, within bounds.
pub(super) fn duration(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&Item) -> Result<Duration, Problem> {
    move |item| {
        if let Ok(number) = item.integer() {
            return Err(item
                .problem("a duration needs its unit")
                .remedy(format!("write \"{number}s\" if seconds are meant")));
        }
        let text = item.text()?;
        let read = SpanParser::new().parse_unsigned_duration(text.trim()).map_err(|_| {
            item.problem("not a duration")
                .remedy("write a number and its unit: \"500ms\", \"30s\", \"5m\", \"2h\"")
        })?;
        if bounds.contains(&read) {
            return Ok(read);
        }
        let (low, high) = (span(*bounds.start()), span(*bounds.end()));
        Err(item.problem(format!("must be from {low} to {high}")))
    }
}

fn span(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (0, 0) => "0s".into(),
        (seconds, 0) if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (seconds, 0) if seconds % 60 == 0 => format!("{}m", seconds / 60),
        (seconds, 0) => format!("{seconds}s"),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// A whole number within bounds.
pub(super) fn integer<T: TryFrom<i64>>(
    bounds: RangeInclusive<i64>,
) -> impl Fn(&Item) -> Result<T, Problem> {
    move |item| {
        let out = || item.problem(format!("must be from {} to {}", bounds.start(), bounds.end()));
        let number = item.integer()?;
        if !bounds.contains(&number) {
            return Err(out());
        }
        T::try_from(number).map_err(|_| out())
    }
}

/// One word out of a few.
pub(super) fn choice<T: Copy>(
    allowed: &'static [(&'static str, T)],
) -> impl Fn(&Item) -> Result<T, Problem> {
    move |item| {
        let text = item.text()?;
        let found = allowed.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text));
        found.map(|&(_, value)| value).ok_or_else(|| {
            let words = || allowed.iter().map(|&(word, _)| word);
            let list: Vec<_> = words().map(|word| format!("\"{word}\"")).collect();
            let problem = item.problem(format!("must be one of {}", list.join(", ")));
            match suggest::nearest(&text, words()) {
                Some(meant) => problem.remedy(format!("did you mean \"{meant}\"?")),
                None => problem,
            }
        })
    }
}

/// A number of bytes, `64KiB` or a plain number, within bounds.
pub(super) fn bytes(bounds: RangeInclusive<u64>) -> impl Fn(&Item) -> Result<u64, Problem> {
    move |item| {
        let read = amount(item)?;
        if bounds.contains(&read) {
            return Ok(read);
        }
        let (low, high) = (ByteSize(*bounds.start()), ByteSize(*bounds.end()));
        Err(item.problem(format!("must be from {low} to {high}")))
    }
}

/// A cap in bytes a second, `10MiB`; 0 is none.
pub(super) fn rate(item: &Item) -> Result<Option<NonZeroU64>, Problem> {
    amount(item).map(NonZeroU64::new)
}

/// A number of bytes, whatever it is.
pub(super) fn amount(item: &Item) -> Result<u64, Problem> {
    if let Ok(number) = item.integer() {
        return u64::try_from(number).map_err(|_| item.problem("must not be negative"));
    }
    let text = item.text()?;
    let text = text.trim();
    text.strip_suffix("/s").unwrap_or(text).parse::<ByteSize>().map(|size| size.0).map_err(|_| {
        item.problem("not a number of bytes")
            .remedy("write a number and its unit: \"64KiB\", \"10MiB\", \"1GB\"")
    })
}

/// A file's path.
pub(super) fn path(item: &Item) -> Result<PathBuf, Problem> {
    let text = item.text()?;
    if text.is_empty() || text.contains('\0') {
        return Err(item.problem("not a path"));
    }
    Ok(PathBuf::from(text))
}

/// The name of a listener or upstream: one that can be part of a variable's name and of a log.
pub(super) fn name(item: &Item) -> Result<String, Problem> {
    let text = item.text()?;
    let letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if letter && plain && text.len() <= 64 {
        return Ok(text);
    }
    Err(item.problem("a name is a letter and up to 63 letters, digits, \"-\", \"_\" or \".\""))
}

/// A range of ports, `60000-60010`, or a single one.
pub(super) fn port_range(item: &Item) -> Result<PortRange, Problem> {
    let text = match item.integer() {
        Ok(number) => number.to_string(),
        Err(_) => item.text()?,
    };
    text.trim()
        .parse()
        .map_err(|error: crate::data::options::PortRangeError| item.problem(error.to_string()))
}

/// One port.
pub(super) fn port(item: &Item) -> Result<u16, Problem> {
    integer(1..=65535)(item)
}

/// An address literal, its IPv4-mapped form unwrapped (S35).
pub(super) fn address(item: &Item) -> Result<IpAddr, Problem> {
    let text = item.text()?;
    text.parse::<IpAddr>().map(|ip| ip.to_canonical()).map_err(|_| {
        item.problem("not an IP address")
            .remedy("write \"203.0.113.7\" or \"2001:db8::7\", without leading zeros or zone")
    })
}

/// A network in CIDR form; a bare address is a network of one (S35, S36).
pub(super) fn network(item: &Item) -> Result<IpNet, Problem> {
    let text = item.text()?;
    let (ip, length) = match text.split_once('/') {
        Some((ip, length)) => (ip, Some(length)),
        None => (text.as_str(), None),
    };
    let malformed = || {
        item.problem("not a network").remedy(
            "write \"192.168.0.0/16\", \"2001:db8::/32\" or an address, none short or octal",
        )
    };
    let ip: IpAddr = ip.parse().map_err(|_| malformed())?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => most,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse::<u8>().ok().filter(|&l| l <= most).ok_or_else(malformed)?
        }
        Some(_) => return Err(malformed()),
    };
    let written = IpNet::new(ip, length).map_err(|_| malformed())?;
    if written.trunc() != written {
        return Err(item
            .problem("the address has bits beyond the prefix length")
            .remedy(format!("write \"{}\" or \"{ip}\"", written.trunc())));
    }
    Ok(canonical(written))
}

/// Mapped IPv4 networks are IPv4 networks, as clients are compared unmapped.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(ip), Some(length)) => IpNet::new(ip.into(), length).unwrap_or(network),
        _ => network,
    }
}

/// Where to listen: `IP:PORT`, `[IPv6]:PORT`, or `*:PORT` for both families.
pub(super) fn bind(item: &Item) -> Result<Vec<SocketAddr>, Problem> {
    let text = item.text()?;
    let text = text.trim();
    if let Some(port) = text.strip_prefix("*:").and_then(|port| port.parse().ok()) {
        let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        return Ok(any.map(|ip| SocketAddr::new(ip, port)).to_vec());
    }
    match text.parse::<SocketAddr>() {
        Ok(SocketAddr::V6(v6)) if v6.ip().to_ipv4_mapped().is_some() => {
            Ok(vec![SocketAddr::new(v6.ip().to_canonical(), v6.port())])
        }
        Ok(address) => Ok(vec![address]),
        Err(_) => Err(item.problem("not an address to listen on").remedy(bind_remedy(text))),
    }
}

fn bind_remedy(text: &str) -> String {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return format!("add the port: \"{}\"", SocketAddr::new(ip, 21));
    }
    match text.trim_start_matches(':').parse::<u16>() {
        Ok(port) => format!("write \"*:{port}\" for every address of this machine"),
        Err(_) => "write \"203.0.113.7:21\", \"[2001:db8::7]:21\", or \"*:21\" for every address; \
             names are not looked up here"
            .into(),
    }
}
