use super::*;
use crate::tls::testing::{Authority, ours};
use crate::tls::{ClientTlsOptions, TlsClient, Verify};

#[tokio::test]
async fn both_ends_tell_the_same() {
    let authority = Authority::new();
    let theirs = authority.server().session();
    for (max, cipher) in [
        (TlsVersion::V12, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        (TlsVersion::V13, "TLS13_AES_128_GCM_SHA256"),
    ] {
        let options = ClientTlsOptions { verify: Verify::Off, max, ..ClientTlsOptions::default() };
        let session = TlsClient::load(&options, "ftp.test").unwrap().session();
        let (near, far) = ours(&session, theirs.control()).await;
        let ((near, client), (far, server)) = (near.unwrap(), far.unwrap());
        assert!(near.is_tls() && far.is_tls());
        assert_eq!(near.tcp().local_addr().unwrap(), far.tcp().peer_addr().unwrap());
        for info in [&client, &server] {
            assert_eq!((info.version, info.cipher, info.resumed), (max, cipher, false));
        }
        assert_eq!(server.sni.as_deref(), Some("ftp.test"));
        assert_eq!((server.leaf, server.peer_subject), (None, None));
        assert!(client.leaf.is_some());
    }
}

#[test]
fn a_missed_resumption_has_its_reason() {
    let info = |sni: Option<&str>| TlsInfo {
        version: TlsVersion::V12,
        cipher: "",
        resumed: false,
        sni: sni.map(str::to_owned),
        peer_subject: None,
        peer_name: None,
        leaf: None,
    };
    let control = info(Some("ftp.test"));
    assert!(info(Some("ftp.test")).why_not_resumed(&control).contains("offered no session"));
    // Present and absent count as different (P151).
    assert!(info(None).why_not_resumed(&control).contains("another server name"));
}
