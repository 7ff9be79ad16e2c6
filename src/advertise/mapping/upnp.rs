//! UPnP Internet Gateway Device: a call over HTTP for each port.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::LEASE;
use super::router::{Granted, Link, Pulse, Refused};
use super::soap::{self, Service};
use super::ssdp::{self, Location};
use crate::net::http::{self, Request};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(3);
/// Other numbers outside that are tried when another machine has ours.
const TRIES: usize = 3;

/// Nothing is mapped there (UPnP error codes).
const NO_SUCH_ENTRY: u16 = 714;
const CONFLICT: u16 = 718;
const SAME_PORT_WANTED: u16 = 724;
const ONLY_PERMANENT: u16 = 725;

/// A router whose service was found.
#[derive(Debug)]
pub(super) struct Client {
    link: Link,
    control: Location,
    kind: &'static str,
    /// It takes mappings only for good.
    permanent: bool,
}

/// Why a call brought nothing.
#[derive(Debug)]
enum Failure {
    /// The router said no.
    Fault(u16, String),
    /// It was not heard, or not understood.
    Broken(String),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Fault(code, said) => Self::port(format!("error {code} {said}")),
            Failure::Broken(why) => Self::silent(why),
        }
    }
}

impl Client {
    /// Searches for the router's description and reads it.
    pub(super) async fn find(link: Link) -> Result<Self, Refused> {
        let found = ssdp::search(link).await.map_err(|error| Refused::silent(error.to_string()))?;
        let description = found.ok_or_else(|| Refused::silent("no answer"))?;
        let text = get(&description).await?;
        let Service { kind, control } = soap::service(&text)
            .ok_or_else(|| Refused::silent("its description names no service that maps ports"))?;
        let control = if control.contains("://") {
            ssdp::location(&control).filter(|control| control.at.ip() == description.at.ip())
        } else {
            let path = format!("/{}", control.trim_start_matches('/'));
            Some(Location { at: description.at, path })
        };
        let control =
            control.ok_or_else(|| Refused::silent("its description leads somewhere else"))?;
        Ok(Self { link, control, kind, permanent: false })
    }

    pub(super) async fn map(&mut self, port: u16, outside: u16) -> Result<Granted, Refused> {
        let (mut wanted, mut tries) = (outside, 0);
        loop {
            match self.add(port, wanted).await {
                Ok(()) => {
                    let lease = (!self.permanent).then_some(LEASE);
                    return Ok(Granted { outside: wanted, lease });
                }
                Err(Failure::Fault(ONLY_PERMANENT, _)) if !self.permanent => self.permanent = true,
                Err(Failure::Fault(SAME_PORT_WANTED, _)) if wanted != port => wanted = port,
                Err(Failure::Fault(CONFLICT, _)) if tries < TRIES => {
                    tries += 1;
                    // Some routers do not take their own mapping again before it is removed.
                    if tries > 1
                        || self.client_of(wanted).await?.is_none_or(|ip| ip != self.link.local)
                    {
                        wanted = rand::random_range(20_000..=60_000);
                    } else {
                        self.unmap(wanted).await?;
                    }
                }
                Err(Failure::Fault(CONFLICT, _)) => {
                    return Err(Refused::port("another machine has that port"));
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    async fn add(&self, port: u16, outside: u16) -> Result<(), Failure> {
        let lease = if self.permanent { 0 } else { LEASE.as_secs() };
        let arguments = [
            ("NewRemoteHost", ""),
            ("NewExternalPort", &outside.to_string()),
            ("NewProtocol", "TCP"),
            ("NewInternalPort", &port.to_string()),
            ("NewInternalClient", &self.link.local.to_string()),
            ("NewEnabled", "1"),
            ("NewPortMappingDescription", "ftpgate"),
            ("NewLeaseDuration", &lease.to_string()),
        ];
        self.call("AddPortMapping", &arguments).await.map(drop)
    }

    pub(super) async fn unmap(&self, outside: u16) -> Result<(), Refused> {
        let port = outside.to_string();
        Ok(self.call("DeletePortMapping", &entry(&port)).await.map(drop)?)
    }

    pub(super) async fn address(&self) -> Result<Option<Ipv4Addr>, Refused> {
        match self.call("GetExternalIPAddress", &[]).await {
            Ok(answer) => {
                Ok(soap::element(&answer, "NewExternalIPAddress").and_then(|ip| ip.parse().ok()))
            }
            // A router that is not connected has no address, and says so with some error.
            Err(Failure::Fault(..)) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// A router that was switched off and on again has no mapping any more.
    pub(super) async fn pulse(&mut self, _port: u16, outside: u16) -> Result<Pulse, Refused> {
        let forgot = self.client_of(outside).await? != Some(self.link.local);
        Ok(Pulse { address: self.address().await?, forgot })
    }

    /// Whom a port is forwarded to; `None`: nobody. A router that cannot tell has said us.
    async fn client_of(&self, outside: u16) -> Result<Option<Ipv4Addr>, Refused> {
        let port = outside.to_string();
        match self.call("GetSpecificPortMappingEntry", &entry(&port)).await {
            Ok(answer) => {
                Ok(soap::element(&answer, "NewInternalClient").and_then(|ip| ip.parse().ok()))
            }
            Err(Failure::Fault(NO_SUCH_ENTRY, _)) => Ok(None),
            Err(Failure::Fault(..)) => Ok(Some(self.link.local)),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn call(&self, action: &str, arguments: &[(&str, &str)]) -> Result<String, Failure> {
        let action_field = format!("\"{}#{action}\"", self.kind);
        let fields = [
            ("SOAPAction", action_field.as_str()),
            ("Content-Type", "text/xml; charset=\"utf-8\""),
        ];
        let body = soap::call(self.kind, action, arguments);
        let response = send(&self.control, "POST", &fields, &body).await?;
        if response.status == 200 {
            return Ok(response.body);
        }
        Err(match soap::fault(&response.body) {
            Some((code, said)) => Failure::Fault(code, said),
            None => Failure::Broken(format!("it answers with status {}", response.status)),
        })
    }
}

/// The three arguments that name a mapping.
fn entry(outside: &str) -> [(&'static str, &str); 3] {
    [("NewRemoteHost", ""), ("NewExternalPort", outside), ("NewProtocol", "TCP")]
}

async fn get(description: &Location) -> Result<String, Refused> {
    let response = send(description, "GET", &[], "").await?;
    match response.status {
        200 => Ok(response.body),
        status => Err(Refused::silent(format!("its description is answered with status {status}"))),
    }
}

async fn send(
    to: &Location,
    method: &'static str,
    fields: &[(&str, &str)],
    body: &str,
) -> Result<http::Response, Failure> {
    let host = to.at.to_string();
    let request = Request { method, host: &host, path: &to.path, fields, body };
    let exchange = http::exchange(to.at, &request, CALL).await;
    exchange.map_err(|error| Failure::Broken(error.to_string()))
}

#[cfg(test)]
mod tests;
