//! Transfers whose legs are up: every byte, every end.

use std::io::ErrorKind;
use std::num::NonZeroU64;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::data::options::Rates;
use crate::data::testing::{
    Joined, connect, joined, listener, one_port, patient, peer, read_all, read_reset, report, reset,
};
use crate::session::event::Direction::{Download, Either, Upload};
use crate::session::event::Fault;
use crate::session::event::Side::{Downstream, Upstream};

/// Short, for waits that are to pass.
const SHORT: Duration = Duration::from_millis(50);

/// Noise with a period that is prime, so that no block of any buffer is like another.
fn noise(len: usize) -> Vec<u8> {
    static PERIOD: LazyLock<Vec<u8>> = LazyLock::new(|| rand::random_iter().take(65_521).collect());
    let mut bytes = PERIOD.repeat(len / PERIOD.len() + 1);
    bytes.truncate(len);
    bytes
}

/// Carries `len` bytes that way and checks all that can be known of it.
async fn carry(len: usize, way: Direction, options: DataOptions, throttle: Throttle) {
    let Joined { client, server, mut transfer } = joined(options, throttle, way).await;
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
async fn slow_reader_holds_up_the_writer() {
    let Joined { mut client, mut server, mut transfer } =
        joined(patient(), Throttle::default(), Download).await;
    let sent = noise(24 << 20);
    let expected = sent.clone();
    let server = tokio::spawn(async move {
        server.write_all(&sent).await.unwrap();
    });
    let mut received = Vec::new();
    // What fits into buffers and pipe goes; then the writer waits for the reader.
    client.read_buf(&mut received).await.unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!server.is_finished(), "the sender waits while nobody reads");
    client.read_to_end(&mut received).await.unwrap();
    assert!(received == expected);
    assert_eq!(report(&mut transfer).await.downloaded, 24 << 20);
}

#[tokio::test]
async fn halves_end_on_their_own_in_either_order() {
    for client_first in [true, false] {
        let Joined { mut client, mut server, mut transfer } =
            joined(patient(), Throttle::default(), Either).await;
        let (first, second) =
            if client_first { (&mut client, &mut server) } else { (&mut server, &mut client) };
        first.write_all(b"question").await.unwrap();
        first.shutdown().await.unwrap();
        assert_eq!(read_all(second).await, b"question");
        second.write_all(b"answer").await.unwrap();
        second.shutdown().await.unwrap();
        assert_eq!(read_all(first).await, b"answer");
        let report = report(&mut transfer).await;
        assert_eq!(report.outcome, Outcome::Delivered);
        assert_eq!(report.downloaded + report.uploaded, 14);
        assert_eq!(report.closed_first, Some(if client_first { Downstream } else { Upstream }));
    }
}

#[tokio::test]
async fn one_half_is_enough_once_the_server_is_done() {
    let options = DataOptions { close: SHORT, ..patient() };
    let Joined { mut client, mut server, mut transfer } =
        joined(options, Throttle::default(), Either).await;
    server.write_all(b"x").await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(read_all(&mut client).await, b"x");
    transfer.advance(Stage::Finished(Either));
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn the_other_direction_stays_open_during_a_transfer() {
    // A client that says FIN before it downloads.
    let Joined { mut client, mut server, mut transfer } =
        joined(patient(), Throttle::default(), Download).await;
    client.shutdown().await.unwrap();
    assert!(read_all(&mut server).await.is_empty());
    server.write_all(b"data").await.unwrap();
    drop(server);
    assert_eq!(read_all(&mut client).await, b"data");
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);

    // A server that says FIN before it has the upload.
    let Joined { mut client, mut server, mut transfer } =
        joined(patient(), Throttle::default(), Upload).await;
    server.shutdown().await.unwrap();
    assert!(read_all(&mut client).await.is_empty());
    client.write_all(b"data").await.unwrap();
    drop(client);
    assert_eq!(read_all(&mut server).await, b"data");
    let report = report(&mut transfer).await;
    assert_eq!((report.outcome, report.closed_first), (Outcome::Delivered, Some(Upstream)));
}

#[tokio::test]
async fn reset_goes_through_as_a_reset() {
    for (way, from) in
        [(Download, Upstream), (Download, Downstream), (Upload, Downstream), (Upload, Upstream)]
    {
        for sent in [1, 1000, 300_000] {
            let Joined { client, server, mut transfer } =
                joined(patient(), Throttle::default(), way).await;
            let (mut broken, mut other) =
                if from == Upstream { (server, client) } else { (client, server) };
            broken.write_all(&noise(sent)).await.unwrap();
            other.read_exact(&mut vec![0; sent]).await.unwrap();
            reset(broken);
            read_reset(&mut other).await;
            let report = report(&mut transfer).await;
            assert_eq!(report.outcome, Outcome::Broken(from, Fault::Reset));
            assert_eq!(report.closed_first, Some(from));
            assert_eq!(report.downloaded + report.uploaded, sent as u64);
        }
    }
}

#[tokio::test]
async fn server_that_closes_early_fails_an_upload() {
    let Joined { mut client, server, mut transfer } =
        joined(patient(), Throttle::default(), Upload).await;
    drop(server);
    let writing = async {
        let block = noise(64 << 10);
        while client.write_all(&block).await.is_ok() {}
    };
    let ((), report) = tokio::join!(writing, report(&mut transfer));
    assert_eq!(report.outcome, Outcome::Broken(Upstream, Fault::Reset));
    assert_eq!(report.closed_first, Some(Upstream));
}

#[tokio::test]
async fn silence_is_a_break() {
    for (way, silent) in [(Download, Upstream), (Upload, Downstream), (Either, Upstream)] {
        let options = DataOptions { stall: SHORT, ..patient() };
        let Joined { mut client, mut server, mut transfer } =
            joined(options, Throttle::default(), way).await;
        let report = report(&mut transfer).await;
        assert_eq!(report.outcome, Outcome::Broken(silent, Fault::Stalled));
        read_reset(&mut client).await;
        read_reset(&mut server).await;
    }
}

#[tokio::test]
async fn a_sink_that_takes_nothing_is_the_one_to_blame() {
    for (way, silent) in [(Download, Downstream), (Upload, Upstream)] {
        for pipe in [0, 1 << 20] {
            let options = DataOptions { stall: SHORT, pipe, ..patient() };
            let Joined { client, server, mut transfer } =
                joined(options, Throttle::default(), way).await;
            let (mut source, sink) =
                if way == Upload { (client, server) } else { (server, client) };
            let sending = tokio::spawn(async move {
                let block = noise(64 << 10);
                while source.write_all(&block).await.is_ok() {}
            });
            let report = report(&mut transfer).await;
            assert_eq!(report.outcome, Outcome::Broken(silent, Fault::Stalled));
            assert!(report.downloaded + report.uploaded > 0);
            sending.await.unwrap();
            drop(sink);
        }
    }
}

#[tokio::test]
async fn after_the_final_reply_the_shorter_limit_holds() {
    let options = DataOptions { drain: SHORT, ..patient() };
    let Joined { mut client, server: _server, mut transfer } =
        joined(options, Throttle::default(), Download).await;
    transfer.advance(Stage::Finished(Download));
    let outcome = report(&mut transfer).await.outcome;
    assert_eq!(outcome, Outcome::Broken(Upstream, Fault::Stalled));
    read_reset(&mut client).await;
}

#[tokio::test]
async fn delivered_is_told_before_the_client_closes() {
    let Joined { mut client, mut server, mut transfer } =
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
    let Joined { mut client, mut server, mut transfer } =
        joined(patient(), Throttle::default(), Upload).await;
    client.write_all(b"all of it").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);
    drop(transfer);
    assert_eq!(read_all(&mut server).await, b"all of it");
}

#[tokio::test]
async fn a_report_nobody_took_is_no_reason_to_reset() {
    let Joined { mut client, server, transfer } =
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
    let Joined { mut client, server, mut transfer } =
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
    let Joined { mut client, mut server, mut transfer } =
        joined(patient(), Throttle::default(), Upload).await;
    client.write_all(b"half").await.unwrap();
    server.read_exact(&mut [0; 4]).await.unwrap();
    transfer.advance(Stage::Failed);
    let report = report(&mut transfer).await;
    assert_eq!((report.outcome, report.uploaded), (Outcome::Stopped, 4));
    read_reset(&mut client).await;
    read_reset(&mut server).await;
}

#[tokio::test]
async fn failure_before_the_start_closes_plainly() {
    let (pool, local) = one_port();
    let lease = pool.lease(local, peer(1)).unwrap();
    let to = lease.listened();
    let (listener, upstream) = listener().await;
    let mut transfer = Transfer::start(
        LegSource::Accept(lease),
        upstream,
        Arc::new(patient()),
        Throttle::default(),
    );
    let mut client = connect(to, peer(1)).await;
    let (mut server, _) = listener.accept().await.unwrap();
    transfer.advance(Stage::Requested(Download));
    server.write_all(b"1").await.unwrap();
    client.read_exact(&mut [0; 1]).await.unwrap();
    transfer.advance(Stage::Failed);
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Stopped);
    assert!(read_all(&mut client).await.is_empty());
    assert!(read_all(&mut server).await.is_empty());
}

#[tokio::test]
async fn dropping_it_resets_both() {
    let Joined { mut client, mut server, transfer } =
        joined(patient(), Throttle::default(), Download).await;
    server.write_all(b"half").await.unwrap();
    client.read_exact(&mut [0; 4]).await.unwrap();
    drop(transfer);
    read_reset(&mut client).await;
    read_reset(&mut server).await;
}

/// Runs in a process of its own, where nobody else opens descriptors.
#[test]
fn nothing_leaks_however_it_ends() {
    const ALONE: &str = "FTPGATE_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "data::transfer::tests::nothing_leaks_however_it_ends";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--test-threads=1", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // The pool of pipes may stay: it is filled first.
        end_in_every_way().await;
        let before = descriptors();
        for _ in 0..20 {
            end_in_every_way().await;
        }
        assert_eq!(descriptors(), before);
    });
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A dozen transfers, each left in another state; returns when all their tasks are gone.
async fn end_in_every_way() {
    for (way, sent) in [Download, Upload, Either].into_iter().flat_map(|w| [(w, 10), (w, 1 << 20)])
    {
        for ending in 0..4 {
            let options = DataOptions { close: Duration::from_millis(1), ..patient() };
            let Joined { client, server, mut transfer } =
                joined(options, Throttle::default(), way).await;
            let (mut source, mut sink): (TcpStream, _) =
                if way == Upload { (client, server) } else { (server, client) };
            let bytes = noise(sent);
            let (sending, receiving) =
                tokio::join!(source.write_all(&bytes), async { sink.read(&mut [0; 10]).await });
            assert!(sending.is_ok() && receiving.is_ok());
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
                    let mut rest = Vec::new();
                    tokio::join!(report(&mut transfer), sink.read_to_end(&mut rest)).1.unwrap();
                }
            }
            while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}
