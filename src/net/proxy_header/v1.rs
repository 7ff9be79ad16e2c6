//! Version 1: `PROXY TCP4 192.0.2.1 203.0.113.7 40000 21` and CRLF.

use std::net::{IpAddr, SocketAddr};

use super::{Malformed, Origin, relayed};

/// Longest line with its CRLF, bytes: two full IPv6 addresses behind `UNKNOWN`.
const LONGEST_LINE: usize = 107;

const PREFIX: &[u8] = b"PROXY ";

/// The line of a connection that is the sender's own.
pub(super) const OWN: &[u8] = b"PROXY UNKNOWN\r\n";

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Origin, usize)>, Malformed> {
    if bytes.iter().zip(PREFIX).any(|(have, wanted)| have != wanted) {
        return Err(Malformed::Signature);
    }
    let within = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = within.iter().position(|&b| b == b'\n') else {
        return if bytes.len() < LONGEST_LINE { Ok(None) } else { Err(Malformed::Line) };
    };
    let line = within.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.and_then(|line| line.strip_prefix(PREFIX)).ok_or(Malformed::Line)?;
    // A CR alone ends the line for others.
    if line.contains(&b'\r') {
        return Err(Malformed::Line);
    }
    Ok(Some((origin(line)?, end + 1)))
}

fn origin(line: &[u8]) -> Result<Origin, Malformed> {
    // What stands behind UNKNOWN is to be ignored.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(Origin::Unknown);
    }
    let line = std::str::from_utf8(line).map_err(|_| Malformed::Line)?;
    let mut words = line.split(' ');
    let mut word = || words.next().ok_or(Malformed::Line);
    let v4 = match word()? {
        "TCP4" => true,
        "TCP6" => false,
        _ => return Err(Malformed::Line),
    };
    let (source, destination) = (address(word()?, v4)?, address(word()?, v4)?);
    let (from, to) = (port(word()?)?, port(word()?)?);
    if words.next().is_some() {
        return Err(Malformed::Line);
    }
    relayed(SocketAddr::new(source, from), SocketAddr::new(destination, to))
}

/// Of the family that was announced; no octal, no short form, no zone.
fn address(word: &str, v4: bool) -> Result<IpAddr, Malformed> {
    let ip: IpAddr = word.parse().map_err(|_| Malformed::Line)?;
    if ip.is_ipv4() == v4 { Ok(ip) } else { Err(Malformed::Line) }
}

/// Digits alone, no leading zeros.
fn port(word: &str) -> Result<u16, Malformed> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| plain).ok_or(Malformed::Line)
}

/// Both of one family.
pub(super) fn write(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}
