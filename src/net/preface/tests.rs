use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::net::proxy_header::Version;
use crate::net::socket;

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let ours = socket::connect(to, None, Duration::from_secs(30)).await.unwrap();
    ours.set_nodelay(true).unwrap();
    (ours, listener.accept().await.unwrap().0)
}

fn header(version: Version) -> Vec<u8> {
    let (source, destination) = ("192.0.2.1:40000", "203.0.113.7:21");
    version.header(source.parse().unwrap(), destination.parse().unwrap(), &Default::default())
}

const RELAYED: &str = "192.0.2.1:40000";

fn is_relayed(origin: Origin) -> bool {
    matches!(origin, Origin::Relayed { source, .. } if source.to_string() == RELAYED)
}

/// What follows is left for whom it is meant, however the bytes come.
#[tokio::test]
async fn not_a_byte_too_much() {
    for version in [Version::V1, Version::V2] {
        let bytes = [&header(version)[..], b"\x16\x03 hello"].concat();
        for chunk in [1, 2, 15, 16, 17, bytes.len()] {
            let (mut ours, mut theirs) = pair().await;
            let write = async {
                for part in bytes.chunks(chunk) {
                    ours.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            let (origin, ()) = tokio::join!(receive(&theirs), write);
            assert!(is_relayed(origin.unwrap()));
            drop(ours);
            let mut rest = Vec::new();
            theirs.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"\x16\x03 hello");
        }
    }
}

/// With extensions up to the bound.
#[tokio::test]
async fn the_longest() {
    let mut long = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    long.extend(u16::try_from(LONGEST - 16).unwrap().to_be_bytes());
    long.extend([192, 0, 2, 1, 203, 0, 113, 7, 0x9c, 0x40, 0, 21, 0x04]);
    long.extend(u16::try_from(LONGEST - 16 - 15).unwrap().to_be_bytes());
    long.resize(LONGEST, 0);
    let (mut ours, theirs) = pair().await;
    let (origin, written) = tokio::join!(receive(&theirs), ours.write_all(&long));
    written.unwrap();
    assert!(is_relayed(origin.unwrap()));
}

#[tokio::test]
async fn ends_that_are_too_early() {
    let (ours, theirs) = pair().await;
    drop(ours);
    assert!(matches!(receive(&theirs).await, Err(NoHeader::Nothing)));
    let (mut ours, theirs) = pair().await;
    ours.write_all(b"PROXY TCP4 ").await.unwrap();
    drop(ours);
    assert!(matches!(receive(&theirs).await, Err(NoHeader::CutShort)));
    let (mut ours, theirs) = pair().await;
    ours.write_all(b"USER ann\r\n").await.unwrap();
    let error = receive(&theirs).await.unwrap_err();
    assert!(matches!(error, NoHeader::Malformed(Malformed::Signature)), "{error}");
}

#[tokio::test]
async fn sent_and_received() {
    let (ours, theirs) = pair().await;
    send(&ours, &header(Version::V2)).await.unwrap();
    assert!(is_relayed(receive(&theirs).await.unwrap()));
}
