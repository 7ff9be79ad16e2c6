//! Version 2: binary, with extensions (TLVs).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Facts, LONGEST, Malformed, Origin, TlsFacts, crc32c, relayed};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length of the rest.
const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPEC: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CN: u8 = 0x22;
const SSL_CIPHER: u8 = 0x23;

/// Flags of the SSL extension: TLS is spoken; a certificate was shown on this connection.
const CLIENT_SSL: u8 = 0x01;
const CLIENT_CERT_CONN: u8 = 0x02;

/// Longest text in an extension, characters: that of a host name. (The specification grants a
/// UNIQUE_ID 128 bytes; ours has 10. X.520 grants a common name 64.)
const LONGEST_TEXT: usize = 255;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Origin, usize)>, Malformed> {
    if bytes.iter().zip(SIGNATURE).any(|(have, wanted)| have != wanted) {
        return Err(Malformed::Signature);
    }
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else { return Ok(None) };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST - FIXED {
        return Err(Malformed::Length);
    }
    // What is wrong for ever is said before the rest has come.
    let kind = match command {
        LOCAL => None,
        PROXY => Some(family),
        _ => return Err(Malformed::Command),
    };
    let addresses = match kind {
        None | Some(UNSPEC) => 0,
        Some(TCP4) => 12,
        Some(TCP6) => 36,
        Some(_) => return Err(Malformed::Family),
    };
    if length < addresses {
        return Err(Malformed::Length);
    }
    let (Some(header), Some(block)) = (bytes.get(..FIXED + length), rest.get(..length)) else {
        return Ok(None);
    };
    let origin = match kind {
        None => Origin::Local,
        Some(TCP4) => tcp4(block)?,
        Some(TCP6) => tcp6(block)?,
        Some(_) => Origin::Unknown,
    };
    // Of the others the block is to be skipped as it is.
    if let Origin::Relayed { .. } = origin {
        check_tlvs(header, FIXED + addresses)?;
    }
    Ok(Some((origin, header.len())))
}

fn tcp4(block: &[u8]) -> Result<Origin, Malformed> {
    let (source, rest) = block.split_first_chunk::<4>().ok_or(Malformed::Length)?;
    let (destination, rest) = rest.split_first_chunk::<4>().ok_or(Malformed::Length)?;
    let (from, to) = ports(rest)?;
    relayed(
        SocketAddr::new(Ipv4Addr::from(*source).into(), from),
        SocketAddr::new(Ipv4Addr::from(*destination).into(), to),
    )
}

fn tcp6(block: &[u8]) -> Result<Origin, Malformed> {
    let (source, rest) = block.split_first_chunk::<16>().ok_or(Malformed::Length)?;
    let (destination, rest) = rest.split_first_chunk::<16>().ok_or(Malformed::Length)?;
    let (from, to) = ports(rest)?;
    relayed(
        SocketAddr::new(Ipv6Addr::from(*source).into(), from),
        SocketAddr::new(Ipv6Addr::from(*destination).into(), to),
    )
}

fn ports(bytes: &[u8]) -> Result<(u16, u16), Malformed> {
    let (&[a, b, c, d], _) = bytes.split_first_chunk::<4>().ok_or(Malformed::Length)?;
    Ok((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// Each has to end within the header; none says anything we would believe, but the checksum has
/// to be right if there is one (P169).
fn check_tlvs(header: &[u8], mut at: usize) -> Result<(), Malformed> {
    let mut checksum = None;
    while let Some(rest) = header.get(at..).filter(|rest| !rest.is_empty()) {
        let (&[kind, high, low], value) = rest.split_first_chunk::<3>().ok_or(Malformed::Tlv)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = value.get(..length).ok_or(Malformed::Tlv)?;
        if kind == CRC32C {
            let sum = <[u8; 4]>::try_from(value).map_err(|_| Malformed::Tlv)?;
            if checksum.replace((at + 3, u32::from_be_bytes(sum))).is_some() {
                return Err(Malformed::Tlv);
            }
        }
        at += 3 + length;
    }
    match checksum {
        Some((at, sum)) if crc32c::with_gap(header, at) != sum => Err(Malformed::Checksum),
        _ => Ok(()),
    }
}

/// The sender's own connection.
pub(super) fn own() -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([LOCAL, UNSPEC, 0, 0]);
    header
}

/// Both of one family. The length always fits: the texts are cut.
pub(super) fn write(source: SocketAddr, destination: SocketAddr, facts: &Facts) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([PROXY, if source.is_ipv4() { TCP4 } else { TCP6 }, 0, 0]);
    for address in [source, destination] {
        match address {
            SocketAddr::V4(v4) => header.extend(v4.ip().octets()),
            SocketAddr::V6(v6) => header.extend(v6.ip().octets()),
        }
    }
    header.extend([source.port(), destination.port()].iter().flat_map(|port| port.to_be_bytes()));
    if let Some(name) = &facts.authority {
        text(&mut header, AUTHORITY, name);
    }
    if let Some(tls) = &facts.tls {
        tlv(&mut header, SSL, &ssl(tls));
    }
    text(&mut header, UNIQUE_ID, &facts.unique_id);
    tlv(&mut header, CRC32C, &[0; 4]);
    let length = u16::try_from(header.len() - FIXED).unwrap_or_default();
    if let Some(place) = header.get_mut(FIXED - 2..FIXED) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    let at = header.len() - 4;
    let sum = crc32c::with_gap(&header, at);
    header.truncate(at);
    header.extend(sum.to_be_bytes());
    header
}

fn ssl(tls: &TlsFacts) -> Vec<u8> {
    // The second number is zero when a certificate was shown and found good.
    let (flags, verified) = match &tls.client {
        Some(_) => (CLIENT_SSL | CLIENT_CERT_CONN, 0u32),
        None => (CLIENT_SSL, 1),
    };
    let mut value = vec![flags];
    value.extend(verified.to_be_bytes());
    text(&mut value, SSL_VERSION, &format!("TLSv{}", tls.version));
    if let Some(name) = tls.client.as_deref().filter(|name| !name.is_empty()) {
        text(&mut value, SSL_CN, name);
    }
    text(&mut value, SSL_CIPHER, tls.cipher);
    value
}

fn text(into: &mut Vec<u8>, kind: u8, text: &str) {
    let cut: String = text.chars().take(LONGEST_TEXT).collect();
    tlv(into, kind, cut.as_bytes());
}

/// Values are ours and short.
fn tlv(into: &mut Vec<u8>, kind: u8, value: &[u8]) {
    into.push(kind);
    into.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    into.extend(value);
}
