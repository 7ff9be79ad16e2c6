//! Transfers whose legs are up: every byte, and what the handle does to them.

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::task::{Wake, Waker};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;

use super::*;
use crate::data::guard::TransferTls;
use crate::data::options::Rates;
use crate::data::testing::{
    Joined, SHORT, connect, joined, listener, noise, one_port, patient, peer, read_all, read_reset,
    report,
};
use crate::session::event::Direction::{Download, Either, Upload};
use crate::session::event::Side::{Downstream, Upstream};

/// The command overtakes the connection that came with it, as long as there is none on its way.
#[test]
fn the_opening_lets_others_go_first_until_the_server_is_asked() {
    let (turns, asked) = (Cell::new(0), Cell::new(false));
    let opening = pin!(poll_fn(|_| {
        turns.set(turns.get() + 1);
        Poll::<()>::Pending
    }));
    let mut patient = pin!(after_others(opening, || asked.get()));
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut poll = || {
        assert!(patient.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        (turns.get(), wakes.0.load(Ordering::Relaxed))
    };
    assert_eq!(poll(), (1, 0), "the dial does not wait");
    assert_eq!(poll(), (1, 1), "others first, and then it");
    assert_eq!(poll(), (2, 1));
    assert_eq!(poll(), (2, 2), "each time");
    asked.set(true);
    assert_eq!(poll(), (3, 2));
    assert_eq!(poll(), (4, 2), "no more");
}

#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Carries `len` bytes that way and checks all that can be known of it.
async fn carry(len: usize, way: Direction, options: DataOptions, throttle: Throttle) {
    let Joined { client, server, mut transfer, .. } = joined(options, throttle, way).await;
    let (client_at, server_at) = (client.local_addr().unwrap(), server.local_addr().unwrap());
    let (mut source, mut sink) = if way == Upload { (client, server) } else { (server, client) };
    let sent = noise(len);
    let sending = async {
        source.write_all(&sent).await.unwrap();
        source.shutdown().await.unwrap();
    };
    let ((), received, report) = tokio::join!(sending, read_all(&mut sink), report(&mut transfer));
    assert!(received == sent, "{len} bytes came as {}", received.len());
    let first = if way == Upload { Downstream } else { Upstream };
    assert_eq!(report.outcome, Outcome::Delivered);
    assert_eq!((report.client, report.server), (Some(client_at), Some(server_at)));
    assert_eq!((report.closed_first, report.strangers), (Some(first), 0));
    let (down, up) = if way == Upload { (0, len) } else { (len, 0) };
    assert_eq!((report.downloaded, report.uploaded), (down as u64, up as u64));
}

#[tokio::test]
async fn every_size_arrives_whole() {
    for len in [0, 1, 1024, 16_384, 32_768, 65_535, 65_536, 65_537, 200_000] {
        for way in [Download, Upload] {
            for pipe in [0, 64 << 10, 1 << 20] {
                let options = DataOptions { pipe, ..patient() };
                carry(len, way, options, Throttle::default()).await;
            }
        }
    }
}

#[tokio::test]
async fn large_transfers_arrive_whole_through_each_size_of_pipe() {
    for way in [Download, Upload] {
        for pipe in [0, 64 << 10, 256 << 10, 1 << 20] {
            let options = DataOptions { pipe, ..patient() };
            carry(12 << 20, way, options, Throttle::default()).await;
        }
    }
}

#[tokio::test]
async fn that_both_legs_are_up_is_told_once_to_who_asks() {
    let Joined { mut client, server, transfer, .. } =
        joined(patient(), Throttle::default(), Upload).await;
    let mut server = server;
    client.write_all(b"x").await.unwrap();
    // A byte that came through: the legs are joined.
    server.read_exact(&mut [0]).await.unwrap();
    assert!(transfer.take_joined());
    assert!(!transfer.take_joined());

    let (pool, local) = one_port();
    let lease = pool.lease(local, peer(1), None).unwrap();
    let (_listener, upstream) = listener().await;
    let options = Arc::new(patient());
    let (throttle, tls) = (Throttle::default(), TransferTls::default());
    let waiting = Transfer::start(LegSource::Accept(lease), upstream, options, throttle, tls);
    assert!(!waiting.take_joined());
}

#[tokio::test]
async fn many_transfers_share_a_worker() {
    let all: Vec<_> = (0..48)
        .map(|n| {
            let way = if n % 2 == 0 { Download } else { Upload };
            tokio::spawn(carry((1 << 20) + n, way, patient(), Throttle::default()))
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn caps_slow_down_but_lose_nothing() {
    let rates = Rates {
        session_download: NonZeroU64::new(4 << 20),
        listener_upload: NonZeroU64::new(8 << 20),
        ..Rates::default()
    };
    let throttle = Throttle::listener(&rates).session(&rates);
    let before = tokio::time::Instant::now();
    carry(1 << 20, Download, patient(), throttle.clone()).await;
    assert!(before.elapsed() > Duration::from_millis(60), "half of it is beyond the burst");
    carry(1 << 20, Upload, DataOptions { pipe: 0, ..patient() }, throttle).await;
}

#[tokio::test]
async fn delivered_is_told_before_the_client_closes() {
    let Joined { mut client, mut server, mut transfer, .. } =
        joined(patient(), Throttle::default(), Download).await;
    let sent = noise(3 << 20);
    let (head, sending) = tokio::join!(
        async {
            let mut head = vec![0; 2 << 20];
            client.read_exact(&mut head).await.unwrap();
            head
        },
        async {
            server.write_all(&sent).await.unwrap();
            drop(server);
        }
    );
    let () = sending;
    // The rest lies in the kernel's buffers: written, but not read.
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);
    drop(transfer);
    let tail = read_all(&mut client).await;
    assert!(head.len() + tail.len() == sent.len() && sent.ends_with(&tail));
}

#[tokio::test]
async fn delivered_is_told_before_the_server_closes() {
    let Joined { mut client, mut server, mut transfer, .. } =
        joined(patient(), Throttle::default(), Upload).await;
    client.write_all(b"all of it").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);
    drop(transfer);
    assert_eq!(read_all(&mut server).await, b"all of it");
}

#[tokio::test]
async fn a_report_nobody_took_is_no_reason_to_reset() {
    let Joined { mut client, server, transfer, .. } =
        joined(patient(), Throttle::default(), Download).await;
    drop(server);
    assert!(read_all(&mut client).await.is_empty());
    drop(transfer);
    client.shutdown().await.unwrap();
    assert!(read_all(&mut client).await.is_empty());
}

#[tokio::test]
async fn a_client_that_never_closes_is_left_after_a_while() {
    let options = DataOptions { close: SHORT, ..patient() };
    let Joined { mut client, server, mut transfer, .. } =
        joined(options, Throttle::default(), Download).await;
    drop(server);
    assert!(read_all(&mut client).await.is_empty());
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);
    // We have closed when writing draws a reset.
    let error = loop {
        if let Err(error) = client.write_all(b"?").await {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn failure_resets_what_has_started() {
    let Joined { mut client, mut server, mut transfer, .. } =
        joined(patient(), Throttle::default(), Upload).await;
    client.write_all(b"half").await.unwrap();
    server.read_exact(&mut [0; 4]).await.unwrap();
    transfer.advance(Stage::Failed);
    let report = report(&mut transfer).await;
    assert_eq!((report.outcome, report.uploaded), (Outcome::Stopped, 4));
    read_reset(&mut client).await;
    read_reset(&mut server).await;
}

/// A download that is refused: both ends see a plain end. An upload that is refused: the server
/// must not see the end of an empty file.
#[tokio::test]
async fn failure_before_the_start_closes_plainly() {
    for (way, plain) in [(Download, true), (Upload, false)] {
        let (pool, local) = one_port();
        let lease = pool.lease(local, peer(1), None).unwrap();
        let to = lease.listened();
        let (listener, upstream) = listener().await;
        let downstream = LegSource::Accept(lease);
        let options = Arc::new(patient());
        let mut transfer = Transfer::start(
            downstream,
            upstream,
            options,
            Throttle::default(),
            TransferTls::default(),
        );
        let mut client = connect(to, peer(1)).await;
        let (mut server, _) = listener.accept().await.unwrap();
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        transfer.advance(Stage::Requested(way));
        transfer.advance(Stage::Failed);
        assert_eq!(report(&mut transfer).await.outcome, Outcome::Stopped);
        assert!(read_all(&mut client).await.is_empty());
        if plain {
            assert!(read_all(&mut server).await.is_empty());
        } else {
            read_reset(&mut server).await;
        }
    }
}

#[tokio::test]
async fn failure_before_the_start_resets_what_has_moved() {
    let (pool, local) = one_port();
    let lease = pool.lease(local, peer(1), None).unwrap();
    let to = lease.listened();
    let (listener, upstream) = listener().await;
    let downstream = LegSource::Accept(lease);
    let options = Arc::new(patient());
    let mut transfer =
        Transfer::start(downstream, upstream, options, Throttle::default(), TransferTls::default());
    let mut client = connect(to, peer(1)).await;
    let (mut server, _) = listener.accept().await.unwrap();
    transfer.advance(Stage::Requested(Download));
    server.write_all(b"half").await.unwrap();
    client.read_exact(&mut [0; 4]).await.unwrap();
    transfer.advance(Stage::Failed);
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Stopped);
    read_reset(&mut client).await;
    read_reset(&mut server).await;
}

#[tokio::test]
async fn dropping_it_resets_both() {
    let Joined { mut client, mut server, transfer, .. } =
        joined(patient(), Throttle::default(), Download).await;
    server.write_all(b"half").await.unwrap();
    client.read_exact(&mut [0; 4]).await.unwrap();
    drop(transfer);
    read_reset(&mut client).await;
    read_reset(&mut server).await;
}

#[tokio::test]
async fn nothing_is_left_however_it_ends() {
    for way in [Download, Upload, Either] {
        for sent in [10, 1 << 20] {
            for ending in 0..4 {
                let gateway = end_it(way, sent, ending).await;
                while Handle::current().metrics().num_alive_tasks() > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                assert_eq!(open_sockets(gateway), 0, "{way:?} of {sent} bytes, ending {ending}");
            }
        }
    }
}

/// A transfer that comes as far as `sent` bytes and then ends in one of four ways.
async fn end_it(way: Direction, sent: usize, ending: u8) -> IpAddr {
    let options = DataOptions { close: Duration::from_millis(1), ..patient() };
    let Joined { client, server, mut transfer, gateway } =
        joined(options, Throttle::default(), way).await;
    let (mut source, mut sink) = if way == Upload { (client, server) } else { (server, client) };
    let bytes = noise(sent);
    let mut head = [0; 10];
    let (sending, receiving) = tokio::join!(source.write_all(&bytes), sink.read_exact(&mut head));
    assert!(sending.is_ok() && receiving.is_ok());
    assert!(open_sockets(gateway) > 0);
    match ending {
        0 => drop(transfer),
        1 => drop((source, sink, transfer)),
        2 => {
            transfer.advance(Stage::Failed);
            report(&mut transfer).await;
        }
        _ => {
            transfer.advance(Stage::Finished(way));
            drop(source);
            tokio::join!(report(&mut transfer), read_all(&mut sink));
        }
    }
    gateway
}

/// Sockets on that local address that a descriptor still refers to.
fn open_sockets(local: IpAddr) -> usize {
    let IpAddr::V4(local) = local else { panic!("an IPv4 address") };
    let local = format!("{:08X}:", u32::from_ne_bytes(local.octets()));
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let is_open = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[1].starts_with(&local) && fields[9] != "0"
    };
    table.lines().skip(1).filter(is_open).count()
}
