//! What a hostile client or server may try.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::house::{House, Session, has_caller, reset, soon};
use crate::session::policy::Policy;

/// Lines of a listing on the control connection, and bytes of each (P24).
const LISTING: (usize, usize) = (200_000, 200);

/// S23: who does not read stops who writes, and gets everything in the end.
#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_stops_the_writer() {
    let house = House::new(Policy::default()).await;
    let Session { mut client, mut server, .. } = house.login().await;
    client.say("STAT /").await;
    server.hears("STAT /").await;
    let written = Arc::new(AtomicUsize::new(0));
    let counted = written.clone();
    let writer = tokio::spawn(async move {
        let line = [&[b' '; LISTING.1 - 2][..], b"\r\n"].concat();
        server.write(b"213-Status\r\n").await;
        for _ in 0..LISTING.0 {
            server.0.write_all(&line).await.unwrap();
            counted.fetch_add(line.len(), Ordering::Relaxed);
        }
        server.write(b"213 End\r\n").await;
        server
    });
    // The clock is a test's own: it goes on only when nobody has anything to do.
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    let before = written.load(Ordering::Relaxed);
    assert!(before < LISTING.0 * LISTING.1 / 2, "{before} bytes were taken from the server");
    let mut lines = 0;
    while client.line().await != "213 End" {
        lines += 1;
    }
    assert_eq!(lines, LISTING.0 + 1);
    let mut server = soon("the writer", writer).await.unwrap();
    client.say("NOOP").await;
    server.hears("NOOP").await;
}

/// P32: the client dies in a transfer, in every way it can.
#[tokio::test]
async fn a_client_that_dies_in_a_transfer_takes_the_server_with_it() {
    for way in ["reset", "close", "only control"] {
        let house = House::new(Policy::default()).await;
        let mut session = house.login().await;
        let (client, mut server) = session.retr().await;
        server.write_all(&[7; 100_000]).await.unwrap();
        let Session { client: control, server: mut far, .. } = session;
        match way {
            "reset" => control.reset(),
            _ => drop(control),
        }
        let kept = (way == "only control").then_some(client);
        far.ends().await;
        let mut rest = [0; 1];
        let end = soon("the end of the data", server.read(&mut rest)).await;
        assert!(!matches!(end, Ok(1..)), "{way}");
        drop(kept);
    }
}

/// The client is gone, and what is meant for it cannot be written: that must not be tried for ever.
#[tokio::test]
async fn a_client_that_left_does_not_keep_the_session_busy() {
    let house = House::new(Policy::default()).await;
    let mut session = house.login().await;
    session.client.write(b"PWD\r\nSTAT /\r\nPWD\r\n").await;
    let Session { client, mut server, .. } = session;
    server.hears("PWD").await;
    client.reset();
    server.say("257 \"/\"").await;
    // Carried out or not, the commands that came before the reset are answered, and it ends.
    let mut seen = Vec::new();
    loop {
        match soon("a command or the end", server.0.read_u8()).await {
            Ok(b'\n') => server.say("250 ok").await,
            Ok(byte) => seen.push(byte),
            Err(_) => break,
        }
    }
    assert!(seen.len() < 20, "{:?}", String::from_utf8_lossy(&seen));
}

/// S7: texts that look like a 227, wherever they stand, open and dial nothing.
#[tokio::test]
async fn echo_tricks_open_nothing() {
    let house = House::new(Policy::default()).await;
    let bait = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = bait.local_addr().unwrap().port();
    let host_port = format!("127,0,0,1,{},{}", port / 256, port % 256);
    let pasv = format!("227 Entering Passive Mode ({host_port})");
    let epsv = format!("229 Entering Extended Passive Mode (|||{port}|)");
    let mut session = house.login().await;
    for (command, reply) in [
        (format!("XYZ {pasv}"), format!("500 XYZ {pasv} not understood")),
        (format!("CWD {pasv}"), format!("550-no such folder\r\n{pasv}\r\n550 {pasv}")),
        (format!("CWD PORT {host_port}"), format!("550 PORT {host_port}")),
        ("STAT".into(), format!("211-{pasv}\r\n{epsv}\r\n 200 PORT\r\n211 {epsv}")),
        ("HELP".into(), format!("214-a\r\n227-{pasv}\r\n227 {pasv}\r\n214 b")),
        ("SYST".into(), pasv.clone()),
        ("NOOP".into(), epsv.clone()),
        (format!("MKD a\"{pasv}"), format!("257 \"{pasv}\" created")),
    ] {
        session.client.say(&command).await;
        session.server.hears(&command).await;
        session.server.say(&reply).await;
        for line in reply.split("\r\n") {
            session.client.hears(line).await;
        }
        session.client.say("LIST").await;
        session.client.hears("425 Use PASV, EPSV, PORT or EPRT first.").await;
        assert_eq!(house.ports(), 0, "{command}");
    }
    // Nor one that comes unasked, or before its time.
    session.server.write(format!("{pasv}\r\n").as_bytes()).await;
    session.client.say("LIST").await;
    session.client.hears("425 Use PASV, EPSV, PORT or EPRT first.").await;
    session.ask("QUIT", "221 bye").await;
    session.ended().await;
    house.assert_empty();
    assert!(!has_caller(&bait).await);
}

/// S2, P63: the server is dialled where it is, whatever address it names; and never below 1024.
#[tokio::test]
async fn a_server_that_names_another_address_or_a_low_port() {
    let house = House::new(Policy::default()).await;
    let bait = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = bait.local_addr().unwrap().port();
    let mut session = house.login().await;
    for named in ["127,0,0,1,0,22", "127,0,0,1,3,255"] {
        session.client.say("PASV").await;
        session.server.hears("PASV").await;
        session.server.say(&format!("227 ({named})")).await;
        session.client.hears("425 The server named a data port that cannot be used.").await;
    }
    session.client.say("PASV").await;
    session.server.hears("PASV").await;
    session.server.say(&format!("227 (127,0,0,2,{},{})", port / 256, port % 256)).await;
    assert!(session.client.line().await.starts_with("227 "));
    session.client.say("LIST").await;
    session.server.hears("LIST").await;
    session.server.say("425 no connection").await;
    session.client.hears("425 no connection").await;
    assert!(!has_caller(&bait).await);
}

/// S40: a control connection dies in a transfer, at any moment; nothing is left behind.
#[tokio::test]
async fn a_dead_control_connection_leaves_nothing() {
    let house = House::new(Policy::default()).await;
    for round in 0..40 {
        let mut session = house.login().await;
        let (mut client, mut server) = session.retr().await;
        server.write_all(&vec![7; 1 + round * 10_000]).await.unwrap();
        if round % 3 == 0 {
            soon("data", client.read_u8()).await.unwrap();
        }
        let Session { client: near, server: far, task } = session;
        let (dead, _alive) = if round % 2 == 0 { (near, far) } else { (far, near) };
        if round % 4 < 2 {
            dead.reset();
        } else {
            drop(dead);
        }
        soon("the end of the session", task).await.unwrap();
        house.assert_empty();
    }
}

/// It says all that it has to say, leaves, and never opens the data connection for it.
#[tokio::test]
async fn a_client_that_left_is_not_waited_for() {
    let house = House::new(Policy::default()).await;
    let mut session = house.login().await;
    let data = TcpListener::bind("127.0.0.1:0").await.unwrap();
    session.passive(&data).await;
    session.client.write(b"RETR f\r\nQUIT\r\n").await;
    session.client.0.shutdown().await.unwrap();
    session.server.hears("RETR f").await;
    session.server.say("150 go on").await;
    session.client.hears("150 go on").await;
    let (mut server, _) = soon("our data connection", data.accept()).await.unwrap();
    // From here on time passes as soon as nothing else happens, and `soon` is before T_accept.
    tokio::time::pause();
    soon("the end of the transfer", server.read_u8()).await.unwrap_err();
    session.server.say("426 broken").await;
    session.client.hears("425 Cannot open data connection.").await;
    session.server.hears("QUIT").await;
    session.server.say("221 bye").await;
    session.client.hears("221 bye").await;
    session.ended().await;
    house.assert_empty();
}

/// S40, P49: a data connection dies; the session goes on, and no success is made up.
#[tokio::test]
async fn a_dead_data_connection_is_one_transfer_lost() {
    let house = House::new(Policy::default()).await;
    let mut session = house.login().await;
    for round in 0..40 {
        let (client, mut server) = session.retr().await;
        server.write_all(&vec![7; 1 + round * 10_000]).await.unwrap();
        // Before its end was sent: who is left learns of it by a reset.
        let (dead, mut rest) = if round % 2 == 0 { (client, server) } else { (server, client) };
        reset(dead);
        let mut file = Vec::new();
        let end = soon("the end of the data", rest.read_to_end(&mut file)).await;
        assert!(end.is_err(), "round {round}: {end:?}");
        session.server.say("226 done").await;
        session.client.hears("426 Data connection broken; transfer incomplete.").await;
        assert_eq!(house.ports(), 0);
    }
    session.ask("QUIT", "221 bye").await;
    session.ended().await;
    house.assert_empty();
}

/// S9: another protocol is not answered, and nothing of it goes on.
#[tokio::test]
async fn another_protocol_is_closed_without_a_word() {
    let house = House::new(Policy { greeting: Some("Hello".into()), ..Policy::default() }).await;
    for first in [
        &b"POST / HTTP/1.1\r\nHost: x\r\n\r\nPORT 127,0,0,1,200,1\r\nRETR x\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-x\r\n",
        b"EHLO x\r\n",
    ] {
        let (mut client, task) = house.knock().await;
        client.hears("220 Hello").await;
        client.write(first).await;
        client.ends().await;
        soon("the end of the session", task).await.unwrap();
    }
    assert!(!house.was_dialled().await);
    house.assert_empty();
}

/// A client that never stops talking is not read to the end of time.
#[tokio::test]
async fn the_last_words_reach_a_client_that_goes_on_talking() {
    let house = House::new(Policy::default()).await;
    let mut session = house.login().await;
    session.client.write(&b"NOOP\r\n".repeat(3)).await;
    session.server.hears("NOOP").await;
    session.server.say("421 enough").await;
    session.client.hears("421 enough").await;
    session.client.ends().await;
    session.ended().await;
}
