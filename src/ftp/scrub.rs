//! Taking an inner address out of a line that a client will see (P25).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::addr::{canonical, number_starts, numbers};

/// The line with `inner` replaced by `outer`, wherever it stands on its own: dotted or with
/// commas for IPv4, in any spelling for IPv6. `None` if it does not occur. Where `outer` has no
/// form with commas (IPv6), `0,0,0,0` is written.
pub fn replace_address(line: &[u8], inner: IpAddr, outer: IpAddr) -> Option<Vec<u8>> {
    let outer = canonical(outer);
    let mut out = Vec::new();
    let mut copied = 0;
    for (from, to, comma) in occurrences(line, canonical(inner)) {
        out.extend_from_slice(line.get(copied..from)?);
        match (comma, outer) {
            (false, outer) => out.extend_from_slice(outer.to_string().as_bytes()),
            (true, IpAddr::V4(outer)) => out.extend_from_slice(with_commas(outer).as_bytes()),
            (true, IpAddr::V6(_)) => out.extend_from_slice(b"0,0,0,0"),
        }
        copied = to;
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(line.get(copied..)?);
    Some(out)
}

fn with_commas(ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("{a},{b},{c},{d}")
}

/// Where the address stands: from, to, and whether it is written with commas.
fn occurrences(line: &[u8], ip: IpAddr) -> Vec<(usize, usize, bool)> {
    match ip {
        IpAddr::V4(ip) => v4_occurrences(line, ip),
        IpAddr::V6(ip) => v6_occurrences(line, ip),
    }
}

fn v4_occurrences(line: &[u8], ip: Ipv4Addr) -> Vec<(usize, usize, bool)> {
    let mut found = Vec::new();
    let mut free = 0;
    for start in number_starts(line) {
        let from = line.len() - start.len();
        let number_before = line
            .get(..from)
            .is_some_and(|head| matches!(head, [.., digit, b'.'] if digit.is_ascii_digit()));
        for separator in [b'.', b','] {
            let Some((octets, rest)) = numbers::<4>(start, separator, 0) else { continue };
            let dotted = separator == b'.';
            // `1.10.0.0.5` and `10.0.0.5.1` are versions, not addresses; with commas the port
            // follows.
            let number_after = matches!(rest, [b'.', digit, ..] if digit.is_ascii_digit());
            let alone = !dotted || !(number_before || number_after);
            if octets == ip.octets() && alone && from >= free {
                free = line.len() - rest.len();
                found.push((from, free, !dotted));
            }
        }
    }
    found
}

fn v6_occurrences(line: &[u8], ip: Ipv6Addr) -> Vec<(usize, usize, bool)> {
    let mut found = Vec::new();
    let mut from = 0;
    for word in line.split(|byte| !(byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))) {
        // A full stop or a colon behind the address belongs to the sentence.
        let sentence = match word {
            [head @ .., b':' | b'.'] => head,
            _ => word,
        };
        for spelling in [word, sentence] {
            let parsed = std::str::from_utf8(spelling).ok().and_then(|text| text.parse().ok());
            if parsed == Some(ip) {
                found.push((from, from + spelling.len(), false));
                break;
            }
        }
        from += word.len() + 1;
    }
    found
}
