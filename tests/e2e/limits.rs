//! Who is let in, who is turned away, and how it stops.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;

use crate::support::ftp::{Control, Mode, parse_227, reset};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, server_address};
use crate::support::mock::{Mock, polite};
use crate::support::net::{CLIENT, PUBLIC};
use crate::support::process::eventually;
use crate::support::servers::{Kind, Server};

/// More than all sockets on the way can hold.
const LARGE: usize = 50_000_000;
const SOME: usize = 100_000;

#[test]
fn sessions_per_client() {
    let lab = Lab::new();
    let other = lab.net.client_addresses(1)[0];
    let mock = Mock::start(&lab, polite);
    let config = Config::to(mock.address()).section("[limits]\nsessions_per_client = 2\n");
    let gateway = Gateway::start(&lab, &config);
    let (client, to) = (&lab.net.client, gateway.address());
    let first = Control::login(client, to);
    let mut second = Control::login(client, to);
    let mut third = Control::connect(client, to);
    third.expect_reply(421);
    assert_eq!(third.expect_end(), "");
    assert_eq!(mock.connections(), 2, "a client that is turned away must not reach the server");
    second.in_step();
    Control::login_from(client, Some(other), to).in_step();
    // A session that ends, however it ends, makes room.
    reset(first.into_socket());
    eventually("there is room again", || {
        let mut again = Control::connect(client, to);
        (again.reply().code == 220).then_some(())
    });
    gateway.stop();
}

#[test]
fn sessions_in_total() {
    let lab = Lab::new();
    let clients = lab.net.client_addresses(3);
    let mock = Mock::start(&lab, polite);
    let config = Config::to(mock.address()).section("[limits]\nsessions = 2\n");
    let gateway = Gateway::start(&lab, &config);
    let connect =
        |n: usize| Control::connect_from(&lab.net.client, Some(clients[n]), gateway.address());
    // Workers accept in no order: each is greeted before the next comes.
    let (mut first, mut second) = (connect(0), connect(1));
    first.expect_reply(220);
    second.expect_reply(220);
    let mut third = connect(2);
    third.expect_reply(421);
    assert_eq!(third.expect_end(), "");
    gateway.stop();
}

/// A server's own bound holds for all the listeners that lead to it.
#[test]
fn sessions_of_a_server() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let second = format!(
        "[[listener]]\nname = \"second\"\nbind = \"{PUBLIC}:2121\"\nupstream = \"server\"\n"
    );
    let config = Config::to(mock.address()).upstream("sessions = 2").section(&second);
    let gateway = Gateway::start(&lab, &config);
    let connect = |port| Control::connect(&lab.net.client, SocketAddr::new(PUBLIC.into(), port));
    let (mut one, mut other) = (connect(21), connect(2121));
    one.expect_reply(220);
    other.expect_reply(220);
    for port in [21, 2121] {
        let mut surplus = connect(port);
        surplus.expect_reply(421);
        assert_eq!(surplus.expect_end(), "");
    }
    assert_eq!(mock.connections(), 2, "a client that is turned away must not reach the server");
    reset(other.into_socket());
    eventually("there is room again", || (connect(21).reply().code == 220).then_some(()));
    gateway.stop();
}

/// With few descriptors there are few sessions; the others are told so instead of waiting, and
/// those inside can transfer.
#[test]
fn few_descriptors() {
    const LIMIT: u32 = 64;
    let lab = Lab::new();
    lab.serve("file", b"content");
    let server = Server::start(&lab, Kind::Proftpd);
    let gateway = Gateway::start_with_descriptors(&lab, &Config::to(server.address()), LIMIT);
    let mut inside = Control::login(&lab.net.client, gateway.address());
    let connect = || Control::connect(&lab.net.client, gateway.address());
    let mut others: Vec<_> = (0..LIMIT).map(|_| connect()).collect();
    let answers: Vec<_> = others.iter_mut().map(|control| control.reply().code).collect();
    assert!(answers.iter().all(|code| matches!(code, 220 | 421)), "{answers:?}");
    assert!(answers.contains(&421), "{answers:?}");
    assert_eq!(inside.fetch(Mode::Pasv, "RETR file"), b"content");
    drop(others);
    eventually("there is room again", || (connect().reply().code == 220).then_some(()));
    gateway.stop();
}

#[test]
fn only_listed_clients() {
    let lab = Lab::new();
    let other = lab.net.client_addresses(1)[0];
    let mock = Mock::start(&lab, polite);
    let list = format!("clients = [\"{CLIENT}/32\"]");
    let gateway = Gateway::start(&lab, &Config::to(mock.address()).listener(&list));
    let mut stranger = Control::connect_from(&lab.net.client, Some(other), gateway.address());
    let said = stranger.expect_end();
    assert!(said.is_empty() || said.starts_with("421"), "{said}");
    assert_eq!(mock.connections(), 0);
    Control::login(&lab.net.client, gateway.address()).in_step();
    gateway.stop();
}

/// Each client is told the address that its own network can reach.
#[test]
fn an_address_for_each_network() {
    let lab = Lab::new();
    let other = lab.net.client_addresses(1)[0];
    let server = Server::start(&lab, Kind::Vsftpd);
    let rules = format!("rules = [{{ clients = \"{other}/32\", address = \"198.51.100.7\" }}]\n");
    let gateway = Gateway::start(&lab, &Config::to(server.address()).advertise(&rules));
    let told = |from| {
        let mut control = Control::login_from(&lab.net.client, from, gateway.address());
        parse_227(&control.expect("PASV", 227).text()).ip().to_string()
    };
    assert_eq!(told(Some(other)), "198.51.100.7");
    assert_eq!(told(None), "203.0.113.1");
    gateway.stop();
}

/// Each listener may have its own ports and its own address to tell.
#[test]
fn listeners_with_settings_of_their_own() {
    let lab = Lab::new();
    let server = Server::start(&lab, Kind::Vsftpd);
    let second = format!(
        "[[listener]]\nname = \"second\"\nbind = \"{PUBLIC}:2121\"\nupstream = \"server\"\n\
         [listener.data]\nports = \"60100-60101\"\n\
         [listener.advertise]\naddress = \"198.51.100.9\"\n"
    );
    let gateway = Gateway::start(&lab, &Config::to(server.address()).section(&second));
    let told = |port| {
        let to = SocketAddr::new(PUBLIC.into(), port);
        let mut control = Control::login(&lab.net.client, to);
        parse_227(&control.expect("PASV", 227).text())
    };
    let (first, second) = (told(21), told(2121));
    assert_eq!(first.ip().to_string(), "203.0.113.1");
    assert!((60000..=60010).contains(&first.port()), "{first}");
    assert_eq!(second.ip().to_string(), "198.51.100.9");
    assert!((60100..=60101).contains(&second.port()), "{second}");
    gateway.stop();
}

#[test]
fn a_server_that_is_down() {
    let lab = Lab::new();
    let server = server_address(false, 21);
    let gateway = Gateway::start(&lab, &Config::to(server));
    let mut control = Control::connect(&lab.net.client, gateway.address());
    let reply = control.expect_reply(421);
    for inner in ["10.0.0", "10,0,0", "refused", "os error"] {
        assert!(!reply.text().contains(inner), "{}", reply.text());
    }
    assert_eq!(control.expect_end(), "");
    gateway.stop();
}

#[test]
fn a_stop_lets_transfers_end() {
    let lab = Lab::new();
    lab.serve_large("large", 1, LARGE);
    let server = Server::start(&lab, Kind::Vsftpd);
    let mut gateway = Gateway::start(&lab, &Config::to(server.address()));
    let mut idle = Control::login(&lab.net.client, gateway.address());
    let mut busy = Control::login(&lab.net.client, gateway.address());
    let data = busy.open(Mode::Pasv);
    busy.send("RETR large");
    let mut stream = busy.data(data);
    busy.expect_started();
    stream.read_exact(&mut vec![0; SOME]).expect("data connection");

    gateway.terminate();
    idle.expect_reply(421);
    assert_eq!(idle.expect_end(), "");
    eventually("nobody is let in any more", || {
        let error = lab.net.client.connect(None, gateway.address()).err()?;
        (error.kind() == ErrorKind::ConnectionRefused).then_some(())
    });
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("data connection");
    assert_eq!(rest.len(), LARGE - SOME);
    busy.expect_reply(226);
    busy.expect_reply(421);
    assert_eq!(busy.expect_end(), "");
    gateway.ended();
}

/// The time for it has an end, and a second signal ends it at once.
#[test]
fn a_stop_does_not_wait_for_ever() {
    for (deadline, signals) in [("200ms", 1), ("1h", 2)] {
        let lab = Lab::new();
        lab.serve_large("large", 1, LARGE);
        let server = Server::start(&lab, Kind::Vsftpd);
        let shutdown = format!("[timeouts]\nshutdown = \"{deadline}\"\n");
        let mut gateway = Gateway::start(&lab, &Config::to(server.address()).section(&shutdown));
        let mut control = Control::login(&lab.net.client, gateway.address());
        let data = control.open(Mode::Pasv);
        control.send("RETR large");
        let mut stream = control.data(data);
        control.expect_started();
        stream.read_exact(&mut vec![0; SOME]).expect("data connection");
        for _ in 0..signals {
            gateway.terminate();
            gateway.logs("it heard the signal", |line| line.contains("SIGTERM"));
        }
        gateway.gone();
        let rest = control.expect_end();
        assert!(!rest.contains("226"), "{rest}");
    }
}

/// What no FTP client says first is cut off without a word about it, and never gets further.
#[test]
fn other_protocols() {
    let firsts: [&[u8]; 5] = [
        b"GET /secret-path HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\nPORT 10,0,0,2,0,22\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"EHLO mail.example\r\nMAIL FROM:<a@b>\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let gateway = Gateway::start(&lab, &Config::to(mock.address()));
    for first in firsts {
        let mut control = Control::connect(&lab.net.client, gateway.address());
        control.send_raw(first);
        let said = control.expect_end();
        assert!(said.is_empty() || said == "220 Mock ready\r\n", "{said}");
    }
    assert_eq!(mock.lines(), Vec::<String>::new());
    Control::login(&lab.net.client, gateway.address()).in_step();
    gateway.stop();
}
