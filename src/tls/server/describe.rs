//! The certificates in words, for the operator.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::{TlsServer, certs};

/// Names that are told one by one.
const MAX_NAMES: usize = 5;

impl TlsServer {
    /// A line for every certificate: whom it is for, until when, from which file.
    pub(crate) fn describe(&self) -> Vec<String> {
        let current = self.current.load();
        let lines = current.certificates.all.iter().map(|(key, file)| {
            let file = file.display();
            match summary(key) {
                Some(summary) => format!("{summary} ({file})"),
                None => format!("a certificate that cannot be described ({file})"),
            }
        });
        lines.collect()
    }
}

fn summary(key: &CertifiedKey) -> Option<String> {
    let certificate = certs::parse(key)?;
    let issuer = if certs::is_self_signed(&certificate) {
        ", self-signed: clients will ask whether to trust it"
    } else {
        ""
    };
    let ends = Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?;
    let names = names(&certificate);
    let more = if names.len() > MAX_NAMES { ", …" } else { "" };
    let named = names.get(..MAX_NAMES).unwrap_or(&names).join(", ");
    let named = if named.is_empty() { "no name at all".into() } else { named };
    let ends = ends.strftime("%Y-%m-%d");
    Some(format!("certificate for {named}{more} until {ends}{issuer}"))
}

/// What clients may connect to: names, then addresses.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter();
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
        _ => None,
    };
    names.filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests;
