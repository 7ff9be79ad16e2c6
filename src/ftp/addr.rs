//! The addresses that PORT, 227, EPRT and 229 carry: a server's are read leniently, a client's
//! strictly, and both are written in the one form that everybody reads (P61–P65, P71–P78).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use memchr::memchr_iter;
use thiserror::Error;

pub use super::scrub::replace_address;

#[cfg(test)]
mod tests;

/// The six numbers of RFC 959: `h1,h2,h3,h4,p1,p2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// `h1.h2.h3.h4`
    pub ip: Ipv4Addr,
    /// `p1 * 256 + p2`
    pub port: u16,
}

/// Not six numbers: answer 501.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not six numbers from 0 to 255")]
pub struct AddrError;

/// Why an argument of EPRT is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EprtError {
    /// Answer 501.
    #[error("not |protocol|address|port|")]
    Syntax,
    /// A protocol other than 1 and 2: answer 522 with the list of those we serve.
    #[error("unknown network protocol")]
    Family,
}

impl HostPort {
    /// Reads the argument of PORT: exactly six decimal numbers from 0 to 255 with commas between,
    /// no signs, no blanks, nothing else (P74). Zeros in front mean nothing: `010` is ten.
    /// Whether the address and port may be used is for the policy to say.
    ///
    /// # Errors
    ///
    /// [`AddrError`] for anything else.
    pub fn parse(arg: &[u8]) -> Result<Self, AddrError> {
        let (numbers, rest) = numbers(arg, b',', 0).ok_or(AddrError)?;
        if rest.is_empty() { Ok(Self::from_numbers(numbers)) } else { Err(AddrError) }
    }

    /// Finds six numbers anywhere in the text of a 227, with or without brackets, with blanks
    /// beside the commas (P61). The first six that fit count.
    pub fn scan(text: &[u8]) -> Option<Self> {
        number_starts(text)
            .find_map(|start| numbers(start, b',', b' '))
            .map(|(numbers, _)| Self::from_numbers(numbers))
    }

    fn from_numbers([a, b, c, d, high, low]: [u8; 6]) -> Self {
        Self { ip: Ipv4Addr::new(a, b, c, d), port: u16::from_be_bytes([high, low]) }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.ip.octets();
        let [high, low] = self.port.to_be_bytes();
        write!(f, "{a},{b},{c},{d},{high},{low}")
    }
}

/// The rest of `text` from each place where a number starts.
pub(super) fn number_starts(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut before = 0;
    text.iter().enumerate().filter_map(move |(at, &byte)| {
        let starts = byte.is_ascii_digit() && !u8::is_ascii_digit(&before);
        before = byte;
        if starts { text.get(at..) } else { None }
    })
}

/// `N` numbers from 0 to 255 of one to three digits with `separator` between them, and what
/// follows. Bytes equal to `blank` beside a separator are skipped (0: none are).
pub(super) fn numbers<const N: usize>(
    mut text: &[u8],
    separator: u8,
    blank: u8,
) -> Option<([u8; N], &[u8])> {
    let mut numbers = [0; N];
    for (at, slot) in numbers.iter_mut().enumerate() {
        if at > 0 {
            text = skip(text, blank).strip_prefix(&[separator])?;
            text = skip(text, blank);
        }
        let (number, rest) = number(text)?;
        *slot = number;
        text = rest;
    }
    Some((numbers, text))
}

fn number(text: &[u8]) -> Option<(u8, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits)?;
    if digits > 3 {
        return None;
    }
    Some((ascii(number)?.parse().ok()?, rest))
}

fn skip(mut text: &[u8], blank: u8) -> &[u8] {
    while blank != 0
        && let Some(rest) = text.strip_prefix(&[blank])
    {
        text = rest;
    }
    text
}

/// Reads the argument of EPRT: `|protocol|address|port|` with any delimiter from `!` to `~`
/// (P77). No zone, port 1 to 65535. A v4-mapped address is IPv4 (P78).
///
/// # Errors
///
/// See [`EprtError`].
pub fn parse_eprt(arg: &[u8]) -> Result<SocketAddr, EprtError> {
    let [protocol, address, port] = fields(arg).ok_or(EprtError::Syntax)?;
    let address = ascii(address).ok_or(EprtError::Syntax)?;
    let ip = match protocol {
        b"1" => address.parse::<Ipv4Addr>().map(IpAddr::V4),
        b"2" => address.parse::<Ipv6Addr>().map(IpAddr::V6),
        other if !other.is_empty() && other.iter().all(u8::is_ascii_digit) => {
            return Err(EprtError::Family);
        }
        _ => return Err(EprtError::Syntax),
    };
    match (ip, port_number(port)) {
        (Ok(ip), Some(port)) => Ok(SocketAddr::new(canonical(ip), port)),
        _ => Err(EprtError::Syntax),
    }
}

/// The three fields of `|a|b|c|`; nothing may follow.
fn fields(text: &[u8]) -> Option<[&[u8]; 3]> {
    let (delimiter @ b'!'..=b'~', text) = text.split_first()? else { return None };
    let mut fields = text.split(|byte| byte == delimiter);
    let found = [fields.next()?, fields.next()?, fields.next()?];
    let end = fields.next()?;
    (end.is_empty() && fields.next().is_none()).then_some(found)
}

/// The argument of EPRT for this address: `|1|192.0.2.1|4660|`, with IPv6 as RFC 5952 writes it.
pub fn eprt(addr: SocketAddr) -> impl fmt::Display {
    ExtendedHostPort(SocketAddr::new(canonical(addr.ip()), addr.port()))
}

struct ExtendedHostPort(SocketAddr);

impl fmt::Display for ExtendedHostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.0.is_ipv4() { 1 } else { 2 };
        write!(f, "|{protocol}|{}|{}|", self.0.ip(), self.0.port())
    }
}

/// Finds the port in the text of a 229: `(|||port|)` with any delimiter (P64). A protocol and an
/// address are allowed and ignored. BulletProof's `(||port|)` is understood.
pub fn scan_epsv_reply(text: &[u8]) -> Option<u16> {
    memchr_iter(b'(', text).find_map(|at| epsv_port(text.get(at + 1..)?))
}

fn epsv_port(text: &[u8]) -> Option<u16> {
    let (delimiter @ b'!'..=b'~', text) = text.split_first()? else { return None };
    let mut fields = text.split(|byte| byte == delimiter);
    let (protocol, address, port) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_none() {
        return if protocol.is_empty() { port_number(address) } else { None };
    }
    let known = protocol.iter().all(u8::is_ascii_digit)
        && address.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'));
    if known { port_number(port) } else { None }
}

/// 1 to 65535 in decimal, without zeros in front.
fn port_number(text: &[u8]) -> Option<u16> {
    match text {
        [b'1'..=b'9', ..] if text.iter().all(u8::is_ascii_digit) => ascii(text)?.parse().ok(),
        _ => None,
    }
}

/// The reply to PASV, in the one form that clients and the boxes between match on (P62).
pub fn pasv_reply(at: HostPort) -> String {
    format!("227 Entering Passive Mode ({at})\r\n")
}

/// The reply to EPSV (P65).
pub fn epsv_reply(port: u16) -> String {
    format!("229 Entering Extended Passive Mode (|||{port}|)\r\n")
}

/// The argument of EPSV (P71, P72).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpsvArg {
    /// None: the family of the control connection.
    Default,
    /// `1`
    V4,
    /// `2`
    V6,
    /// `ALL`: from now on only EPSV.
    All,
    /// Anything else: answer 522.
    Other,
}

impl EpsvArg {
    /// Reads the argument, in whatever case; blanks around it do not count.
    pub fn parse(arg: &[u8]) -> Self {
        match arg.trim_ascii() {
            b"" => Self::Default,
            b"1" => Self::V4,
            b"2" => Self::V6,
            all if all.eq_ignore_ascii_case(b"ALL") => Self::All,
            _ => Self::Other,
        }
    }
}

/// `::ffff:a.b.c.d` is IPv4, everywhere and before any comparison (P78, S35).
pub fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// The same for an end of a connection; other addresses keep their link.
pub fn canonical_end(end: SocketAddr) -> SocketAddr {
    match canonical(end.ip()) {
        IpAddr::V4(ip) => (ip, end.port()).into(),
        IpAddr::V6(_) => end,
    }
}

fn ascii(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok()
}
