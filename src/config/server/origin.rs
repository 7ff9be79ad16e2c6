//! `source` and `device` of an upstream: where connections to it leave from.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::super::item::Item;
use super::super::problem::Problem;
use super::super::section::Section;
use super::super::value;
use crate::net::socket::Origin;
use crate::upstream::options::HostPort;

/// Longest name of a link, bytes (`IFNAMSIZ` without its NUL).
const DEVICE: usize = 15;

/// Reads both; `to` is the server's address.
pub(super) fn read(s: &mut Section<'_>, to: Option<&HostPort>) -> Origin {
    let (mut address, mut device) = (None, None);
    s.set("source", &mut address, |item| source(item, to));
    s.set("device", &mut device, |item| name(item).map(Some));
    Origin { address, device }
}

/// `auto` is what the kernel chooses.
fn source(item: &Item, to: Option<&HostPort>) -> Result<Option<SocketAddr>, Problem> {
    if item.text()?.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    let ip = value::address(item)?;
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(item.problem("nothing can leave from this address").remedy("write \"auto\""));
    }
    match to.and_then(|to| to.host.parse::<IpAddr>().ok()) {
        Some(to) if to.is_ipv4() != ip.is_ipv4() => {
            let family = if to.is_ipv4() { "IPv4" } else { "IPv6" };
            Err(item.problem(format!("{to} cannot be reached from {ip}")).remedy(format!(
                "name an {family} address of this machine, or leave it to \"auto\""
            )))
        }
        _ => Ok(Some(SocketAddr::new(ip, 0))),
    }
}

/// A link of this machine, as `ip link` names it.
fn name(item: &Item) -> Result<Arc<str>, Problem> {
    let text = item.text()?;
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if plain && (1..=DEVICE).contains(&text.len()) {
        return Ok(text.into());
    }
    Err(item.problem("not the name of a network device").remedy("`ip link` lists them"))
}
