//! The address that a cloud gave its machine from outside: what its metadata service says.
//!
//! Only a machine that says of itself what it is (its firmware's tables) makes us ask: nowhere else
//! is a packet sent. What is asked is link-local, never routed, and bounded.

mod aws;
mod azure;
mod gcp;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::rules::Addresses;
use crate::net::http::{self, Request, Response};

/// How long one answer may take: it comes from the machine's own host.
const ANSWER: Duration = Duration::from_secs(1);
/// More than any of the firmware's texts has.
const FIRMWARE_LIMIT: u64 = 256;

/// Where a cloud is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CloudOptions {
    /// Where the kernel shows what the machine is.
    pub(crate) sys: PathBuf,
    /// The metadata service; all three have it in the same place.
    pub(crate) metadata: SocketAddr,
}

impl Default for CloudOptions {
    fn default() -> Self {
        let metadata = SocketAddr::from(([169, 254, 169, 254], 80));
        Self { sys: PathBuf::from("/sys"), metadata }
    }
}

/// A cloud whose metadata we can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    /// Amazon EC2.
    Aws,
    /// Google Compute Engine.
    Gcp,
    /// Microsoft Azure.
    Azure,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws => "AWS",
            Self::Gcp => "Google Cloud",
            Self::Azure => "Azure",
        })
    }
}

impl CloudOptions {
    /// The cloud that this machine says it is in, without a question to the network.
    pub(super) fn recognise(&self) -> Option<Platform> {
        let dmi = |name: &str| firmware(&self.sys.join("class/dmi/id").join(name));
        let (vendor, product) = (dmi("sys_vendor"), dmi("product_name"));
        // Machines under Xen have no vendor of that name, but this.
        let xen = firmware(&self.sys.join("hypervisor/uuid")).starts_with("ec2");
        if vendor == "Amazon EC2" || xen {
            return Some(Platform::Aws);
        }
        // A Chromebook is Google's too, and no cloud.
        if product == "Google Compute Engine" || (vendor == "Google" && product == "Google") {
            return Some(Platform::Gcp);
        }
        // Hyper-V at home has the same vendor, but not this number.
        let azure = dmi("chassis_asset_tag") == "7783-7084-3265-9085-8269-3286-77";
        azure.then_some(Platform::Azure)
    }

    /// What `platform` says: none of a family is an answer too.
    pub(super) async fn ask(&self, platform: Platform) -> io::Result<Addresses> {
        let metadata = Metadata { at: self.metadata };
        match platform {
            Platform::Aws => aws::ask(metadata).await,
            Platform::Gcp => gcp::ask(metadata).await,
            Platform::Azure => azure::ask(metadata).await,
        }
    }
}

/// Empty where there is none.
fn firmware(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|f| f.take(FIRMWARE_LIMIT).read_to_string(&mut text));
    read.map(|_| text.trim().to_owned()).unwrap_or_default()
}

/// The metadata service, asked one thing at a time.
#[derive(Debug, Clone, Copy)]
struct Metadata {
    at: SocketAddr,
}

impl Metadata {
    /// What is there; `None`: nothing is (404).
    async fn get(self, path: &str, fields: &[(&str, &str)]) -> io::Result<Option<Response>> {
        let response = self.ask("GET", path, fields).await?;
        match response.status {
            200 => Ok(Some(response)),
            404 => Ok(None),
            status => Err(refused(path, status)),
        }
    }

    /// As [`get`](Self::get), of something that has an effect.
    async fn put(self, path: &str, fields: &[(&str, &str)]) -> io::Result<String> {
        let response = self.ask("PUT", path, fields).await?;
        if response.status == 200 { Ok(response.body) } else { Err(refused(path, response.status)) }
    }

    async fn ask(
        self,
        method: &'static str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> io::Result<Response> {
        let host = self.at.ip().to_string();
        let request = Request { method, host: &host, path, fields, body: "" };
        http::exchange(self.at, &request, ANSWER).await
    }
}

fn refused(path: &str, status: u16) -> io::Error {
    io::Error::other(format!("{path} is answered with status {status}"))
}

/// The first address of each family among some texts; whatever is none is passed over.
fn addresses<'a>(texts: impl IntoIterator<Item = &'a str>) -> Addresses {
    let mut found = Addresses::default();
    for text in texts {
        match text.trim().trim_matches(['[', ']']).parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => found.v4 = found.v4.or(Some(ip)),
            Ok(IpAddr::V6(ip)) => found.v6 = found.v6.or(Some(ip)),
            Err(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
