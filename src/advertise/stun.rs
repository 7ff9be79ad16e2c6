//! STUN (RFC 8489): a server that was named tells from which address our packet came.
//!
//! One binding request, and of its answer one attribute. What it tells is the address of the
//! outermost NAT; whether anything comes in there is another matter.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use super::rules::Addresses;
use crate::upstream::options::HostPort;

/// First wait for an answer (RFC 8489 section 6.2.1), doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How often we ask: 3.5 s in all.
const TRIES: u32 = 3;
/// Larger than any answer to so small a question.
const PACKET: usize = 548;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
const BINDING_REQUEST: [u8; 4] = [0, 1, 0, 0];
const BINDING_SUCCESS: [u8; 2] = [1, 1];
const MAPPED_ADDRESS: u16 = 0x0001;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

type Id = [u8; 12];

/// Our address as `server` sees it, in each family that it has an address of.
pub(super) async fn ask(server: &HostPort) -> io::Result<Addresses> {
    let servers: Vec<SocketAddr> = lookup_host((&*server.host, server.port)).await?.collect();
    let of = |v4: bool| servers.iter().copied().find(|address| address.is_ipv4() == v4);
    let (v4, v6) = tokio::join!(ask_one(of(true)), ask_one(of(false)));
    let mut found = Addresses::default();
    let mut failed = None;
    for answer in [v4, v6] {
        match answer {
            Ok(Some(IpAddr::V4(ip))) => found.v4 = Some(ip),
            Ok(Some(IpAddr::V6(ip))) => found.v6 = Some(ip),
            Ok(None) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) if found == Addresses::default() => Err(error),
        _ => Ok(found),
    }
}

async fn ask_one(server: Option<SocketAddr>) -> io::Result<Option<IpAddr>> {
    let Some(server) = server else { return Ok(None) };
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let id: Id = rand::random();
    for attempt in 0..TRIES {
        socket.send(&request(id)).await?;
        let answer = timeout(FIRST_WAIT * 2u32.pow(attempt), answer(&socket, id)).await;
        if let Ok(answer) = answer {
            return answer.map(|address| Some(address.ip().to_canonical()));
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// The first packet that answers our question.
async fn answer(socket: &UdpSocket, id: Id) -> io::Result<SocketAddr> {
    let mut packet = [0; PACKET];
    loop {
        let length = socket.recv(&mut packet).await?;
        if let Some(address) = packet.get(..length).and_then(|packet| parse(packet, id)) {
            return Ok(address);
        }
    }
}

fn request(id: Id) -> [u8; HEADER] {
    let mut packet = [0; HEADER];
    packet[..4].copy_from_slice(&BINDING_REQUEST);
    packet[4..8].copy_from_slice(&COOKIE);
    packet[8..].copy_from_slice(&id);
    packet
}

/// The address in the answer to `id`; servers of old give it only in clear.
fn parse(packet: &[u8], id: Id) -> Option<SocketAddr> {
    let (header, mut rest) = packet.split_at_checked(HEADER)?;
    let ours = header.starts_with(&BINDING_SUCCESS) && header[4..8] == COOKIE && header[8..] == id;
    if !ours || usize::from(u16::from_be_bytes([header[2], header[3]])) != rest.len() {
        return None;
    }
    let mut in_clear = None;
    while let Some(([k0, k1, l0, l1], more)) = rest.split_first_chunk() {
        let (kind, length) = (u16::from_be_bytes([*k0, *k1]), u16::from_be_bytes([*l0, *l1]));
        let value = more.get(..usize::from(length))?;
        match kind {
            XOR_MAPPED_ADDRESS => return address(value, Some(id)),
            MAPPED_ADDRESS => in_clear = address(value, None),
            _ => {}
        }
        // Attributes are padded to four bytes.
        rest = more.get(usize::from(length).next_multiple_of(4)..)?;
    }
    in_clear
}

/// `0, family, port, address`, the last two under the mask of cookie and id, if there is one.
fn address(value: &[u8], mask: Option<Id>) -> Option<SocketAddr> {
    let mut key = [0; 16];
    if let Some(id) = mask {
        key[..4].copy_from_slice(&COOKIE);
        key[4..].copy_from_slice(&id);
    }
    let (&[_, family, p0, p1], bytes) = value.split_first_chunk()?;
    let port = u16::from_be_bytes([p0 ^ key[0], p1 ^ key[1]]);
    let plain: Vec<u8> = bytes.iter().zip(key).map(|(byte, key)| byte ^ key).collect();
    let ip: IpAddr = match family {
        1 => <[u8; 4]>::try_from(plain).ok()?.into(),
        2 => <[u8; 16]>::try_from(plain).ok()?.into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests;
