//! `source` and `device` of an upstream: where connections to it leave from.

use std::net::IpAddr;

use super::super::item::Item;
use super::super::problem::Problem;
use super::super::value;
use crate::net::device::Device;
use crate::upstream::options::{HostPort, Source};

/// `auto`, `client`, or an address of this machine; `to` is the server's.
pub(super) fn source(to: Option<&HostPort>) -> impl Fn(&Item) -> Result<Source, Problem> {
    move |item| {
        let text = item.text()?.to_ascii_lowercase();
        let ip = match text.as_str() {
            "auto" => return Ok(Source::Auto),
            "client" => return Ok(Source::Client),
            _ => value::address(item)
                .map_err(|problem| problem.remedy("write \"auto\", \"client\" or an address"))?,
        };
        if ip.is_unspecified() || ip.is_multicast() {
            let problem = item.problem("nothing can leave from this address");
            return Err(problem.remedy("write \"auto\""));
        }
        match to.and_then(|to| to.host.parse::<IpAddr>().ok()) {
            Some(to) if to.is_ipv4() != ip.is_ipv4() => {
                let family = if to.is_ipv4() { "IPv4" } else { "IPv6" };
                Err(item.problem(format!("{to} cannot be reached from {ip}")).remedy(format!(
                    "name an {family} address of this machine, or leave it to \"auto\""
                )))
            }
            _ => Ok(Source::Address(ip)),
        }
    }
}

/// A link of this machine.
pub(super) fn device(item: &Item) -> Result<Option<Device>, Problem> {
    Device::new(&item.text()?).map(Some).ok_or_else(|| {
        item.problem("not the name of a network device").remedy("`ip link` lists them")
    })
}
