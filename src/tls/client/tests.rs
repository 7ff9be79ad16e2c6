use rustls::ServerConfig;

use super::*;
use crate::net::stream::Stream;
use crate::tls::failure::Class;
use crate::tls::testing::{Authority, ours, settle};
use crate::tls::{ClientCertificate, TlsInfo, TlsServer, Verify};

fn options(authority: &Authority, max: TlsVersion) -> ClientTlsOptions {
    let verify = Verify::CaFile(authority.ca_file());
    ClientTlsOptions { verify, max, ..ClientTlsOptions::default() }
}

fn load(authority: &Authority, max: TlsVersion) -> Arc<TlsClient> {
    TlsClient::load(&options(authority, max), "localhost").unwrap()
}

/// A connection to a server of this configuration, that was read for a byte.
async fn visit(session: &ClientSession, server: Arc<ServerConfig>) -> (Stream, TlsInfo) {
    let (near, far) = ours(session, server).await;
    let ((mut near, info), (mut far, seen)) = (near.unwrap(), far.unwrap());
    assert_eq!(info.resumed, seen.resumed);
    settle(&mut near, &mut far).await;
    (near, info)
}

#[tokio::test]
async fn speaks_tls_12_unless_told_otherwise() {
    let authority = Authority::new();
    let server = authority.server();
    let default = ClientTlsOptions::default().max;
    for (max, spoken) in [(default, TlsVersion::V12), (TlsVersion::V13, TlsVersion::V13)] {
        let session = load(&authority, max).session();
        let (_, info) = visit(&session, server.session().control()).await;
        assert_eq!(info.version, spoken);
        assert!(info.cipher.starts_with("TLS"), "{}", info.cipher);
    }
}

#[tokio::test]
async fn data_resumes_control_every_time_under_tls_12() {
    let authority = Authority::new();
    let (session, server) = (load(&authority, TlsVersion::V12).session(), authority.server());
    let theirs = server.session();
    let (_, control) = visit(&session, theirs.control()).await;
    assert!(!control.resumed);
    for upload in [true, false].repeat(50) {
        let (_, data) = visit(&session, theirs.data(&control, upload)).await;
        assert!(data.resumed);
    }
}

#[tokio::test]
async fn data_resumes_control_while_there_are_tickets_under_tls_13() {
    let authority = Authority::new();
    let (session, server) = (load(&authority, TlsVersion::V13).session(), authority.server());
    let theirs = server.session();
    let (_, control) = visit(&session, theirs.control()).await;
    // Each takes one ticket and gets another.
    for _ in 0..10 {
        assert!(visit(&session, theirs.data(&control, false)).await.1.resumed);
    }
    for tickets in (0..8).rev() {
        assert!(visit(&session, theirs.data(&control, true)).await.1.resumed, "{tickets}");
    }
    assert!(!visit(&session, theirs.data(&control, true)).await.1.resumed);
}

#[tokio::test]
async fn sessions_to_one_server_do_not_mix_their_tickets() {
    let authority = Authority::new();
    let server = authority.server();
    for max in [TlsVersion::V12, TlsVersion::V13] {
        let client = load(&authority, max);
        let mut logins = Vec::new();
        for _ in 0..5 {
            let (session, theirs) = (client.session(), server.session());
            let (_, control) = visit(&session, theirs.control()).await;
            assert!(!control.resumed);
            logins.push((session, theirs, control));
        }
        for (session, theirs, control) in logins.iter().rev().chain(&logins) {
            let (_, data) = visit(session, theirs.data(control, false)).await;
            assert!(data.resumed);
        }
    }
}

#[tokio::test]
async fn a_clone_is_the_same_session() {
    let authority = Authority::new();
    let (session, theirs) =
        (load(&authority, TlsVersion::V12).session(), authority.server().session());
    let (_, control) = visit(&session, theirs.control()).await;
    assert!(visit(&session.clone(), theirs.data(&control, true)).await.1.resumed);
}

#[tokio::test]
async fn data_must_show_the_certificate_of_control_or_resume() {
    let authority = Authority::new();
    let first = authority.server();
    // Another good certificate of the same name.
    let second = authority.server();
    for max in [TlsVersion::V12, TlsVersion::V13] {
        let session = load(&authority, max).session();
        let theirs = first.session();
        let (_, control) = visit(&session, theirs.control()).await;
        // The same server, which does not resume.
        let (_, data) = visit(&session, first.session().data(&control, false)).await;
        assert!(!data.resumed);
        let (near, _) = ours(&session, second.session().data(&control, false)).await;
        let error = near.unwrap_err();
        assert_eq!(error.class, Class::CertificateChanged);
        assert!(error.to_string().contains("than on control; do several servers"), "{error}");
    }
}

#[tokio::test]
async fn our_certificate_is_shown_to_servers_that_ask() {
    let authority = Authority::new();
    let mut server = authority.options();
    server.client_ca = Some(authority.ca_file());
    server.client_certificate = ClientCertificate::Required;
    let server = TlsServer::load(&server).unwrap();
    let mut ours_with = options(&authority, TlsVersion::V12);
    let (near, far) =
        ours(&load(&authority, TlsVersion::V12).session(), server.session().control()).await;
    assert_eq!(near.unwrap_err().class, Class::Refused);
    assert_eq!(far.unwrap_err().class, Class::NoCertificate);

    ours_with.certificate = Some(authority.issue("gateway", &["gateway.test"]));
    let session = TlsClient::load(&ours_with, "localhost").unwrap().session();
    let theirs = server.session();
    for config in [theirs.control(), server.session().control()] {
        let (_, far) = ours(&session, config).await;
        assert!(far.unwrap().1.peer_subject.unwrap().contains("CN=gateway"));
    }
}

#[tokio::test]
async fn new_files_are_for_new_sessions_and_bad_ones_for_none() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut server = authority.options();
    server.client_ca = Some(authority.ca_file());
    server.client_certificate = ClientCertificate::Required;
    let server = TlsServer::load(&server).unwrap();
    let mut with = options(&authority, TlsVersion::V12);
    with.certificate = Some(authority.issue("first", &["gateway.test"]));
    let client = TlsClient::load(&with, "localhost").unwrap();
    assert!(!client.reload().unwrap());
    let begun = client.session();
    let shown = async |session: &ClientSession| {
        let (near, far) = ours(session, server.session().control()).await;
        near.map(|_| far.unwrap().1.peer_subject.unwrap()).map_err(|error| error.class)
    };

    // Another certificate of ours.
    let (files, second) = (authority.files("first"), authority.issue("second", &["gateway.test"]));
    std::fs::copy(&second.chain, &files.chain).unwrap();
    let error = client.reload().unwrap_err();
    assert_eq!(error.label(), "mismatch");
    assert!(shown(&client.session()).await.unwrap().contains("CN=first"));
    std::fs::copy(&second.key, &files.key).unwrap();
    assert!(client.reload().unwrap());
    assert!(shown(&client.session()).await.unwrap().contains("CN=second"));
    assert!(shown(&begun).await.unwrap().contains("CN=first"));

    // Another issuer of theirs.
    let known = std::fs::read(authority.ca_file()).unwrap();
    std::fs::copy(stranger.ca_file(), authority.ca_file()).unwrap();
    assert!(client.reload().unwrap());
    assert_eq!(shown(&client.session()).await, Err(Class::UnknownIssuer));
    std::fs::write(authority.ca_file(), "").unwrap();
    assert_eq!(client.reload().unwrap_err().label(), "no-certificate");
    std::fs::write(authority.ca_file(), known).unwrap();
    assert!(client.reload().unwrap());
    assert!(shown(&client.session()).await.is_ok());
}

#[test]
fn the_name_is_that_of_the_upstream_or_the_one_set() {
    let off = ClientTlsOptions { verify: Verify::Off, ..ClientTlsOptions::default() };
    let name = |options: &ClientTlsOptions, host| {
        TlsClient::load(options, host).map(|client| client.session().name().to_str().into_owned())
    };
    assert_eq!(name(&off, "ftp.test").unwrap(), "ftp.test");
    assert_eq!(name(&off, "192.0.2.7").unwrap(), "192.0.2.7");
    let set = ClientTlsOptions { server_name: Some("other.test".into()), ..off };
    assert_eq!(name(&set, "192.0.2.7").unwrap(), "other.test");
    let bad = ClientTlsOptions { server_name: Some("no name".into()), ..set };
    let error = name(&bad, "ftp.test").unwrap_err();
    assert_eq!(error.label(), "server-name");
    assert!(error.to_string().starts_with("\"no name\" is not a host name"), "{error}");
}

#[test]
fn offers_ftp_alone_and_no_early_data() {
    let off = ClientTlsOptions { verify: Verify::Off, ..ClientTlsOptions::default() };
    let config = TlsClient::load(&off, "ftp.test").unwrap().session().config();
    assert_eq!(config.alpn_protocols, [b"ftp"]);
    assert!(!config.enable_early_data);
}
