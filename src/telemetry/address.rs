//! Addresses in records.

use std::fmt::{self, Display, Formatter};
use std::net::{SocketAddr, SocketAddrV4};

/// `255.255.255.255:65535`.
const LONGEST: usize = 21;

/// An address and port as records have them. `[::ffff:a.b.c.d]:p` is the IPv4 address it is (P78).
/// A record has four of them, and the standard library takes a thousand instructions for each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address(pub(super) SocketAddr);

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (ip, port) = (self.0.ip().to_canonical(), self.0.port());
        match SocketAddr::new(ip, port) {
            SocketAddr::V4(v4) => Line::of(v4).write(f),
            v6 => v6.fmt(f),
        }
    }
}

/// Characters, from the last to the first.
struct Line {
    text: [u8; LONGEST],
    start: usize,
}

impl Line {
    fn of(address: SocketAddrV4) -> Self {
        let mut line = Self { text: [0; LONGEST], start: LONGEST };
        line.number(address.port());
        let mut separator = b':';
        for octet in address.ip().octets().into_iter().rev() {
            line.push(separator);
            line.number(octet.into());
            separator = b'.';
        }
        line
    }

    fn number(&mut self, mut number: u16) {
        loop {
            self.push(b'0' + (number % 10) as u8);
            number /= 10;
            if number == 0 {
                break;
            }
        }
    }

    fn push(&mut self, character: u8) {
        self.start -= 1;
        if let Some(place) = self.text.get_mut(self.start) {
            *place = character;
        }
    }

    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = self.text.get(self.start..).unwrap_or_default();
        f.write_str(std::str::from_utf8(text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_they_always_do() {
        for text in ["0.0.0.0:0", "255.255.255.255:65535", "10.0.10.100:21", "[2001:db8::1]:2121"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address(address).to_string(), text);
        }
        let mapped = "[::ffff:192.0.2.7]:990".parse().unwrap();
        assert_eq!(Address(mapped).to_string(), "192.0.2.7:990");
    }
}
