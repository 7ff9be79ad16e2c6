//! Google Compute Engine.

use std::io;

use super::super::rules::Addresses;
use super::{Metadata, addresses};

/// Asked with, and answered with, or it was somebody else.
const FLAVOR: (&str, &str) = ("Metadata-Flavor", "Google");
const INTERFACE: &str = "/computeMetadata/v1/instance/network-interfaces/0";

/// The external IPv4 address of the first interface, and its IPv6 address.
pub(super) async fn ask(metadata: Metadata) -> io::Result<Addresses> {
    let text = async |path: &str| {
        let Some(response) = metadata.get(&format!("{INTERFACE}{path}"), &[FLAVOR]).await? else {
            return Ok(String::new());
        };
        if response.field(FLAVOR.0) != Some(FLAVOR.1) {
            return Err(io::Error::other("what answers there is not Google's metadata service"));
        }
        Ok(response.body)
    };
    let v4 = text("/access-configs/0/external-ip").await?;
    let v6 = text("/ipv6s").await?;
    Ok(addresses(v4.lines().chain(v6.lines())))
}
