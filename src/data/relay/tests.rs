//! How relays end: halves, resets, silence.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::data::testing::{
    Joined, SHORT, joined, noise, patient, read_all, read_reset, report, reset,
};
use crate::session::event::Direction::{Download, Either, Upload};
use crate::session::event::Side::{Downstream, Upstream};
use crate::session::event::{Fault, Stage};

#[tokio::test]
async fn slow_reader_holds_up_the_writer() {
    let Joined { mut client, mut server, mut transfer, .. } =
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
        let Joined { mut client, mut server, mut transfer, .. } =
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
    let Joined { mut client, mut server, mut transfer, .. } =
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
    let Joined { mut client, mut server, mut transfer, .. } =
        joined(patient(), Throttle::default(), Download).await;
    client.shutdown().await.unwrap();
    assert!(read_all(&mut server).await.is_empty());
    server.write_all(b"data").await.unwrap();
    drop(server);
    assert_eq!(read_all(&mut client).await, b"data");
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);

    // A server that says FIN before it has the upload.
    let Joined { mut client, mut server, mut transfer, .. } =
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
            let Joined { client, server, mut transfer, .. } =
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
    let Joined { mut client, server, mut transfer, .. } =
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
        let Joined { mut client, mut server, mut transfer, .. } =
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
            let Joined { client, server, mut transfer, .. } =
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
    let Joined { mut client, server: _server, mut transfer, .. } =
        joined(options, Throttle::default(), Download).await;
    transfer.advance(Stage::Finished(Download));
    let outcome = report(&mut transfer).await.outcome;
    assert_eq!(outcome, Outcome::Broken(Upstream, Fault::Stalled));
    read_reset(&mut client).await;
}

/// What a client says on a download is nobody's; left unread it would make our end a reset, and take
/// with it what the client has yet to read.
#[tokio::test]
async fn a_client_that_speaks_on_a_download_gets_all_of_it() {
    let Joined { mut client, mut server, mut transfer, .. } =
        joined(patient(), Throttle::default(), Download).await;
    let sent = noise(1 << 20);
    server.write_all(&sent).await.unwrap();
    client.readable().await.unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    // Both are there when we look.
    client.try_write(b"?").unwrap();
    drop(server);
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);
    assert!(read_all(&mut client).await == sent);
}
