//! Amazon EC2: instance metadata, version 2.

use std::io;

use super::super::rules::Addresses;
use super::{Metadata, addresses};

/// Two fields that a browser or a careless proxy would not send.
const LIFE: (&str, &str) = ("X-aws-ec2-metadata-token-ttl-seconds", "60");
const TOKEN: &str = "X-aws-ec2-metadata-token";
const ROOT: &str = "/latest/meta-data";

/// The public (elastic) IPv4 address, and the IPv6 address of the first interface.
pub(super) async fn ask(metadata: Metadata) -> io::Result<Addresses> {
    let token = metadata.put("/latest/api/token", &[LIFE]).await?;
    let fields = [(TOKEN, token.trim())];
    let text = async |path: String| {
        let found = metadata.get(&path, &fields).await?;
        io::Result::Ok(found.map(|response| response.body).unwrap_or_default())
    };
    let mut found = text(format!("{ROOT}/public-ipv4")).await?;
    let mac = text(format!("{ROOT}/mac")).await?;
    if !mac.is_empty() {
        found.push('\n');
        found
            .push_str(&text(format!("{ROOT}/network/interfaces/macs/{}/ipv6s", mac.trim())).await?);
    }
    Ok(addresses(found.lines()))
}
