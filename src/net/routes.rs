//! Who forwards for us: the default gateways, as the kernel lists its routes.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The default route is the first of its table: of a router's hundred thousand no more is read.
const TABLE_LIMIT: u64 = 64 * 1024;
/// The flag of a route that leads through a gateway (`RTF_GATEWAY`).
const GATEWAY: u32 = 2;

/// The default gateways of this network namespace, IPv4 first, the preferred of each before the
/// others. Empty where there is none, or where the kernel tells nothing.
pub(crate) fn default_gateways() -> Vec<IpAddr> {
    let mut found = parse_v4(&table("/proc/net/route"));
    found.extend(parse_v6(&table("/proc/net/ipv6_route")));
    found
}

fn table(path: &str) -> String {
    let mut text = Vec::new();
    if let Ok(file) = File::open(path) {
        // What was read before an error is still true.
        let _ = file.take(TABLE_LIMIT).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// `eth0 00000000 0101A8C0 0003 0 0 100 00000000 …`: numbers are in the machine's byte order, and
/// the addresses among them in memory as on the wire.
fn parse_v4(table: &str) -> Vec<IpAddr> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |n: usize| u32::from_str_radix(fields.get(n)?, 16).ok();
        let everywhere = number(1)? == 0 && number(7)? == 0;
        let metric: u32 = fields.get(6)?.parse().ok()?;
        let gateway = Ipv4Addr::from(number(2)?.to_ne_bytes());
        (everywhere && number(3)? & GATEWAY != 0).then_some((metric, gateway.into()))
    };
    by_metric(table.lines().filter_map(route).collect())
}

/// Destination, its length, source, its length, next hop, metric, two counters, flags, device.
fn parse_v6(table: &str) -> Vec<IpAddr> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |n: usize| u32::from_str_radix(fields.get(n)?, 16).ok();
        let address = |n: usize| u128::from_str_radix(fields.get(n)?, 16).ok();
        let everywhere = address(0)? == 0 && number(1)? == 0;
        let gateway = Ipv6Addr::from(address(4)?);
        (everywhere && number(8)? & GATEWAY != 0).then_some((number(5)?, gateway.into()))
    };
    by_metric(table.lines().filter_map(route).collect())
}

fn by_metric(mut found: Vec<(u32, IpAddr)>) -> Vec<IpAddr> {
    found.sort_by_key(|(metric, _)| *metric);
    found.into_iter().map(|(_, gateway)| gateway).collect()
}

#[cfg(test)]
mod tests;
