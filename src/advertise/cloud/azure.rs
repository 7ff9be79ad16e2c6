//! Microsoft Azure: the machine's own public address, or that of the load balancer before it.
//!
//! A standard public address is not in the machine's own metadata; the balancer's are at an
//! endpoint of their own, together with such an address.

use std::io;

use serde_json::Value;

use super::super::rules::Addresses;
use super::{Metadata, addresses};

const FIELD: (&str, &str) = ("Metadata", "true");
pub(super) const MACHINE: &str = "/metadata/instance/network?api-version=2021-02-01";
pub(super) const BALANCER: &str = "/metadata/loadbalancer?api-version=2020-10-01";

/// Of each family the machine's own address, else the balancer's.
pub(super) async fn ask(metadata: Metadata) -> io::Result<Addresses> {
    let machine = json(metadata, MACHINE).await?;
    let mut found = Vec::new();
    for interface in list(&machine, "/interface") {
        for family in ["/ipv4/ipAddress", "/ipv6/ipAddress"] {
            found.extend(list(interface, family).iter().filter_map(|a| text(a, "publicIpAddress")));
        }
    }
    let own = addresses(found);
    if own.v4.is_some() {
        return Ok(own);
    }
    let balancer = json(metadata, BALANCER).await?;
    let fronts = list(&balancer, "/loadbalancer/publicIpAddresses");
    let front = addresses(fronts.iter().filter_map(|a| text(a, "frontendIpAddress")));
    Ok(Addresses { v4: front.v4, v6: own.v6.or(front.v6) })
}

/// Null where there is nothing.
async fn json(metadata: Metadata, path: &str) -> io::Result<Value> {
    match metadata.get(path, &[FIELD]).await? {
        Some(response) => serde_json::from_str(&response.body).map_err(io::Error::other),
        None => Ok(Value::Null),
    }
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}
