use std::os::unix::fs::PermissionsExt as _;

use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn is_good_for_each_name_and_for_397_days() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let all = names(&["ftp.example.org", "192.0.2.1", "2001:db8::1"]);
    let (certificate, _) = self_signed(&all, now).unwrap();
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let parsed = ParsedCertificate::try_from(&der).unwrap();
    for name in &all {
        verify_server_name(&parsed, &ServerName::try_from(name.as_str()).unwrap()).unwrap();
    }
    let other = ServerName::try_from("www.example.org").unwrap();
    assert!(verify_server_name(&parsed, &other).is_err());

    let (_, x509) = X509Certificate::from_der(&der).unwrap();
    let validity = x509.validity();
    assert_eq!(validity.not_before.timestamp(), 1_800_000_000 - 24 * 60 * 60);
    assert_eq!(validity.not_after.timestamp() - validity.not_before.timestamp(), 397 * 86_400);
    assert_eq!(x509.subject().to_string(), "CN=ftp.example.org");
    assert!(!x509.is_ca());
}

#[test]
fn a_wildcard_is_a_name_and_nonsense_is_not() {
    assert!(self_signed(&names(&["*.example.org"]), SystemTime::now()).is_ok());
    let error = self_signed(&names(&["ftp example"]), SystemTime::now()).unwrap_err();
    assert!(error.to_string().contains("\"ftp example\" is not a host name"), "{error}");
}

#[test]
fn only_the_owner_reads_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tls");
    let (certificate, key) = write(&out, "certificate", "key").unwrap();
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_to_string(certificate).unwrap(), "certificate");
    assert_eq!(fs::read_to_string(key).unwrap(), "key");
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cert.pem"), "mine").unwrap();
    let error = write(dir.path(), "certificate", "key").unwrap_err();
    assert!(format!("{error:#}").contains("cert.pem"), "{error:#}");
    assert_eq!(fs::read_to_string(dir.path().join("cert.pem")).unwrap(), "mine");
    assert!(!dir.path().join("key.pem").exists());
}
