//! What a wire would do, and a relay that knows the direction would not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::data::guard::TransferTls;
use crate::data::options::DataOptions;
use crate::data::testing::{LONG, SHORT, noise, patient, read_all, read_reset, report, reset};
use crate::data::throttle::Throttle;
use crate::data::transfer::{LegSource, Transfer};
use crate::net::socket::Origin;
use crate::session::event::{Direction, Stage};

const WAY: Direction = Direction::Either;

/// A client and a server with a wire between them.
async fn wired(options: DataOptions) -> (TcpStream, TcpStream, Transfer) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let ours = TcpListener::from_std(socket::listen_data(any, false).unwrap()).unwrap();
    let theirs = TcpListener::bind(any).await.unwrap();
    let client = socket::connect(ours.local_addr().unwrap(), None, LONG).await.unwrap();
    let (stream, peer) = ours.accept().await.unwrap();
    let downstream = LegSource::Up { stream, peer };
    let upstream = LegSource::Connect {
        to: theirs.local_addr().unwrap(),
        from: Origin::default(),
        header: None,
    };
    let (options, throttle) = (Arc::new(options), Throttle::default());
    let transfer = Transfer::start(downstream, upstream, options, throttle, TransferTls::default());
    transfer.advance(Stage::Requested(WAY));
    transfer.advance(Stage::Started(WAY));
    let (server, _) = theirs.accept().await.unwrap();
    (client, server, transfer)
}

/// What a TLS client does that does not wait for the server's good-bye.
#[tokio::test]
async fn an_upload_behind_which_the_client_closes_is_whole() {
    // What has left the client's machine: the rest it takes with it.
    let sent = noise(60_000);
    for _ in 0..20 {
        let (mut client, mut server, mut transfer) = wired(patient()).await;
        server.write_all(b"tickets that nobody reads").await.unwrap();
        client.readable().await.unwrap();
        let (mut from, mut into) = server.split();
        let upload = async {
            client.write_all(&sent).await.unwrap();
            drop(client);
        };
        let mut got = Vec::with_capacity(sent.len());
        let store = async {
            while got.len() < sent.len() {
                assert_ne!(from.read_buf(&mut got).await.unwrap(), 0);
            }
            into.write_all(b"good-bye").await.unwrap();
        };
        tokio::join!(upload, store);
        assert!(got == sent);
        drop(server);
        assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);
    }
}

#[tokio::test]
async fn a_download_behind_which_the_server_resets_is_whole() {
    let sent = noise(3 << 20);
    let (mut client, mut server, mut transfer) = wired(patient()).await;
    let download = async {
        server.write_all(&sent).await.unwrap();
        server
    };
    let mut got = Vec::with_capacity(sent.len());
    let fetch = async {
        while got.len() < sent.len() {
            assert_ne!(client.read_buf(&mut got).await.unwrap(), 0);
        }
        client
    };
    let (server, client) = tokio::join!(download, fetch);
    assert!(got == sent);
    reset(server);
    drop(client);
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn halves_end_on_their_own() {
    let (mut client, mut server, mut transfer) = wired(patient()).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut server).await, b"question");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    assert_eq!(read_all(&mut client).await, b"answer");
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);
}

/// In clear text nothing else tells a part from the whole (P50).
#[tokio::test]
async fn a_reset_becomes_a_reset_behind_the_last_byte() {
    for client_first in [true, false] {
        let (client, server, mut transfer) = wired(DataOptions { close: SHORT, ..patient() }).await;
        let (mut first, mut second) =
            if client_first { (client, server) } else { (server, client) };
        first.write_all(b"half of it").await.unwrap();
        let mut got = [0; 10];
        second.read_exact(&mut got).await.unwrap();
        reset(first);
        read_reset(&mut second).await;
        let side = if client_first { Side::Downstream } else { Side::Upstream };
        assert_eq!(report(&mut transfer).await.outcome, Outcome::Broken(side, Fault::Reset));
    }
}

/// A write may meet the reset before a read does, and what is read after that looks like an end.
#[tokio::test]
async fn a_reset_met_by_a_write_is_a_reset() {
    for _ in 0..20 {
        let (mut client, mut server, mut transfer) =
            wired(DataOptions { close: SHORT, ..patient() }).await;
        client.write_all(b"half of it").await.unwrap();
        server.read_exact(&mut [0; 10]).await.unwrap();
        // Both are there when we look.
        server.try_write(b"a ticket").unwrap();
        reset(client);
        read_reset(&mut server).await;
        let outcome = report(&mut transfer).await.outcome;
        assert_eq!(outcome, Outcome::Broken(Side::Downstream, Fault::Reset));
    }
}

/// One direction has ended; the other breaks, and its source neither ends nor speaks.
#[tokio::test]
async fn what_follows_a_break_is_bounded() {
    let (mut client, mut server, mut transfer) =
        wired(DataOptions { close: SHORT, ..patient() }).await;
    client.shutdown().await.unwrap();
    assert!(read_all(&mut server).await.is_empty());
    reset(client);
    server.write_all(b"to nobody").await.unwrap();
    let outcome = report(&mut transfer).await.outcome;
    assert_eq!(outcome, Outcome::Broken(Side::Downstream, Fault::Reset));
}

/// A server that goes on and on for a client that is gone is told so at once.
#[tokio::test]
async fn an_aborted_download_is_a_reset() {
    let (client, mut server, mut transfer) = wired(patient()).await;
    drop(client);
    let block = [7; 1 << 16];
    while server.write_all(&block).await.is_ok() {}
    let Outcome::Broken(side, Fault::Reset) = report(&mut transfer).await.outcome else {
        panic!("not broken")
    };
    assert_eq!(side, Side::Downstream);
}

#[tokio::test]
async fn silence_is_a_reset() {
    let (mut client, mut server, mut transfer) =
        wired(DataOptions { stall: SHORT, ..patient() }).await;
    read_reset(&mut client).await;
    read_reset(&mut server).await;
    let outcome = report(&mut transfer).await.outcome;
    assert_eq!(outcome, Outcome::Broken(Side::Upstream, Fault::Stalled));
}

#[tokio::test]
async fn it_is_bounded_when_the_session_is_over() {
    let (mut client, _server, transfer) = wired(DataOptions { drain: SHORT, ..patient() }).await;
    transfer.advance(Stage::Finished(WAY));
    read_reset(&mut client).await;
    drop(transfer);
}

#[tokio::test]
async fn dropped_it_is_a_reset() {
    let (mut client, mut server, transfer) = wired(patient()).await;
    client.write_all(b"x").await.unwrap();
    server.read_exact(&mut [0]).await.unwrap();
    drop(transfer);
    read_reset(&mut client).await;
    read_reset(&mut server).await;
}
