//! Who connects when, in all four mixes of modes, and what ends the wait.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::data::testing::{
    LONG, SHORT, connect, free_range, listener, one_port, patient, peer, read_all, read_reset,
    report,
};
use crate::data::throttle::Throttle;
use crate::data::transfer::Transfer;
use crate::net::socket::{self, Origin};
use crate::session::event::Direction::{Download, Upload};
use crate::session::event::Side::{Downstream, Upstream};
use crate::session::event::Stage;
use crate::tls::{ClientTlsOptions, TlsClient, Verify};

fn start(downstream: LegSource, upstream: LegSource, options: DataOptions) -> Transfer {
    Transfer::start(
        downstream,
        upstream,
        Arc::new(options),
        Throttle::default(),
        TransferTls::default(),
    )
}

/// A leg whose peer, of address `n`, is to connect to us, and where to.
fn passive(n: u8) -> (LegSource, SocketAddr) {
    let (pool, local) = one_port();
    let lease = pool.lease(local, peer(n), None).unwrap();
    let to = lease.listened();
    (LegSource::Accept(lease), to)
}

/// An address where nobody listens, free to listen on later.
fn closed() -> (SocketAddr, LegSource) {
    let (address, range) = free_range(1);
    let to = SocketAddr::new(address, range.first);
    (to, LegSource::Connect { to, from: Origin::default(), header: None })
}

/// Whether nobody connects, however often everybody else has a turn.
async fn nobody_connects(listener: &TcpListener) -> bool {
    tokio::select! {
        biased;
        _ = listener.accept() => false,
        () = async { for _ in 0..200 { tokio::task::yield_now().await } } => true,
    }
}

/// Both ends are joined: what the server says arrives at the client.
async fn talk(mut client: TcpStream, mut server: TcpStream, mut transfer: Transfer) {
    server.write_all(b"data").await.unwrap();
    drop(server);
    assert_eq!(read_all(&mut client).await, b"data");
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn passive_server_is_dialled_at_once() {
    let ((downstream, to), (listener, upstream)) = (passive(1), listener().await);
    let transfer = start(downstream, upstream, patient());
    let (server, _) = listener.accept().await.unwrap();
    let client = connect(to, peer(1)).await;
    transfer.advance(Stage::Requested(Download));
    talk(client, server, transfer).await;
}

#[tokio::test]
async fn passive_passive_dials_when_the_command_is_out() {
    let ((downstream, to), (listener, upstream)) = (passive(1), listener().await);
    let transfer = start(downstream, upstream, patient());
    transfer.advance(Stage::Requested(Download));
    let (server, _) = listener.accept().await.unwrap();
    transfer.advance(Stage::Started(Download));
    let client = connect(to, peer(1)).await;
    talk(client, server, transfer).await;
}

#[tokio::test]
async fn nothing_moves_before_the_command() {
    let ((downstream, to), (listener, upstream)) = (passive(1), listener().await);
    let transfer = start(downstream, upstream, patient());
    let mut client = connect(to, peer(1)).await;
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"early").await.unwrap();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    let mut byte = [0; 1];
    assert!(client.try_read(&mut byte).is_err_and(|e| e.kind() == ErrorKind::WouldBlock));
    transfer.advance(Stage::Requested(Download));
    drop(server);
    assert_eq!(read_all(&mut client).await, b"early");
}

#[tokio::test]
async fn early_refusal_is_tried_again_at_the_command() {
    let ((downstream, to), (at, upstream)) = (passive(1), closed());
    let transfer = start(downstream, upstream, patient());
    let client = connect(to, peer(1)).await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    let listener = TcpListener::bind(at).await.unwrap();
    assert!(nobody_connects(&listener).await, "the early attempt is over");
    transfer.advance(Stage::Requested(Download));
    let (server, _) = listener.accept().await.unwrap();
    talk(client, server, transfer).await;
}

/// A firewall that drops: the command came while we dialled, and the client waits for its answer.
#[tokio::test(start_paused = true)]
async fn silence_after_the_command_is_not_tried_again() {
    let (downstream, to) = passive(1);
    let (full, _queued) = full_listener().await;
    let (at, options) = (full.local_addr().unwrap(), DataOptions { dial: LONG / 4, ..patient() });
    let (dial, began) = (options.dial, tokio::time::Instant::now());
    let upstream = LegSource::Connect { to: at, from: Origin::default(), header: None };
    let mut transfer = start(downstream, upstream, options);
    let _client = connect(to, peer(1)).await;
    transfer.advance(Stage::Requested(Download));
    let report = report(&mut transfer).await;
    assert_eq!(report.outcome, Outcome::NotOpened(Upstream, Fault::NotOpened));
    assert!(began.elapsed() < dial * 3 / 2, "{:?}", began.elapsed());
}

/// The same, but the command came late: there was no time to answer it.
#[tokio::test(start_paused = true)]
async fn silence_before_the_command_is_tried_again_at_the_command() {
    let (downstream, to) = passive(1);
    let (full, _queued) = full_listener().await;
    let (at, options) = (full.local_addr().unwrap(), DataOptions { dial: LONG / 4, ..patient() });
    let late = options.dial * 3 / 4;
    let upstream = LegSource::Connect { to: at, from: Origin::default(), header: None };
    let transfer = start(downstream, upstream, options);
    let client = connect(to, peer(1)).await;
    tokio::time::sleep(late).await;
    // Room for the second attempt; the first one's packet is gone.
    full.accept().unwrap();
    transfer.advance(Stage::Requested(Download));
    full.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(full).unwrap();
    let accepted = tokio::time::timeout(LONG, listener.accept()).await;
    let (server, _) = accepted.expect("a second attempt").unwrap();
    talk(client, server, transfer).await;
}

/// A listener that answers nobody: its queue has room for one, who is there.
async fn full_listener() -> (std::net::TcpListener, TcpStream) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let listener = std::net::TcpListener::from(socket);
    let queued = connect(listener.local_addr().unwrap(), peer(1)).await;
    (listener, queued)
}

#[tokio::test]
async fn refusal_at_the_command_is_reported() {
    for client_is_here in [true, false] {
        let ((downstream, to), (_, upstream)) = (passive(1), closed());
        let mut transfer = start(downstream, upstream, patient());
        let client = if client_is_here { Some(connect(to, peer(1)).await) } else { None };
        transfer.advance(Stage::Requested(Download));
        let report = report(&mut transfer).await;
        assert_eq!(report.outcome, Outcome::NotOpened(Upstream, Fault::Unreachable));
        assert_eq!((report.server, report.elapsed), (None, Duration::ZERO));
        if let Some(mut client) = client {
            assert!(read_all(&mut client).await.is_empty(), "closed without a reset");
        }
        let again = socket::connect(to, Some(peer(1)), LONG).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::ConnectionRefused, "the port is closed");
    }
}

#[tokio::test]
async fn active_client_is_dialled_after_1yz() {
    let ((at, _), (listener, upstream)) = (listener().await, listener().await);
    let downstream = LegSource::Connect {
        to: at.local_addr().unwrap(),
        from: Origin::own(Some(SocketAddr::new(peer(7), 0))),
        header: None,
    };
    let transfer = start(downstream, upstream, patient());
    transfer.advance(Stage::Requested(Download));
    let (server, _) = listener.accept().await.unwrap();
    assert!(nobody_connects(&at).await, "the transfer may still fail");
    transfer.advance(Stage::Started(Download));
    let (client, from) = at.accept().await.unwrap();
    assert_eq!(from.ip(), peer(7), "from the address of the control connection");
    talk(client, server, transfer).await;
}

#[tokio::test]
async fn active_client_is_dialled_when_data_are_there() {
    let ((at, downstream), (listener, upstream)) = (listener().await, listener().await);
    let transfer = start(downstream, upstream, patient());
    transfer.advance(Stage::Requested(Download));
    let (mut server, _) = listener.accept().await.unwrap();
    assert!(nobody_connects(&at).await);
    server.write_all(b"more ").await.unwrap();
    let (mut client, _) = at.accept().await.unwrap();
    drop((server, transfer));
    read_reset(&mut client).await;
}

#[tokio::test]
async fn active_client_is_dialled_after_a_while_all_the_same() {
    let ((at, downstream), (listener, upstream)) = (listener().await, listener().await);
    let options = DataOptions { grace: SHORT, ..patient() };
    let transfer = start(downstream, upstream, options);
    transfer.advance(Stage::Requested(Download));
    let (server, _) = listener.accept().await.unwrap();
    let (client, _) = at.accept().await.unwrap();
    talk(client, server, transfer).await;
}

#[tokio::test]
async fn active_client_that_refuses_is_reported_and_the_server_reset() {
    let ((_, downstream), (listener, upstream)) = (closed(), listener().await);
    let mut transfer = start(downstream, upstream, patient());
    transfer.advance(Stage::Requested(Upload));
    let (mut server, _) = listener.accept().await.unwrap();
    transfer.advance(Stage::Started(Upload));
    let outcome = report(&mut transfer).await.outcome;
    assert_eq!(outcome, Outcome::NotOpened(Downstream, Fault::Unreachable));
    read_reset(&mut server).await;
}

#[tokio::test]
async fn active_server_connects_to_us() {
    let ((downstream, to), (upstream, server_to)) = (passive(1), passive(2));
    let transfer = start(downstream, upstream, patient());
    transfer.advance(Stage::Requested(Download));
    let mut stranger = connect(server_to, peer(3)).await;
    assert!(is_turned_away(&mut stranger).await);
    let server = connect(server_to, peer(2)).await;
    let client = connect(to, peer(1)).await;
    talk(client, server, transfer).await;
}

/// Whether the connection ends, one way or the other, without a word.
async fn is_turned_away(stream: &mut TcpStream) -> bool {
    !matches!(stream.read(&mut [0; 1]).await, Ok(1..))
}

#[tokio::test]
async fn strangers_on_both_ports_are_counted() {
    let ((downstream, to), (upstream, server_to)) = (passive(1), passive(2));
    let mut transfer = start(downstream, upstream, patient());
    transfer.advance(Stage::Requested(Download));
    for port in [to, server_to, to] {
        assert!(is_turned_away(&mut connect(port, peer(3)).await).await);
    }
    let (_client, server) = (connect(to, peer(1)).await, connect(server_to, peer(2)).await);
    drop(server);
    assert_eq!(report(&mut transfer).await.strangers, 3);
}

#[tokio::test]
async fn client_has_a_limited_time_even_before_the_command() {
    for requested in [false, true] {
        let ((downstream, to), (_listener, upstream)) = (passive(1), listener().await);
        let mut transfer = start(downstream, upstream, DataOptions { accept: SHORT, ..patient() });
        if requested {
            transfer.advance(Stage::Requested(Download));
        }
        let outcome = report(&mut transfer).await.outcome;
        assert_eq!(outcome, Outcome::NotOpened(Downstream, Fault::NotOpened));
        let late = socket::connect(to, Some(peer(1)), LONG).await;
        assert_eq!(late.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}

/// One that has ended its dialogue has less, but enough if it is here.
#[tokio::test]
async fn a_client_that_has_left_is_not_waited_for() {
    let ((downstream, _), (_listener, upstream)) = (passive(1), listener().await);
    let mut transfer = start(downstream, upstream, DataOptions { close: SHORT, ..patient() });
    transfer.advance(Stage::Requested(Download));
    transfer.hurry();
    let outcome = report(&mut transfer).await.outcome;
    assert_eq!(outcome, Outcome::NotOpened(Downstream, Fault::NotOpened));

    let ((downstream, to), (upstream, server_to)) = (passive(1), passive(2));
    let transfer = start(downstream, upstream, DataOptions { close: SHORT, ..patient() });
    transfer.advance(Stage::Requested(Download));
    let client = connect(to, peer(1)).await;
    transfer.hurry();
    tokio::time::sleep(3 * SHORT).await;
    let server = connect(server_to, peer(2)).await;
    talk(client, server, transfer).await;
}

#[tokio::test]
async fn server_has_a_limited_time_from_the_command_on() {
    let ((at, downstream), (upstream, _)) = (listener().await, passive(2));
    let mut transfer = start(downstream, upstream, DataOptions { accept: SHORT, ..patient() });
    tokio::time::sleep(3 * SHORT).await;
    transfer.advance(Stage::Requested(Upload));
    transfer.advance(Stage::Started(Upload));
    let (mut client, _) = at.accept().await.unwrap();
    let outcome = report(&mut transfer).await.outcome;
    assert_eq!(outcome, Outcome::NotOpened(Upstream, Fault::NotOpened));
    read_reset(&mut client).await;
}

/// It was there before the command, and is not tried again.
#[tokio::test]
async fn a_server_without_tls_is_told_as_such() {
    let ((downstream, _), (listener, upstream)) = (passive(1), listener().await);
    let client = ClientTlsOptions { verify: Verify::Off, ..ClientTlsOptions::default() };
    let session = TlsClient::load(&client, "localhost").unwrap().session();
    let tls = TransferTls { downstream: None, upstream: Some(session) };
    let (options, throttle) = (Arc::new(patient()), Throttle::default());
    let mut transfer = Transfer::start(downstream, upstream, options, throttle, tls);
    let (mut server, _) = listener.accept().await.unwrap();
    tokio::task::yield_now().await;
    transfer.advance(Stage::Protected(Protection { downstream: false, upstream: true }));
    transfer.advance(Stage::Requested(Download));
    server.write_all(b"what is TLS?").await.unwrap();
    let outcome = report(&mut transfer).await.outcome;
    assert_eq!(outcome, Outcome::NotOpened(Upstream, Fault::Tls));
}

#[tokio::test]
async fn success_without_a_data_connection_is_no_data() {
    let ((downstream, to), (upstream, _)) = (passive(1), passive(2));
    let mut transfer = start(downstream, upstream, DataOptions { grace: SHORT, ..patient() });
    let mut client = connect(to, peer(1)).await;
    transfer.advance(Stage::Requested(Download));
    transfer.advance(Stage::Finished(Download));
    assert_eq!(report(&mut transfer).await.outcome, Outcome::NoData);
    assert!(read_all(&mut client).await.is_empty(), "an empty listing ends cleanly");
}

#[tokio::test]
async fn upload_without_a_data_connection_did_not_happen() {
    let ((downstream, to), (upstream, _)) = (passive(1), passive(2));
    let mut transfer = start(downstream, upstream, DataOptions { grace: SHORT, ..patient() });
    let mut client = connect(to, peer(1)).await;
    client.write_all(b"lost").await.unwrap();
    transfer.advance(Stage::Requested(Upload));
    transfer.advance(Stage::Finished(Upload));
    let outcome = report(&mut transfer).await.outcome;
    assert_eq!(outcome, Outcome::NotOpened(Upstream, Fault::NotOpened));
    read_reset(&mut client).await;
}

#[tokio::test]
async fn slow_client_still_gets_what_the_server_has_sent() {
    let ((downstream, to), (listener, upstream)) = (passive(1), listener().await);
    let transfer = start(downstream, upstream, DataOptions { grace: SHORT, ..patient() });
    transfer.advance(Stage::Requested(Download));
    let (server, _) = listener.accept().await.unwrap();
    transfer.advance(Stage::Started(Download));
    transfer.advance(Stage::Finished(Download));
    tokio::time::sleep(3 * SHORT).await;
    let client = connect(to, peer(1)).await;
    talk(client, server, transfer).await;
}

#[tokio::test]
async fn failure_before_anybody_came_frees_the_port() {
    let ((downstream, to), (_listener, upstream)) = (passive(1), listener().await);
    let mut transfer = start(downstream, upstream, patient());
    transfer.advance(Stage::Requested(Download));
    transfer.advance(Stage::Failed);
    assert_eq!(report(&mut transfer).await.outcome, Outcome::Stopped);
    let late = socket::connect(to, Some(peer(1)), LONG).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn dropping_it_frees_the_port_and_resets_the_client() {
    let ((downstream, to), (listener, upstream)) = (passive(1), listener().await);
    let transfer = start(downstream, upstream, patient());
    let mut client = connect(to, peer(1)).await;
    let _server = listener.accept().await.unwrap();
    drop(transfer);
    read_reset(&mut client).await;
    let late = socket::connect(to, Some(peer(1)), LONG).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
