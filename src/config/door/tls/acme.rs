//! `acme` in `tls` of a listener: a certificate that is fetched instead of named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustls_pki_types::ServerName;

use super::super::super::item::Item;
use super::super::super::problem::Problem;
use super::super::super::section::Section;
use super::super::super::value;
use crate::tls::{self, AcmeOptions};

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const DIR: &str = "/var/lib/ftpgate/acme";
/// Where issuers ask (RFC 8555 8.3).
const HTTP: u16 = 80;
/// Most names in one certificate: what Let's Encrypt takes.
const NAMES: usize = 100;

/// Reads all of it. `None`: it is absent, or something is wrong and reported.
pub(super) fn read(mut s: Section<'_>) -> Option<AcmeOptions> {
    let given = s.is_given();
    if given && !tls::HAS_ACME {
        let problem = Problem::error("this ftpgate was built without ACME");
        s.missed("names", problem.remedy("name `cert` and `key`, or build it with `acme`"));
    }
    let names = names(&mut s, given);
    let contact = match s.written("contact") {
        Some(_) => s.list("contact", contact),
        None => Some(Vec::new()),
    };
    let mut directory = LETS_ENCRYPT.to_owned();
    s.set("directory", &mut directory, url);
    let ca = s.take("ca", value::path);
    let mut dir = DIR.into();
    s.set("dir", &mut dir, value::path);
    let http = match s.written("http") {
        Some(_) => s.list("http", value::bind).map(|lists| lists.concat()),
        None => {
            let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
            Some(any.map(|ip| SocketAddr::new(ip, HTTP)).to_vec())
        }
    };
    s.finish();
    let (names, contact, http) = (names?, contact?, http.filter(|http| !http.is_empty())?);
    Some(AcmeOptions { directory, ca, contact, names, dir, http })
}

/// At least one.
fn names(s: &mut Section<'_>, given: bool) -> Option<Vec<String>> {
    let place = s.written("names");
    if given && place.is_none() {
        let problem = Problem::error("`names` is missing: for whom is the certificate?");
        s.missed("names", problem.remedy("add names = [\"ftp.example.org\"], as clients say it"));
    }
    let names = s.list("names", name)?;
    if names.is_empty() || names.len() > NAMES {
        let problem = Problem::error(format!("there must be from 1 to {NAMES} names"));
        s.report("names", problem.within(place.as_ref()));
        return None;
    }
    Some(names)
}

fn name(item: &Item) -> Result<String, Problem> {
    let text = item.text()?.to_ascii_lowercase();
    let text = text.strip_suffix('.').unwrap_or(&text);
    if text.starts_with("*.") {
        let problem = item.problem("HTTP-01 cannot prove a wildcard");
        return Err(problem.remedy("write out every name that clients connect to"));
    }
    match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(item
            .problem("neither a host name nor an address")
            .remedy("write what clients connect to, without a port")),
    }
}

fn contact(item: &Item) -> Result<String, Problem> {
    let text = item.text()?;
    match text.strip_prefix("mailto:") {
        Some(address) if address.contains('@') => Ok(text),
        _ => Err(item
            .problem("not an address that the issuer can write to")
            .remedy("write \"mailto:\" and an e-mail address")),
    }
}

fn url(item: &Item) -> Result<String, Problem> {
    let text = item.text()?;
    let host = text.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    let plain = text.bytes().all(|b| b.is_ascii_graphic());
    match host {
        Some(host)
            if plain && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') =>
        {
            Ok(text)
        }
        _ => Err(item
            .problem("not the URL of an ACME directory")
            .remedy(format!("write \"https://…\", as in \"{LETS_ENCRYPT}\""))),
    }
}
