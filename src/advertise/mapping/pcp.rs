//! PCP and NAT-PMP: one packet there, one back, port 5351.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use crab_nat::pcp::{BaseMapRequest, DropMappingRange, Nonce};
use crab_nat::{
    GatewayAddress, InternetProtocol, PortMapping, PortMappingOptions, PortMappingType,
    TimeoutConfig, VersionCode, natpmp, pcp,
};

use super::LEASE;
use super::router::{Granted, Link, Pulse, Refused};

/// A router in the same network answers within milliseconds, or it does not speak this: 1.75 s.
const PATIENCE: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 2,
    max_retry_timeout: None,
};
/// The only protocol we map.
const TCP: InternetProtocol = InternetProtocol::Tcp;

/// A router that is spoken to in one of the two.
#[derive(Debug)]
pub(super) struct Client {
    link: Link,
    /// Else NAT-PMP.
    pcp: bool,
    /// Its address outside: with PCP each mapping tells it.
    address: Option<Ipv4Addr>,
    /// Its clock and ours when it was last heard.
    heard: Option<(u32, Instant)>,
    /// Its clock says that it began anew since.
    forgot: bool,
}

impl Client {
    pub(super) fn new(link: Link, pcp: bool) -> Self {
        Self { link, pcp, address: None, heard: None, forgot: false }
    }

    pub(super) async fn map(&mut self, port: u16, outside: u16) -> Result<Granted, Refused> {
        let internal = NonZeroU16::new(port).ok_or_else(|| Refused::port("port 0"))?;
        let options = PortMappingOptions {
            external_port: NonZeroU16::new(outside),
            lifetime_seconds: u32::try_from(LEASE.as_secs()).ok(),
            timeout_config: Some(PATIENCE),
        };
        let gateway = GatewayAddress::from(self.link.gateway);
        let mapping = if self.pcp {
            let request = BaseMapRequest::new(gateway, self.link.local.into(), TCP, internal);
            pcp::port_mapping(request, nonce(port), None, options).await.map_err(pcp_refused)?
        } else {
            natpmp::port_mapping(gateway, TCP, internal, options).await.map_err(natpmp_refused)?
        };
        self.note(&mapping);
        let lease = Duration::from_secs(mapping.lifetime().into());
        Ok(Granted { outside: mapping.external_port().get(), lease: Some(lease) })
    }

    fn note(&mut self, mapping: &PortMapping) {
        if let PortMappingType::Pcp { external_ip, .. } = mapping.mapping_type()
            && let IpAddr::V4(ip) = external_ip.to_canonical()
        {
            self.address = Some(ip);
        }
        let (epoch, now) = (mapping.gateway_epoch(), Instant::now());
        self.forgot = self.heard.is_some_and(|(before, then)| {
            began_anew(before, epoch, now.saturating_duration_since(then).as_secs())
        });
        self.heard = Some((epoch, now));
    }

    pub(super) async fn unmap(&self, port: u16) -> Result<(), Refused> {
        let Some(internal_port) = NonZeroU16::new(port) else { return Ok(()) };
        let gateway = GatewayAddress::from(self.link.gateway);
        if let (true, Some(nonce)) = (self.pcp, nonce(port)) {
            let range = DropMappingRange::Single { protocol: TCP, internal_port };
            let local = self.link.local.into();
            let dropped = pcp::try_drop_mapping(gateway, local, nonce, range, Some(PATIENCE));
            return dropped.await.map_err(pcp_refused);
        }
        let dropped = natpmp::try_drop_mapping(gateway, TCP, Some(internal_port), Some(PATIENCE));
        dropped.await.map_err(natpmp_refused)
    }

    /// PCP tells it with a mapping only; most of its servers know the older question.
    pub(super) async fn address(&self) -> Result<Option<Ipv4Addr>, Refused> {
        if self.pcp && self.address.is_some() {
            return Ok(self.address);
        }
        let gateway = self.link.gateway.into();
        match natpmp::external_address(gateway, Some(PATIENCE)).await {
            Ok(ip) => Ok(Some(ip)),
            Err(natpmp::Failure::UnsupportedVersion(VersionCode::Pcp)) if self.pcp => Ok(None),
            Err(failure) => Err(natpmp_refused(failure)),
        }
    }

    pub(super) async fn pulse(&mut self, port: u16, outside: u16) -> Result<Pulse, Refused> {
        self.map(port, outside).await?;
        Ok(Pulse { address: self.address().await?, forgot: self.forgot })
    }
}

/// Whether a router's clock went back, or not on as ours did, give or take two seconds and a
/// sixteenth (RFC 6887 section 8.5): its mappings are lost then.
fn began_anew(before: u32, epoch: u32, ours: u64) -> bool {
    let (before, epoch) = (u64::from(before), u64::from(epoch));
    let theirs = epoch.saturating_sub(before);
    epoch + 1 < before || ours + 2 < theirs - theirs / 16 || theirs + 2 < ours - ours / 16
}

/// What a mapping is known by (RFC 6887 section 11.1). It must be the same after a restart, or the
/// router would keep the port for the process that is gone; without a machine's name it is the
/// same for this process only.
fn nonce(port: u16) -> Option<Nonce> {
    static MACHINE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let id = std::fs::read("/etc/machine-id").unwrap_or_default();
        if id.len() < 32 { rand::random::<[u8; 32]>().to_vec() } else { id }
    });
    let seed = [b"ftpgate pcp ", &port.to_be_bytes()[..], MACHINE.as_slice()].concat();
    let hash = digest(&SHA256, &seed);
    let mut words =
        hash.as_ref().chunks_exact(4).filter_map(|c| Some(u32::from_be_bytes(c.try_into().ok()?)));
    Some([words.next()?, words.next()?, words.next()?])
}

fn pcp_refused(failure: pcp::Failure) -> Refused {
    use pcp::Failure as F;
    match failure {
        F::Socket(error) => Refused::silent(unheard(&error)),
        F::Timeout => Refused::silent("no answer"),
        F::UnsupportedVersion(_) | F::UnsupportedOpcode => Refused::silent("it does not speak it"),
        F::InvalidResponse(kind) => Refused::silent(format!("its answer makes no sense: {kind}")),
        F::AddressMismatch => {
            Refused::silent("another NAT, perhaps a container's, is between us and the router")
        }
        F::NotAuthorized(_) => Refused::port("not authorized"),
        F::NoResources(_) | F::UserExceededQuota(_) => Refused::port("it has no room for more"),
        F::NetworkFailure(_) => Refused::port("it is not connected itself"),
        other => Refused::port(other.to_string()),
    }
}

fn natpmp_refused(failure: natpmp::Failure) -> Refused {
    use natpmp::Failure as F;
    match failure {
        F::Socket(error) => Refused::silent(unheard(&error)),
        F::Timeout => Refused::silent("no answer"),
        F::UnsupportedVersion(_) | F::UnsupportedOpcode => Refused::silent("it does not speak it"),
        F::InvalidResponse(kind) => Refused::silent(format!("its answer makes no sense: {kind}")),
        F::NotAuthorized => Refused::port("not authorized"),
        F::OutOfResources => Refused::port("it has no room for more"),
        F::NetworkFailure => Refused::port("it is not connected itself"),
    }
}

fn unheard(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "no answer".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
