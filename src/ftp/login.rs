//! Logins that name their server as well: `USER name@host:port`, and the words of SITE and OPEN.
//!
//! No RFC has them; they are what clients offer as "FTP proxy" or "FTP firewall", by habit of the
//! TIS and SOCKS age.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The control port of a server that is named without one (RFC 959 §5.2).
const FTP_PORT: u16 = 21;
/// Longest host name, bytes (RFC 1035 §2.3.4).
const HOST_NAME: usize = 253;

/// A server, as a client names it. `Display` is `host:port`, a literal IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// A host name in lower case, or an address literal without brackets.
    pub host: String,
    /// 21 where none was named.
    pub port: u16,
}

/// What a USER that names its server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login<'a> {
    /// The user at that server: everything before the last `@`, for a name may hold one itself.
    pub user: &'a [u8],
    /// Where.
    pub server: Destination,
    /// A further word stood behind that is no port: the user's name at the gateway itself, to which
    /// an ACCT with its password belongs.
    pub account: bool,
}

impl<'a> Login<'a> {
    /// Reads the argument of USER, `name@host:port` or `name@host port`; `None` if it names no server, or not as one is named.
    pub fn parse(arg: &'a [u8]) -> Option<Self> {
        let mut words = arg.splitn(2, |b| *b == b' ');
        let login = words.next()?;
        let at = login.iter().rposition(|b| *b == b'@')?;
        let (user, server) = (login.get(..at)?, login.get(at + 1..)?);
        let mut server = Destination::parse(server)?;
        let word = words.next().unwrap_or_default().trim_ascii();
        let port = std::str::from_utf8(word).ok().and_then(number).filter(|port| *port != 0);
        server.port = port.unwrap_or(server.port);
        let account = !word.is_empty() && port.is_none();
        (!user.is_empty()).then_some(Self { user, server, account })
    }
}

impl Destination {
    /// Reads `host`, `host:port`, `[v6]:port`, or `host port`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim();
        let (host, port) = match text.split_once(' ') {
            Some((host, port)) => (host, Some(port.trim_start())),
            None => match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some((host, "")) => (host, None),
                Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
                None => match text.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (text, None),
                },
            },
        };
        let port = port.map_or(Some(FTP_PORT), number)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        (is_host(&host) && port != 0).then_some(Self { host, port })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn number(text: &str) -> Option<u16> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A name, or an address in its one proper form: resolvers take `127.1` and `0x7f000001` as well,
/// which no list of networks would be written for (S35).
fn is_host(host: &str) -> bool {
    if host.contains(':') {
        return host.parse::<Ipv6Addr>().is_ok();
    }
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    if last.bytes().next().is_some_and(|b| b.is_ascii_digit()) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= HOST_NAME && host.split('.').all(label)
}

#[cfg(test)]
mod tests;
