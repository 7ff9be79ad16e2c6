use std::time::SystemTime;

use super::*;
use crate::tls::failure::Class;
use crate::tls::testing::{Authority, DAY, Peer, server_options, text};
use crate::tls::{CertificateFiles, UnknownSni};

const UPLOAD: bool = true;
const DOWNLOAD: bool = false;

#[tokio::test]
async fn data_speaks_the_version_of_control() {
    let authority = Authority::new();
    let server = authority.server();
    let (session, control) = log_in(&server, &authority.client(TlsVersion::V13)).await;
    let older = authority.client(TlsVersion::V12);
    let refused = older.visit(session.data(&control, DOWNLOAD)).await.unwrap_err();
    assert_eq!(refused.class, Class::NoCommonVersion);
}

#[tokio::test]
async fn alpn_takes_ftp_or_nothing() {
    let authority = Authority::new();
    let session = authority.server().session();
    let client = |alpn: &[&str]| {
        let mut client = authority.client(TlsVersion::V13);
        client.config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        client
    };
    let (control, _) = client(&["h2", "ftp"]).visit(session.control()).await.unwrap();
    client(&[]).visit(session.control()).await.unwrap();
    client(&["ftp-data"]).visit(session.data(&control, UPLOAD)).await.unwrap();
    client(&["ftp"]).visit(session.data(&control, UPLOAD)).await.unwrap();
    for (config, alpn) in [
        (session.control(), ["h2", "http/1.1"]),
        (session.control(), ["ftp-data", "h2"]),
        (session.data(&control, DOWNLOAD), ["h2", "http/1.1"]),
    ] {
        let refused = client(&alpn).visit(config).await.unwrap_err();
        assert_eq!(refused.class, Class::Alpn);
    }
}

#[tokio::test]
async fn the_name_asked_for_picks_the_certificate() {
    let authority = Authority::new();
    let files = vec![
        authority.issue("first", &["localhost", "127.0.0.1"]),
        authority.issue("second", &["ftp.test", "*.wild.test"]),
    ];
    let mut options = server_options(files);
    let leaf = |file: &str| leaf(&authority.files(file));
    let client = authority.client(TlsVersion::V13);
    let session = TlsServer::load(&options).unwrap().session();
    for (name, file) in [
        ("localhost", "first"),
        ("ftp.test", "second"),
        ("a.wild.test", "second"),
        // An address is not sent as a name.
        ("127.0.0.1", "first"),
    ] {
        let (info, seen) = client.named(name).visit(session.control()).await.unwrap();
        assert_eq!(seen.leaf, leaf(file), "{name}");
        let asked = (name != "127.0.0.1").then(|| name.to_owned());
        assert_eq!(info.sni, asked);
    }

    options.unknown_sni = UnknownSni::Default;
    let lenient = TlsServer::load(&options).unwrap().session();
    for (session, class) in [(session, Class::UnknownName), (lenient, Class::Refused)] {
        // With the default certificate it is the client that finds the name wrong.
        let refused = client.named("www.test").visit(session.control()).await.unwrap_err();
        assert_eq!(refused.class, class);
    }
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_checked_and_named() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let mut options = authority.options();
    options.client_ca = Some(authority.ca_file());
    let mine = with_certificate(&authority, &authority.issue("alice", &["alice.test"]));
    let unknown = with_certificate(&authority, &foreign.issue("mallory", &["mallory.test"]));
    let nobody = authority.client(TlsVersion::V12);
    for (asked, without) in [
        (ClientCertificate::Optional, None),
        (ClientCertificate::Required, Some(Class::NoCertificate)),
    ] {
        options.client_certificate = asked;
        let session = TlsServer::load(&options).unwrap().session();
        let (control, _) = mine.visit(session.control()).await.unwrap();
        assert!(control.peer_subject.as_deref().unwrap().contains("CN=alice"), "{control:?}");
        assert!(control.leaf.is_some());
        assert!(mine.visit(session.data(&control, UPLOAD)).await.unwrap().0.resumed);

        let refused = unknown.visit(session.control()).await.unwrap_err();
        assert_eq!(refused.class, Class::UnknownIssuer);
        assert!(refused.to_string().contains("file of client issuers"), "{refused}");
        let refused = nobody.visit(session.control()).await.err();
        assert_eq!(refused.map(|e| e.class), without);
    }
}

#[test]
fn client_certificates_without_an_issuer_are_an_error() {
    let authority = Authority::new();
    let mut options = authority.options();
    options.client_certificate = ClientCertificate::Optional;
    assert!(matches!(TlsServer::load(&options), Err(TlsError::NoClientCa)));
    options.client_ca = Some(authority.dir.path().join("none.pem"));
    assert_eq!(TlsServer::load(&options).unwrap_err().label(), "read");
}

#[tokio::test]
async fn new_files_are_for_new_sessions_and_bad_ones_for_nobody() {
    let authority = Authority::new();
    let server = authority.server();
    let client = authority.client(TlsVersion::V12);
    let files = authority.files("server");
    let old = leaf(&files);
    let (begun, control) = log_in(&server, &client).await;
    assert!(!server.reload().unwrap());

    // The certificate is new, the key still the old one.
    let key = text(&files.key);
    authority.issue("server", &["localhost"]);
    let (new, new_key) = (leaf(&files), text(&files.key));
    std::fs::write(&files.key, key).unwrap();
    let error = server.reload().unwrap_err();
    assert!(matches!(error, TlsError::Mismatch { .. }), "{error}");
    let (_, seen) = client.visit(server.session().control()).await.unwrap();
    assert_eq!(seen.leaf, old);

    std::fs::write(&files.key, new_key).unwrap();
    assert!(server.reload().unwrap());
    let (_, seen) = client.visit(server.session().control()).await.unwrap();
    assert_eq!(seen.leaf, new);
    // A session that began before shows on data what it showed on control.
    let fresh = authority.client(TlsVersion::V12);
    let (_, seen) = fresh.visit(begun.data(&control, UPLOAD)).await.unwrap();
    assert_eq!(seen.leaf, old);
}

#[test]
fn a_certificate_near_its_end_is_told() {
    let authority = Authority::new();
    let now = SystemTime::now();
    let files = vec![
        authority.issue_until("far", &["localhost"], now + 22 * DAY),
        authority.issue_until("near", &["localhost"], now + 20 * DAY + DAY / 2),
        authority.issue_until("past", &["localhost"], now - DAY),
    ];
    let server = TlsServer::load(&server_options(files)).unwrap();
    let told = server.warnings(UnixTime::now());
    let [near, past] = told.as_slice() else { panic!("{told:?}") };
    assert!(near.contains("near.pem expires in 20 days"), "{near}");
    assert!(past.contains("past.pem has expired"), "{past}");
    let long_ago = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
    assert!(server.warnings(long_ago)[0].contains("not valid yet"));
}

#[test]
fn nothing_secret_is_printed() {
    let authority = Authority::new();
    let server = authority.server();
    assert_eq!(format!("{:?}", server.session()), "ServerSession { .. }");
    let config = format!("{:?}", server.session().control());
    assert!(config.contains("Keeper { .. }"), "{config}");
}

/// A control connection that is up, and the FTP session it belongs to.
async fn log_in(server: &TlsServer, client: &Peer) -> (ServerSession, TlsInfo) {
    let session = server.session();
    let (info, _) = client.visit(session.control()).await.unwrap();
    (session, info)
}

fn leaf(files: &CertificateFiles) -> [u8; 32] {
    crate::tls::certs::fingerprint(&certs::load(files).unwrap().cert[0])
}

fn with_certificate(authority: &Authority, files: &CertificateFiles) -> Peer {
    let key = Arc::unwrap_or_clone(certs::load(files).unwrap());
    let mut client = authority.client(TlsVersion::V12);
    client.config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(key));
    client
}
