use rustls::client::Resumption;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::net::stream::Stream;
use crate::tls::testing::{Authority, PATIENCE, loopback, ours};
use crate::tls::{ClientTlsOptions, TlsClient, TlsVersion, Verify, accept};

const VERSIONS: [TlsVersion; 2] = [TlsVersion::V12, TlsVersion::V13];

/// A period that is prime, so that no two records are alike.
fn noise(len: usize) -> Vec<u8> {
    (0..251).cycle().take(len).collect()
}

/// Our client and our server.
async fn pair(max: TlsVersion) -> (Stream, Stream) {
    let server = Authority::new().server();
    let options = ClientTlsOptions { verify: Verify::Off, max, ..ClientTlsOptions::default() };
    let client = TlsClient::load(&options, "localhost").unwrap();
    let (near, far) = ours(&client.session(), server.session().control()).await;
    (near.unwrap().0, far.unwrap().0)
}

#[tokio::test]
async fn any_sizes_of_writes_and_reads_carry_the_same_bytes() {
    let sent = noise(3 << 20);
    for max in VERSIONS {
        for (write, room) in [(1 << 20, 1 << 20), (1 << 20, 777), (999, 1 << 20), (20_000, 20_000)]
        {
            let (mut near, mut far) = pair(max).await;
            let writing = async {
                for bytes in sent.chunks(write) {
                    near.write_all(bytes).await.unwrap();
                }
                near.shutdown().await.unwrap();
            };
            let reading = async {
                let (mut got, mut buffer) = (Vec::new(), vec![0; room]);
                loop {
                    match far.read(&mut buffer).await.unwrap() {
                        0 => break got,
                        count => got.extend_from_slice(&buffer[..count]),
                    }
                }
            };
            let ((), got) = tokio::join!(writing, reading);
            assert!(got == sent, "{max} {write} {room}");
        }
    }
}

#[tokio::test]
async fn little_waits_for_the_flush_and_the_end_takes_it_along() {
    for max in VERSIONS {
        let (mut near, mut far) = pair(max).await;
        // The tickets of TLS 1.3.
        near.flush().await.unwrap();
        far.flush().await.unwrap();
        for words in [&b"150"[..], b"226"] {
            near.write_all(words).await.unwrap();
            assert!(near.unsent() > words.len());
            let mut got = [0; 3];
            let (flushed, read) = tokio::join!(near.flush(), far.read_exact(&mut got));
            flushed.unwrap();
            read.unwrap();
            assert_eq!((near.unsent(), &got[..]), (0, words));
        }
        near.write_all(b"221").await.unwrap();
        near.shutdown().await.unwrap();
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"221");
    }
}

#[tokio::test]
async fn silent_connections_hold_no_bytes() {
    for max in VERSIONS {
        let (mut near, mut far) = pair(max).await;
        let sent = noise(1 << 20);
        let mut got = vec![0; sent.len()];
        let write = async {
            near.write_all(&sent).await.unwrap();
            near.flush().await.unwrap();
        };
        let ((), read) = tokio::join!(write, far.read_exact(&mut got));
        read.unwrap();
        far.flush().await.unwrap();
        for stream in [&near, &far] {
            let Stream::Tls(stream) = stream else { panic!("TLS") };
            let held = [&stream.plain, &stream.unsent].map(Queue::capacity);
            assert_eq!((held, stream.unfinished.capacity()), ([0, 0], 0));
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_record_end_it_with_an_alert_and_are_looked_at_once() {
    for max in VERSIONS {
        let (near, far) = pair(max).await;
        let (Stream::Tls(near), mut far) = (near, far) else { panic!("TLS") };
        let mut tcp = near.tcp;
        // A record that nobody encrypted, then more of the kind.
        for bad in
            [&b"\x17\x03\x03\x00\x20this was not made by any cipher."[..], b"HTTP/1.1 200 OK"]
        {
            tcp.write_all(bad).await.unwrap();
            let error = far.read(&mut [0; 9]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        assert!(far.write_all(b"226").await.is_err());
        assert!(far.shutdown().await.is_err());
        drop(far);
        let mut answer = Vec::new();
        // Closed over unread bytes: the end is a reset.
        let _ = tcp.read_to_end(&mut answer).await;
        assert!(!answer.is_empty());
    }
}

#[tokio::test]
async fn keys_are_changed_when_the_peer_asks() {
    let authority = Authority::new();
    let peer = authority.client_with(TlsVersion::V13, Resumption::disabled());
    let (near, far) = loopback().await;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(peer.config));
    let (near, far) = tokio::join!(
        connector.connect(peer.name, near),
        accept(far, authority.server().session().control(), PATIENCE)
    );
    let (mut near, (mut far, _)) = (near.unwrap(), far.unwrap());
    for _ in 0..5 {
        near.get_mut().1.refresh_traffic_keys().unwrap();
        near.write_all(b"STAT").await.unwrap();
        near.flush().await.unwrap();
        let mut got = [0; 4];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"STAT");
        far.write_all(b"211 ").await.unwrap();
        far.flush().await.unwrap();
        near.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"211 ");
    }
}
