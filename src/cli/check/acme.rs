//! What fetching a certificate by ACME would take, tried as far as the issuer need not be asked.

use std::fs::OpenOptions;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use jiff::Timestamp;
use rustls_pki_types::UnixTime;

use super::{Report, is_missing_ipv6, socket};
use crate::tls::{AcmeOptions, ServerTlsOptions};

/// Where issuers ask (RFC 8555 8.3).
const HTTP: u16 = 80;

impl Report {
    /// What is asked of whom, where the issuer's requests arrive, and where the answer is kept.
    pub(super) async fn acme(&mut self, listener: &str, options: &AcmeOptions) {
        let (file, directory) = (options.files().chain, &options.directory);
        let names = options.names.join(", ");
        self.good(format!(
            "{listener}: the certificate for {names} is fetched from {directory} and kept in {}",
            file.display()
        ));
        if !file.exists() {
            self.warn(format!(
                "{listener}: there is none yet: a self-signed one stands in until the issuer has \
                 answered"
            ));
        }
        if let Err(error) = writable(&options.dir) {
            self.warn(format!(
                "{listener}: this user cannot write to {}: {error}; the one who runs the gateway \
                 must",
                options.dir.display()
            ));
        }
        for name in &options.names {
            self.found(listener, name).await;
        }
        for address in &options.http {
            self.answers(listener, *address, options.http.len() > 1);
        }
    }

    /// The issuer has to find every name.
    async fn found(&mut self, listener: &str, name: &str) {
        if name.parse::<IpAddr>().is_ok() {
            return;
        }
        match tokio::net::lookup_host((name, HTTP)).await {
            Ok(addresses) => {
                let mut addresses: Vec<_> = addresses.map(|a| a.ip().to_string()).collect();
                addresses.dedup();
                let addresses = addresses.join(", ");
                self.good(format!("{listener}: the issuer will ask port 80 of {name}, {addresses}"));
            }
            Err(error) => self.bad(format!(
                "{listener}: {name} has no address: {error}; the issuer will look for it: make an A \
                 or AAAA record that leads here"
            )),
        }
    }

    fn answers(&mut self, listener: &str, address: SocketAddr, one_of_several: bool) {
        match socket::listen_control(address, false) {
            Ok(_) => {
                self.good(format!("{listener}: {address} can be bound for the issuer's requests"));
            }
            Err(error) if one_of_several && is_missing_ipv6(&address, &error) => {}
            Err(error) => self.bad(format!(
                "{listener}: {address} cannot be bound for the issuer's requests: {error}; it takes \
                 CAP_NET_BIND_SERVICE, and nobody else may listen there: or set `http` to a port \
                 to which 80 is forwarded"
            )),
        }
    }
}

/// Tried on what is there of it.
fn writable(dir: &Path) -> io::Result<()> {
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(dir);
    let probe = there.join(".ftpgate-check");
    OpenOptions::new().write(true).create(true).truncate(true).open(&probe)?;
    std::fs::remove_file(&probe)
}

/// Whether this file is missing because nothing was fetched yet.
pub(super) fn is_to_come(options: &ServerTlsOptions, file: &Path) -> bool {
    let fetched = options.acme.as_ref().map(|acme| acme.files().chain);
    fetched.as_deref() == Some(file) && !file.exists()
}

/// When it is fetched anew.
pub(super) fn renewal(due: UnixTime) -> String {
    if due <= UnixTime::now() {
        return "it is fetched anew as soon as the gateway runs".into();
    }
    let day = i64::try_from(due.as_secs()).ok().and_then(|s| Timestamp::from_second(s).ok());
    let day = day.map(|day| day.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
    format!("it is fetched anew from {day} on")
}
