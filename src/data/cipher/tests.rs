use std::future::poll_fn;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};

use super::*;
use crate::data::testing::{noise, reset};
use crate::data::throttle::Throttle;
use crate::tls::testing::{Authority, loopback, ours};
use crate::tls::{ClientTlsOptions, TlsClient, TlsVersion, Verify};

/// A client under TLS, a plain server, and our ends of both.
async fn ends() -> (Stream, tokio::net::TcpStream, [Stream; 2]) {
    let theirs = Authority::new().server().session();
    let max = TlsVersion::V13;
    let options = ClientTlsOptions { verify: Verify::Off, max, ..ClientTlsOptions::default() };
    let session = TlsClient::load(&options, "localhost").unwrap().session();
    let (client, downstream) = ours(&session, theirs.control()).await;
    let (server, upstream) = loopback().await;
    (client.unwrap().0, server, [downstream.unwrap().0, upstream.into()])
}

fn pair(legs: [Stream; 2], meter: &Meter) -> Pair<'_> {
    let throttle = Throttle::default();
    let limits = [Side::Downstream, Side::Upstream].map(|side| throttle.towards(side));
    Pair::new(legs, meter, limits, [true, true])
}

#[tokio::test]
async fn a_file_and_its_end_go_together() {
    for len in [0, 1, 1024, 9000, 300_000] {
        let (mut client, mut server, legs) = ends().await;
        let (sent, meter) = (noise(len), Meter::new());
        let mut pair = pair(legs, &meter);
        let serving = async {
            server.write_all(&sent).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let mut got = Vec::new();
        let (ended, read, ()) =
            tokio::join!(poll_fn(|cx| pair.poll_next(cx)), client.read_to_end(&mut got), serving);
        assert_eq!((ended, read.unwrap()), (Ok(()), len));
        assert!(got == sent && meter.has_ended(Side::Downstream));
        assert_eq!(meter.bytes(Side::Downstream), len as u64);
    }
}

#[tokio::test]
async fn a_reset_right_behind_the_data_is_no_end_of_file() {
    let (mut client, mut server, legs) = ends().await;
    let meter = Meter::new();
    let mut pair = pair(legs, &meter);
    server.write_all(b"half a fi").await.unwrap();
    reset(server);
    // Both are there when the first byte is read.
    pair.legs()[1].tcp().ready(Interest::ERROR).await.unwrap();
    assert_eq!(poll_fn(|cx| pair.poll_next(cx)).await, Err(Side::Upstream));
    drop(pair);
    assert!(client.read_to_end(&mut Vec::new()).await.is_err());
}

/// A small file may lie here whole, its end included, until a slow reader has taken it. That is no
/// silence.
#[tokio::test]
async fn a_slow_reader_of_the_last_of_a_file_is_not_silent() {
    let (mut client, mut server, legs) = ends().await;
    let [ours, theirs] = legs.each_ref().map(Stream::tcp);
    SockRef::from(ours).set_send_buffer_size(1).unwrap();
    SockRef::from(theirs).set_recv_buffer_size(2 * BUFFER).unwrap();
    server.write_all(&noise(BUFFER - 1)).await.unwrap();
    server.shutdown().await.unwrap();
    // All of it is there before the first look.
    while !theirs.ready(Interest::READABLE).await.unwrap().is_read_closed() {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let meter = Meter::new();
    let mut pair = pair(legs, &meter);
    let (mut ended, mut moves, mut buffer) = (Poll::Pending, 0, vec![0; 16 << 10]);
    while ended.is_pending() {
        tokio::time::advance(Duration::from_secs(1)).await;
        let before = pair.legs()[0].unsent();
        ended = poll_fn(|cx| Poll::Ready(pair.poll_next(cx))).await;
        if pair.legs()[0].unsent() < before {
            assert_eq!(meter.last_moved(), Instant::now());
            moves += 1;
        }
        assert!(ended.is_ready() || pair.halves[0].state == State::Ending);
        let mut read = ReadBuf::new(&mut buffer);
        poll_fn(|cx| Poll::Ready(Pin::new(&mut client).poll_read(cx, &mut read).is_ready())).await;
    }
    assert!(moves > 1, "the kernel took it all at once");
}
