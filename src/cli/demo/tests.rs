//! The demo against gateways that are none: its own checks must work.

use super::*;

/// A second server with the same folder contents and a right 227 stands in for the gateway where
/// only the client is tried.
#[tokio::test]
async fn client_carries_files_both_ways() {
    let server = Server::start(Ipv4Addr::LOCALHOST).await.unwrap();
    let mut out = Vec::new();
    carry(&mut out, server.folder(), server.address()).await.unwrap();
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out.matches("sha256").count(), 4, "{out}");
    assert_eq!(out.matches("226 ").count(), 2, "{out}");
    assert_eq!(fs::read(server.folder().join("upload.bin")).unwrap().len(), SIZE);
}

#[tokio::test]
async fn both_replies_are_shown() {
    let server = Server::start(UNREACHABLE).await.unwrap();
    let stand_in = Server::start(Ipv4Addr::LOCALHOST).await.unwrap();
    let mut out = Vec::new();
    compare(&mut out, &server, stand_in.address()).await.unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("the server says  227 Entering Passive Mode (172,17,0,2,"), "{out}");
    assert!(out.contains("ftpgate says     227 Entering Passive Mode (127,0,0,1,"), "{out}");
}

#[tokio::test]
async fn a_gateway_that_does_not_start_is_told() {
    let start = async |_| anyhow::bail!("no port left");
    let error = run::<()>(&mut Vec::new(), start, async {}).await.unwrap_err();
    assert_eq!(format!("{error:#}"), "cannot start the gateway: no port left");
}

#[tokio::test]
async fn the_folder_goes_away_with_the_server() {
    let server = Server::start(Ipv4Addr::LOCALHOST).await.unwrap();
    let folder = server.folder().to_owned();
    assert!(folder.is_dir());
    drop(server);
    assert!(!folder.exists());
}

#[test]
fn differing_files_fail_the_demo() {
    let mut out = Vec::new();
    assert!(same(&mut out, "RETR x", "226 Ok", ["a", "b"], [b"one", b"two"]).is_err());
    assert!(same(&mut out, "RETR x", "226 Ok", ["a", "b"], [b"one", b"one"]).is_ok());
}

#[test]
fn addresses_are_read_literally() {
    let read = |reply| client::address(reply).map(|a| a.to_string());
    assert_eq!(
        read("227 Entering Passive Mode (127,0,0,1,39,120)").as_deref(),
        Some("127.0.0.1:10104")
    );
    for bad in ["227 Entering Passive Mode", "227 (1,2,3,4,5)", "227 (1,2,3,4,5,256)", "227 )("] {
        assert_eq!(read(bad), None, "{bad}");
    }
}
