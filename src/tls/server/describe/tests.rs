use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::tls::testing::{Authority, server_options};

#[test]
fn names_addresses_end_and_file_are_told() {
    let authority = Authority::new();
    // 2100-01-02 03:04:05 UTC.
    let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_542_245);
    let first = authority.issue_until("a", &["ftp.test", "192.0.2.7", "2001:db8::7"], ends);
    let many = authority.issue_until("b", &["a", "b", "c", "d", "e", "f"], ends);
    let file = first.chain.display().to_string();
    let server = TlsServer::load(&server_options(vec![first, many])).unwrap();
    let lines = server.describe();
    let told =
        format!("certificate for ftp.test, 192.0.2.7, 2001:db8::7 until 2100-01-02 ({file})");
    assert_eq!(lines[0], told);
    assert!(lines[1].starts_with("certificate for a, b, c, d, e, … until 2100-01-02 ("));
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_self_signed_one_without_names_is_told_as_such() {
    let authority = Authority::new();
    let files = authority.files("own");
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    std::fs::write(&files.chain, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    let lines = TlsServer::load(&server_options(vec![files])).unwrap().describe();
    assert!(lines[0].starts_with("certificate for no name at all until "), "{lines:?}");
    assert!(lines[0].contains("self-signed"), "{lines:?}");
}
