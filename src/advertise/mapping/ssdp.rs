//! Finding the router's UPnP description: one question to everybody near, and only the router's own
//! answer counts, which has to lead to the router itself.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::router::Link;

/// Where UPnP devices listen.
const EVERYBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 1900);
/// A first router of the kind answers to the second's name too.
const SEARCH: &[u8] = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\
    MAN: \"ssdp:discover\"\r\nMX: 1\r\n\
    ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n";
/// Devices wait up to `MX` seconds before they answer.
const WAIT: Duration = Duration::from_millis(1500);
/// A packet may be lost.
const TRIES: usize = 2;
/// Larger than any answer.
const PACKET: usize = 2048;

/// Where a description is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) at: SocketAddr,
    pub(super) path: String,
}

/// Asks, and waits for the router's answer; `None`: there is none.
pub(super) async fn search(link: Link) -> io::Result<Option<Location>> {
    let socket = UdpSocket::bind((link.local, 0)).await?;
    socket2::SockRef::from(&socket).set_multicast_if_v4(&link.local)?;
    for _ in 0..TRIES {
        socket.send_to(SEARCH, EVERYBODY).await?;
        // Some firewalls drop multicast and let this pass.
        socket.send_to(SEARCH, (link.gateway, EVERYBODY.port())).await?;
        if let Ok(found) = timeout(WAIT, first(&socket, link.gateway)).await {
            return found.map(Some);
        }
    }
    Ok(None)
}

async fn first(socket: &UdpSocket, gateway: Ipv4Addr) -> io::Result<Location> {
    let mut packet = [0; PACKET];
    loop {
        // An earlier packet may have met a closed port.
        let Ok((length, from)) = socket.recv_from(&mut packet).await else { continue };
        let answer = String::from_utf8_lossy(packet.get(..length).unwrap_or_default());
        if from.ip() == gateway
            && let Some(location) = parse(&answer, gateway)
        {
            return Ok(location);
        }
    }
}

/// The field LOCATION of a router's answer, if it leads to the router.
fn parse(answer: &str, gateway: Ipv4Addr) -> Option<Location> {
    let mut lines = answer.split("\r\n");
    lines.next().filter(|status| status.starts_with("HTTP/1.1 200"))?;
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let field = |name: &str| {
        fields.iter().find(|(n, _)| n.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
    };
    field("ST").filter(|st| st.contains(":InternetGatewayDevice:"))?;
    location(field("LOCATION")?).filter(|location| location.at.ip() == gateway)
}

/// `http://192.168.1.1:5000/rootDesc.xml`; never a name.
pub(super) fn location(url: &str) -> Option<Location> {
    let (scheme, rest) = url.split_once("://")?;
    let start = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(start);
    let at = host.parse().or_else(|_| host.parse().map(|ip: Ipv4Addr| SocketAddrV4::new(ip, 80)));
    let at = at.ok().filter(|at| scheme.eq_ignore_ascii_case("http") && at.port() != 0)?;
    let path = if path.is_empty() { "/" } else { path };
    Some(Location { at: at.into(), path: path.to_owned() })
}

#[cfg(test)]
mod tests;
