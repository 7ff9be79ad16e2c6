//! Few data ports for many sessions.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpStream};

use crate::support::ftp::{Control, Mode, parse_227};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::servers::{Kind, Server};

const SESSIONS: u8 = 200;
const SINGLE: u64 = 20;
const RESCUED: u8 = 40;

fn read(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("data connection");
    bytes
}

/// Logs in from every address, has all wait for their data connection at the same time, then
/// lets all download at the same time, each a file of its own.
fn download_from_all(lab: &Lab, clients: &[IpAddr], to: SocketAddr, mode: Mode) {
    let file = |n: usize| content(n as u64, 10_000 + n);
    let mut sessions: Vec<_> = clients
        .iter()
        .enumerate()
        .map(|(n, &from)| {
            lab.serve(&format!("file{n}"), &file(n));
            Control::login_from(&lab.net.client, Some(from), to)
        })
        .collect();
    let pending: Vec<_> = sessions.iter_mut().map(|session| session.open(mode)).collect();
    let mut streams = Vec::new();
    for (n, (session, data)) in sessions.iter_mut().zip(pending).enumerate() {
        session.send(&format!("RETR file{n}"));
        streams.push(session.data(data));
    }
    for (n, (session, stream)) in sessions.iter_mut().zip(streams).enumerate() {
        session.expect_started();
        assert!(read(stream) == file(n), "file{n} is not what client {n} got");
        session.expect_reply(226);
        session.in_step();
    }
}

#[test]
fn eleven_ports_serve_200_waiting_clients() {
    let lab = Lab::new();
    let clients = lab.net.client_addresses(SESSIONS);
    let server = Server::start(&lab, Kind::Vsftpd);
    let gateway = Gateway::start(&lab, &Config::to(server.address()));
    download_from_all(&lab, &clients, gateway.address(), Mode::Pasv);
    gateway.stop();
}

#[test]
fn eleven_ports_serve_20_transfers_of_one_client() {
    let lab = Lab::new();
    // More than the sockets on the way can hold: every transfer stays open until it is read.
    let served = lab.serve_large("large", 1, 20_000_000);
    let server = Server::start(&lab, Kind::Vsftpd);
    let gateway = Gateway::start(&lab, &Config::to(server.address()));
    let mut running = Vec::new();
    for _ in 0..SINGLE {
        let mut session = Control::login(&lab.net.client, gateway.address());
        let data = session.open(Mode::Epsv);
        session.send("RETR large");
        let stream = session.data(data);
        session.expect_started();
        running.push((session, stream));
    }
    let expected = std::fs::read(served).expect("served file");
    for (mut session, stream) in running {
        assert!(read(stream) == expected, "a download differs");
        session.expect_reply(226);
    }
    gateway.stop();
}

/// With no port left the client hears why, keeps its session, and has one when one is free.
#[test]
fn no_port_left() {
    let lab = Lab::new();
    lab.serve("file", b"content");
    let server = Server::start(&lab, Kind::Vsftpd);
    let config = Config::to(server.address()).ports("60000-60001");
    let config = config.section("[timeouts]\nlease_wait = \"100ms\"\n");
    let gateway = Gateway::start(&lab, &config);
    let login = || Control::login(&lab.net.client, gateway.address());
    let (mut first, mut second, mut third) = (login(), login(), login());
    let held = [first.open(Mode::Pasv), second.open(Mode::Pasv)];
    let reply = third.expect("PASV", 425);
    assert!(reply.text().contains("port"), "no reason: {}", reply.text());
    third.in_step();
    first.expect("QUIT", 221);
    assert_eq!(third.fetch(Mode::Pasv, "RETR file"), b"content");
    drop(held);
    gateway.stop();
}

/// A server with eleven passive ports ends sessions when 16 clients come at once; asked to
/// connect to us instead, it serves them all.
#[test]
fn active_mode_rescues_a_server_with_few_ports() {
    let lab = Lab::new();
    let clients = lab.net.client_addresses(RESCUED);
    let server = Server::vsftpd(&lab, 21, "pasv_min_port=50000\npasv_max_port=50010\n");
    let config = Config::to(server.address()).upstream("data = \"active\"");
    let gateway = Gateway::start(&lab, &config);
    download_from_all(&lab, &clients, gateway.address(), Mode::Pasv);
    download_from_all(&lab, &clients, gateway.address(), Mode::Eprt);
    gateway.stop();
}

/// Somebody else's connection to a waiting port is closed and does no harm.
#[test]
fn a_stranger_on_the_data_port() {
    let lab = Lab::new();
    lab.serve("file", b"content");
    let stranger = lab.net.client_addresses(1)[0];
    let server = Server::start(&lab, Kind::Vsftpd);
    let gateway = Gateway::start(&lab, &Config::to(server.address()));
    let mut session = Control::login(&lab.net.client, gateway.address());
    let line = session.expect("PASV", 227).text();
    let told = parse_227(&line);
    session.send("RETR file");
    let mut bytes = Vec::new();
    // It is reset at once, perhaps before it knows that it was connected.
    match lab.net.client.connect(Some(stranger), told) {
        Ok(mut stolen) => drop(stolen.read_to_end(&mut bytes)),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    assert!(bytes.is_empty(), "a stranger got {} bytes", bytes.len());
    let stream = lab.net.client.connect(Some(session.local().ip()), told).expect("connect");
    session.expect_started();
    assert_eq!(read(stream), b"content");
    session.expect_reply(226);
    gateway.stop();
}
