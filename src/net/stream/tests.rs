use std::io::{ErrorKind, IoSlice};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::tls::testing::{Authority, loopback, ours};
use crate::tls::{ClientTlsOptions, TlsClient, TlsVersion, Verify};

async fn pairs() -> Vec<(Stream, Stream)> {
    let (near, far) = loopback().await;
    let mut pairs = vec![(Stream::from(near), Stream::from(far))];
    pairs.extend(tls_pairs().await);
    pairs
}

/// Client, then server, of each version.
async fn tls_pairs() -> Vec<(Stream, Stream)> {
    let server = Authority::new().server();
    let mut pairs = Vec::new();
    for max in [TlsVersion::V12, TlsVersion::V13] {
        let options = ClientTlsOptions { verify: Verify::Off, max, ..ClientTlsOptions::default() };
        let client = TlsClient::load(&options, "localhost").unwrap();
        let (near, far) = ours(&client.session(), server.session().control()).await;
        pairs.push((near.unwrap().0, far.unwrap().0));
    }
    pairs
}

#[tokio::test]
async fn carries_bytes_both_ways_to_a_clean_end() {
    for (mut near, mut far) in pairs().await {
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
        for _ in 0..2 {
            let (head, tail) = sent.split_at(1000);
            let write = async {
                let slices = [IoSlice::new(&head[..500]), IoSlice::new(&head[500..])];
                let count = near.write_vectored(&slices).await.unwrap();
                near.write_all(&head[count..]).await.unwrap();
                near.write_all(tail).await.unwrap();
                near.shutdown().await.unwrap();
            };
            let mut got = Vec::new();
            let read = async { far.read_to_end(&mut got).await.unwrap() };
            tokio::join!(write, read);
            assert_eq!(got, sent);
            // Then the other way: each direction ends for itself.
            std::mem::swap(&mut near, &mut far);
        }
    }
}

#[tokio::test]
async fn an_end_without_close_notify_is_none() {
    let there = tls_pairs().await.into_iter();
    let back = tls_pairs().await.into_iter().map(|(near, far)| (far, near));
    for (mut leaving, mut reading) in there.chain(back) {
        leaving.write_all(b"half a fi").await.unwrap();
        leaving.flush().await.unwrap();
        crate::net::socket::shutdown_write(leaving.tcp()).unwrap();
        let mut got = Vec::new();
        let error = reading.read_to_end(&mut got).await.unwrap_err();
        assert_eq!((error.kind(), got.as_slice()), (ErrorKind::UnexpectedEof, &b"half a fi"[..]));
    }
}

#[tokio::test]
async fn knows_what_it_is() {
    let (near, _far) = loopback().await;
    let address = near.local_addr().unwrap();
    let plain = Stream::from(near);
    assert!(!plain.is_tls());
    assert_eq!(plain.tcp().local_addr().unwrap(), address);
}
