//! A certificate authority of one test, and what it certifies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::lab::Lab;
use super::net::{PUBLIC, PUBLIC6, SERVER, SERVER6};
use super::process::run;

/// Where clients find the authority's certificate, seen from their working directory.
pub(crate) const CA_FROM_CLIENT: &str = "../ca.pem";

/// The authority; `ca.pem` in the test's directory is its certificate.
pub(crate) struct Pki {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one file.
    pub(crate) both: PathBuf,
}

impl Identity {
    /// SHA-256 of the certificate, in hexadecimal.
    pub(crate) fn fingerprint(&self) -> String {
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(&self.chain);
        let said = run(openssl, "").expect("openssl");
        let (_, fingerprint) = said.trim_end().split_once('=').expect("a fingerprint");
        fingerprint.to_owned()
    }
}

impl Pki {
    pub(crate) fn new(lab: &Lab) -> Self {
        Self::named(lab, "ca.pem")
    }

    /// Another authority, which nobody trusts unless told.
    pub(crate) fn stranger(lab: &Lab) -> Self {
        Self::named(lab, "stranger.pem")
    }

    fn named(lab: &Lab, file: &str) -> Self {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("Test authority {file}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("certificate");
        fs::write(lab.path(file), certificate.pem()).expect("own file");
        Self { directory: lab.path(""), issuer: Issuer::new(params, key) }
    }

    /// The authority's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// What the gateway shows to clients.
    pub(crate) fn gateway(&self) -> Identity {
        self.issue("gateway", &[&PUBLIC.to_string(), &PUBLIC6.to_string(), "ftp.example.test"])
    }

    /// The certificate that [`listener`](Self::listener) named last, in DER.
    pub(crate) fn gateway_der(&self) -> Vec<u8> {
        let file = self.directory.join("gateway.pem");
        CertificateDer::from_pem_file(file).expect("certificate").to_vec()
    }

    /// What a server shows to the gateway.
    pub(crate) fn server(&self) -> Identity {
        self.issue("server", &[&SERVER.to_string(), &SERVER6.to_string()])
    }

    /// A certificate for these names.
    pub(crate) fn issue(&self, file: &str, names: &[&str]) -> Identity {
        self.sign(file, params(names))
    }

    /// One that was good for these names until 2021.
    pub(crate) fn expired(&self, file: &str, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(file, params)
    }

    /// One that began so many days ago and ends in so many.
    pub(crate) fn issue_for(&self, file: &str, names: &[&str], old: u64, left: u64) -> Identity {
        let mut params = params(names);
        let days = |count: u64| Duration::from_secs(count * 24 * 60 * 60);
        params.not_before = (SystemTime::now() - days(old)).into();
        params.not_after = (SystemTime::now() + days(left)).into();
        self.sign(file, params)
    }

    fn sign(&self, file: &str, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("key");
        let certificate = params.signed_by(&key, &self.issuer).expect("certificate");
        let (chain, key) = (certificate.pem(), key.serialize_pem());
        let write = |end: &str, text: String| {
            let path = self.directory.join(format!("{file}{end}"));
            fs::write(&path, text).expect("own file");
            path
        };
        Identity {
            both: write("-both.pem", format!("{chain}{key}")),
            chain: write(".pem", chain),
            key: write(".key", key),
        }
    }

    /// `tls` of a `[[listener]]` in this mode, with keys of its own added.
    pub(crate) fn listener(&self, mode: &str, more: &str) -> String {
        let Identity { chain, key, .. } = self.gateway();
        let (chain, key) = (chain.display(), key.display());
        format!("tls = {{ mode = \"{mode}\", cert = \"{chain}\", key = \"{key}\"{} }}", tail(more))
    }

    /// `tls` of an `[[upstream]]` in this mode, likewise.
    pub(crate) fn upstream(&self, mode: &str, more: &str) -> String {
        upstream(&self.ca(), mode, more)
    }
}

/// `tls` of an `[[upstream]]` that trusts the authority in this file.
pub(crate) fn upstream(ca: &Path, mode: &str, more: &str) -> String {
    format!("tls = {{ mode = \"{mode}\", ca = \"{}\"{} }}", ca.display(), tail(more))
}

fn tail(more: &str) -> String {
    if more.is_empty() { String::new() } else { format!(", {more}") }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names.clone()).expect("names");
    params.distinguished_name.push(DnType::CommonName, names[0].clone());
    params
}
