//! Both ends of handshakes that fail: what each says, and what to do about it.

use std::time::{Duration, SystemTime};

use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::tls::certs::fingerprint;
use crate::tls::testing::{Authority, DAY, PATIENCE, loopback, ours, server_options};
use crate::tls::{
    ClientTlsOptions, ServerTlsOptions, TlsClient, TlsServer, TlsVersion, TlsVersions, Verify,
    accept, connect,
};

/// What client and server make of their meeting.
async fn meet(
    server: &ServerTlsOptions,
    client: &ClientTlsOptions,
) -> (Result<(), HandshakeError>, Result<(), HandshakeError>) {
    let server = TlsServer::load(server).unwrap();
    let client = TlsClient::load(client, "localhost").unwrap();
    let (near, far) = ours(&client.session(), server.session().control()).await;
    (near.map(drop), far.map(drop))
}

fn trusting(authority: &Authority) -> ClientTlsOptions {
    ClientTlsOptions { verify: Verify::CaFile(authority.ca_file()), ..ClientTlsOptions::default() }
}

#[track_caller]
fn says(error: &HandshakeError, label: &str, parts: &[&str]) {
    assert_eq!(error.label(), label, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} is not in {error:?}: {error}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let authority = Authority::new();
    let server = server_options(vec![authority.issue("server", &["other.test"])]);
    let server = ServerTlsOptions { unknown_sni: crate::tls::UnknownSni::Default, ..server };
    let mut client = trusting(&authority);
    let (near, far) = meet(&server, &client).await;
    let parts = ["the server has a certificate for another name", "other.test", "set the server"];
    says(&near.unwrap_err(), "wrong-name", &parts);
    says(&far.unwrap_err(), "certificate-refused", &["the client does not accept our"]);

    client.server_name = Some("other.test".into());
    meet(&server, &client).await.0.unwrap();
}

#[tokio::test]
async fn a_certificate_out_of_its_time() {
    let authority = Authority::new();
    let past = authority.issue_until("past", &["localhost"], SystemTime::now() - DAY);
    let (near, far) = meet(&server_options(vec![past]), &trusting(&authority)).await;
    says(&near.unwrap_err(), "certificate-expired", &["has expired", "must be renewed"]);
    says(&far.unwrap_err(), "certificate-refused", &["renew it"]);
}

#[tokio::test]
async fn an_issuer_nobody_knows() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (near, far) = meet(&authority.options(), &trusting(&other)).await;
    let parts = ["issuer that is not trusted here", "name a file", "pin this one"];
    says(&near.unwrap_err(), "certificate-unknown-issuer", &parts);
    says(&far.unwrap_err(), "certificate-refused", &["let the client trust it"]);
}

#[tokio::test]
async fn a_pinned_certificate_and_another() {
    let authority = Authority::new();
    let options = authority.options();
    let pem = std::fs::read(&options.certificates[0].chain).unwrap();
    let leaf = fingerprint(&CertificateDer::from_pem_slice(&pem).unwrap());
    let pinned = |verify| ClientTlsOptions { verify, ..ClientTlsOptions::default() };
    for max in [TlsVersion::V12, TlsVersion::V13] {
        for verify in [Verify::Fingerprint(leaf), Verify::Off] {
            let client = ClientTlsOptions { max, ..pinned(verify) };
            meet(&options, &client).await.0.unwrap();
        }
    }
    let (near, _) = meet(&options, &pinned(Verify::Fingerprint([7; 32]))).await;
    says(&near.unwrap_err(), "wrong-fingerprint", &["another certificate than the pinned one"]);
}

#[tokio::test]
async fn no_version_in_common() {
    let authority = Authority::new();
    let versions = TlsVersions { min: TlsVersion::V13, max: TlsVersion::V13 };
    let server = ServerTlsOptions { versions, ..authority.options() };
    let (near, far) = meet(&server, &trusting(&authority)).await;
    says(&near.unwrap_err(), "no-common-version", &["the server speaks no version of TLS"]);
    says(&far.unwrap_err(), "no-common-version", &["the client speaks no version", "TLS 1.2"]);
}

#[tokio::test]
async fn a_client_of_the_year_2005() {
    // TLS 1.0: one AES-CBC suite, no extensions.
    let mut hello = vec![0x03, 0x01];
    hello.extend([9; 32]);
    hello.extend([0, 0, 2, 0x00, 0x2f, 1, 0]);
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let message = [&[1, 0], &length(&hello)[..], &hello].concat();
    let record = [&[0x16, 0x03, 0x01], &length(&message)[..], &message].concat();

    let (mut near, far) = loopback().await;
    let config = Authority::new().server().session().control();
    near.write_all(&record).await.unwrap();
    let (error, answer) = tokio::join!(accept(far, config, PATIENCE), async {
        let mut answer = [0; 7];
        near.read_exact(&mut answer).await.unwrap();
        answer
    });
    says(&error.unwrap_err(), "no-common-version", &["it needs TLS 1.2 or newer"]);
    // A fatal alert, handshake_failure (P154).
    assert_eq!((answer[0], &answer[3..]), (0x15, &[0, 2, 2, 40][..]));
}

#[tokio::test]
async fn a_peer_without_tls() {
    let authority = Authority::new();
    let (mut near, far) = loopback().await;
    near.write_all(b"USER alice\r\n").await.unwrap();
    let error = accept(far, authority.server().session().control(), PATIENCE).await.unwrap_err();
    says(&error, "not-tls", &["the client does not speak TLS", "FTPS, explicit or implicit"]);

    let (near, mut far) = loopback().await;
    far.write_all(b"220 ready\r\n").await.unwrap();
    let client = TlsClient::load(&trusting(&authority), "localhost").unwrap();
    let error = connect(near, &client.session(), PATIENCE).await.unwrap_err();
    says(&error, "not-tls", &["the server does not speak TLS", "plain FTP?"]);
}

#[tokio::test]
async fn a_peer_that_leaves_or_resets() {
    let authority = Authority::new();
    let config = authority.server().session().control();
    let (near, far) = loopback().await;
    drop(near);
    let error = accept(far, config.clone(), PATIENCE).await.unwrap_err();
    says(&error, "closed", &["the client closed the connection in the handshake"]);

    let (near, far) = loopback().await;
    socket2::SockRef::from(&near).set_linger(Some(Duration::ZERO)).unwrap();
    drop(near);
    says(&accept(far, config, PATIENCE).await.unwrap_err(), "closed", &["reset"]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing() {
    let authority = Authority::new();
    let client = TlsClient::load(&trusting(&authority), "localhost").unwrap();
    let (near, _far) = loopback().await;
    let error = connect(near, &client.session(), PATIENCE).await.unwrap_err();
    says(&error, "timeout", &["the server did not finish the handshake in time"]);

    let (_near, far) = loopback().await;
    let error = accept(far, authority.server().session().control(), PATIENCE).await.unwrap_err();
    says(&error, "timeout", &["the client did not finish"]);
}

#[test]
fn every_class_has_a_label_of_its_own() {
    let classes = [
        Class::NoCommonVersion,
        Class::NoCommonCipher,
        Class::Expired,
        Class::NotYetValid,
        Class::UnknownIssuer,
        Class::WrongName,
        Class::BadCertificate,
        Class::WrongFingerprint,
        Class::CertificateChanged,
        Class::NoCertificate,
        Class::Refused,
        Class::UnknownName,
        Class::Alpn,
        Class::NotTls,
        Class::Protocol,
        Class::Alert,
        Class::Closed,
        Class::Timeout,
        Class::Network,
    ];
    let labels: std::collections::BTreeSet<_> = classes.iter().map(|c| c.label()).collect();
    assert_eq!(labels.len(), classes.len());
}

#[test]
fn alerts_and_io_errors_have_their_classes() {
    let wrapped = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
    let class = |error: &io::Error| HandshakeError::of(Role::Client, error).class;
    for (alert, expected) in [
        (AlertDescription::HandshakeFailure, Class::NoCommonCipher),
        (AlertDescription::UnrecognisedName, Class::UnknownName),
        (AlertDescription::CertificateRequired, Class::Refused),
        (AlertDescription::NoApplicationProtocol, Class::Alpn),
        (AlertDescription::InternalError, Class::Alert),
    ] {
        assert_eq!(class(&wrapped(Error::AlertReceived(alert))), expected);
    }
    let incompatible = Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon);
    assert_eq!(class(&wrapped(incompatible)), Class::NoCommonCipher);
    assert_eq!(class(&wrapped(Error::DecryptError)), Class::Protocol);
    assert_eq!(class(&io::ErrorKind::BrokenPipe.into()), Class::Closed);
    assert_eq!(class(&io::ErrorKind::HostUnreachable.into()), Class::Network);
}
