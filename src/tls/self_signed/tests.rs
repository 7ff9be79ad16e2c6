use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::*;

#[test]
fn is_good_for_each_name_and_for_397_days() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let all = ["ftp.example.org", "192.0.2.1", "2001:db8::1"].map(str::to_owned);
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
