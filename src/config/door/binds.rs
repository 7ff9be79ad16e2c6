//! `bind` of a listener: addresses, and sockets that the service manager hands over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::item::Item;
use super::super::problem::{Place, Problem};
use super::super::section::Section;
use super::super::value;

/// The port of the listener that is there when none is written.
const IMPLIED_PORT: u16 = 2121;
/// What stands for a socket that is handed over.
const HANDED: &str = "systemd";
/// Longest name of such a socket, bytes, as systemd has it.
const NAME: usize = 255;

/// Where a listener listens.
pub(super) struct Binds {
    pub(super) addresses: Vec<SocketAddr>,
    /// Where each address stands; the implied ones stand nowhere.
    pub(super) places: Vec<Option<Place>>,
    /// The names of sockets handed over; `None` is all that no other listener names.
    pub(super) handed: Vec<Option<String>>,
}

/// One element of the list.
enum Bind {
    Addresses(Vec<SocketAddr>, Place),
    Handed(Option<String>),
}

/// Reads all of it.
pub(super) fn read(s: &mut Section<'_>) -> Option<Binds> {
    let place = s.place_of("bind");
    if place.is_none() {
        if s.place().is_some() {
            s.missing("bind");
            return None;
        }
        let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let addresses = any.map(|ip| SocketAddr::new(ip, IMPLIED_PORT)).to_vec();
        return Some(Binds { addresses, places: vec![None; 2], handed: Vec::new() });
    }
    let mut binds = Binds { addresses: Vec::new(), places: Vec::new(), handed: Vec::new() };
    for bind in s.list("bind", bind)? {
        match bind {
            Bind::Addresses(addresses, place) => {
                binds.places.extend(vec![Some(place); addresses.len()]);
                binds.addresses.extend(addresses);
            }
            Bind::Handed(name) => binds.handed.push(name),
        }
    }
    if binds.addresses.is_empty() && binds.handed.is_empty() {
        let problem = Problem::error("the list is empty: nobody could connect");
        s.report("bind", problem.within(place.as_ref()));
        return None;
    }
    Some(binds)
}

fn bind(item: &Item) -> Result<Bind, Problem> {
    let text = item.text()?;
    let Some(name) = text.trim().strip_prefix(HANDED) else {
        return Ok(Bind::Addresses(value::bind(item)?, item.place.clone()));
    };
    let Some(name) = name.strip_prefix(':') else {
        return match name {
            "" => Ok(Bind::Handed(None)),
            _ => value::bind(item).map(|a| Bind::Addresses(a, item.place.clone())),
        };
    };
    // What FileDescriptorName= may be: ASCII without control characters and without colons.
    let plain = name.bytes().all(|b| (b == b' ' || b.is_ascii_graphic()) && b != b':');
    if !plain || name.is_empty() || name.len() > NAME {
        return Err(item
            .problem("no socket can have this name")
            .remedy("write \"systemd:NAME\" as in FileDescriptorName=NAME, or \"systemd\""));
    }
    Ok(Bind::Handed(Some(name.to_owned())))
}
