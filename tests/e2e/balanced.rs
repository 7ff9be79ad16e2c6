//! Clients who come through a balancer, which says in a PROXY header who they are.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};

use crate::support::ftp::{Control, Mode, Security, parse_227};
use crate::support::gateway::{Config, Gateway};
use crate::support::haproxy::{BALANCER, BALANCER_DATA, BALANCER6, Haproxy};
use crate::support::lab::{Lab, content};
use crate::support::mock::{Mock, polite};
use crate::support::net::{CLIENT, CLIENT6, PUBLIC};
use crate::support::pki::Pki;
use crate::support::servers::{Kind, Server};
use crate::support::tls_servers;
use crate::support::wire::{TlsClient, Version};

const V2: &str = "send-proxy-v2 proxy-v2-options crc32c,unique-id";

fn balancer() -> SocketAddr {
    SocketAddr::new(BALANCER.into(), 21)
}

/// Before `upstream`; headers are to come there, from the balancer alone. Clients are told where its
/// data ports are.
fn config(upstream: SocketAddr, on: &str, more: &str) -> Config {
    let lines = format!("proxy_protocol = \"{on}\"\nproxy_from = [\"{BALANCER}\"]\n{more}");
    let map = format!("proxy_map = {{ \"{BALANCER}\" = \"{BALANCER_DATA}\" }}");
    Config::to(upstream).listener(&lines).advertise(&map)
}

/// A version 1 header as a balancer would send it for this client.
fn line(client: IpAddr) -> String {
    format!("PROXY TCP4 {client} {BALANCER} 40000 21\r\n")
}

/// A version 2 header that says: my own.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn has(log: &str, words: &[&str]) -> bool {
    log.lines().any(|line| words.iter().all(|word| line.contains(word)))
}

/// What somebody in the client's network gets at a data port. It may be closed before it is even up.
fn steal(lab: &Lab, from: Option<IpAddr>, at: SocketAddr, words: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(mut stolen) = lab.net.client.connect(from, at) {
        let _ = stolen.write_all(words.as_bytes());
        let _ = stolen.read_to_end(&mut bytes);
    }
    bytes
}

/// Both versions on both kinds of connections (P163, P164): the client is who it is, in the records
/// and for the port check, and is told where to go.
#[test]
fn every_mode_through_haproxy() {
    for (control, data) in [(V2, V2), ("send-proxy", "send-proxy")] {
        let lab = Lab::new();
        let bytes = content(1, 300_000);
        lab.serve("file", &bytes);
        let server = Server::start(&lab, Kind::Vsftpd);
        let _haproxy = Haproxy::before_gateway(&lab, control, data);
        let gateway = Gateway::start(&lab, &config(server.address(), "both", ""));
        let mut session = Control::login(&lab.net.client, balancer());
        let told = parse_227(&session.expect("PASV", 227).text());
        assert_eq!(told.ip(), IpAddr::from(BALANCER_DATA));
        session.store(Mode::Pasv, "STOR new", &bytes);
        for mode in Mode::ALL {
            assert!(session.fetch(mode, "RETR file") == bytes, "{mode:?}");
        }
        session.expect("QUIT", 221);
        drop(session);
        assert_eq!(std::fs::read(lab.home().join("new")).expect("stored"), bytes);
        let log = gateway.stop();
        let client = format!("\"client\":\"{CLIENT}:");
        let data = format!("\"client_data\":\"{CLIENT}:");
        assert!(has(&log, &[&client, &data, "\"verb\":\"STOR\"", "\"rule\":\"proxy\""]), "{log}");
    }
}

/// An IPv6 client, whom the balancer brings over IPv4.
#[test]
fn one_family_before_another_behind() {
    let lab = Lab::new();
    lab.serve("file", b"content");
    let server = Server::start(&lab, Kind::Vsftpd);
    let _haproxy = Haproxy::before_gateway(&lab, V2, V2);
    let gateway = Gateway::start(&lab, &config(server.address(), "both", ""));
    let to = SocketAddr::new(BALANCER6.into(), 21);
    let mut session = Control::login(&lab.net.client, to);
    for mode in [Mode::Epsv, Mode::Eprt] {
        assert_eq!(session.fetch(mode, "RETR file"), b"content", "{mode:?}");
    }
    session.expect("PASV", 425);
    session.in_step();
    let log = gateway.stop();
    assert!(has(&log, &[&format!("\"client\":\"[{CLIENT6}]:"), "\"verb\":\"RETR\""]), "{log}");
}

/// The header comes before TLS, on control and on data (P163).
#[test]
fn implicit_tls_behind_the_header() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", b"content");
    let server = Server::start(&lab, Kind::Vsftpd);
    let _haproxy = Haproxy::before_gateway(&lab, V2, V2);
    let tls = pki.listener("implicit", "reuse = \"require\"");
    let gateway = Gateway::start(&lab, &config(server.address(), "both", &tls));
    let security = Security::Implicit(TlsClient::new(&pki.ca(), Version::Tls13));
    let mut session = Control::login_secure(&lab.net.client, balancer(), &security);
    let (bytes, resumed) = session.fetch_noting(Mode::Pasv, "RETR file");
    assert!(bytes == b"content" && resumed);
    session.store(Mode::Pasv, "STOR new", b"more");
    session.in_step();
    gateway.stop();
}

/// A session whose TLS is the server's: its data connections come with headers too (P122).
#[test]
fn passed_through() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", b"content");
    let tls = tls_servers::vsftpd(&pki.gateway());
    let ports = "pasv_min_port=60000\npasv_max_port=60010\n";
    let server = Server::vsftpd(&lab, 21, &format!("{tls}{ports}"));
    let _haproxy = Haproxy::before_gateway(&lab, V2, V2);
    let lines = "tls = { mode = \"passthrough\" }\ndata = { passthrough_ports = \"60000-60010\" }";
    let config = config(server.address(), "both", lines).ports("61000-61010");
    let gateway = Gateway::start(&lab, &config);
    let security = Security::Explicit(TlsClient::new(&pki.ca(), Version::Tls12));
    let mut session = Control::login_secure(&lab.net.client, balancer(), &security);
    assert_eq!(session.fetch(Mode::Epsv, "RETR file"), b"content");
    session.store(Mode::Epsv, "STOR new", b"more");
    session.expect("QUIT", 221);
    drop(session);
    let log = gateway.stop();
    assert!(has(&log, &[&format!("\"client_data\":\"{CLIENT}:"), "\"tunnel\":true"]), "{log}");
}

/// Headers on control alone: data come from the balancer, and it is not seen for whom (P165).
#[test]
fn data_without_header() {
    let lab = Lab::new();
    lab.serve("file", b"content");
    let stranger = lab.net.client_addresses(1)[0];
    let server = Server::start(&lab, Kind::Vsftpd);
    let _haproxy = Haproxy::before_gateway(&lab, V2, "");
    let gateway = Gateway::start(&lab, &config(server.address(), "control", ""));
    let (mut one, mut other) =
        (Control::login(&lab.net.client, balancer()), Control::login(&lab.net.client, balancer()));
    assert_eq!(one.fetch(Mode::Pasv, "RETR file"), b"content");
    // Both wait at a time, each on a port of its own.
    let pending = [one.open(Mode::Pasv), other.open(Mode::Pasv)];
    for (session, data) in [&mut one, &mut other].into_iter().zip(pending) {
        session.send("RETR file");
        let mut bytes = Vec::new();
        session.data(data).read_to_end(&mut bytes).expect("data connection");
        session.expect_started();
        assert_eq!(bytes, b"content");
        session.expect_reply(226);
    }
    // Who is neither the client nor the balancer gets nothing; the client itself may come straight.
    let told = parse_227(&one.expect("PASV", 227).text());
    let straight = SocketAddr::new(PUBLIC.into(), told.port());
    one.send("RETR file");
    assert_eq!(steal(&lab, Some(stranger), straight, ""), b"");
    let mut bytes = Vec::new();
    let mut data = lab.net.client.connect(None, straight).expect("connect");
    one.expect_started();
    data.read_to_end(&mut bytes).expect("data connection");
    assert_eq!(bytes, b"content");
    one.expect_reply(226);
    gateway.stop();
}

/// Expected on data and not there: no transfer, and nothing is stored (P164).
#[test]
fn a_header_that_is_missing_on_data() {
    let lab = Lab::new();
    let server = Server::start(&lab, Kind::Vsftpd);
    let _haproxy = Haproxy::before_gateway(&lab, V2, "");
    let config = config(server.address(), "both", "").section("[timeouts]\ndata_accept = \"2s\"\n");
    let gateway = Gateway::start(&lab, &config);
    let mut session = Control::login(&lab.net.client, balancer());
    let data = session.open(Mode::Pasv);
    session.send("STOR new");
    let mut stream = session.data(data);
    let _ = stream.write_all(b"content");
    let code = loop {
        let code = session.reply().code;
        if code >= 200 {
            break code;
        }
    };
    assert!(matches!(code, 425 | 426), "{code}");
    session.in_step();
    assert_eq!(std::fs::read(lab.home().join("new")).unwrap_or_default(), b"");
    let log = gateway.stop();
    assert!(has(&log, &["data connection closed", "malformed", "does not begin"]), "{log}");
}

/// Not expected on data and there: it is taken for data. What the documentation warns of (P164).
#[test]
fn a_header_that_nobody_expects_on_data() {
    let lab = Lab::new();
    let server = Server::start(&lab, Kind::Vsftpd);
    let _haproxy = Haproxy::before_gateway(&lab, V2, "send-proxy");
    let gateway = Gateway::start(&lab, &config(server.address(), "control", ""));
    let mut session = Control::login(&lab.net.client, balancer());
    session.store(Mode::Pasv, "STOR new", b"content");
    let stored = std::fs::read_to_string(lab.home().join("new")).expect("stored");
    assert!(stored.starts_with("PROXY TCP4 ") && stored.ends_with("content"), "{stored}");
    gateway.stop();
}

/// Whoever is not in the list is closed without a word, whatever it says (P161, S37).
#[test]
fn nobody_else_is_believed() {
    let lab = Lab::new();
    lab.net.public_address(BALANCER.into());
    let mock = Mock::start(&lab, polite);
    let gateway = Gateway::start(&lab, &config(mock.address(), "both", ""));
    for words in [&b""[..], LOCAL, line(CLIENT.into()).as_bytes(), b"USER ftp1\r\n"] {
        for _ in 0..50 {
            let mut control = Control::connect(&lab.net.client, gateway.address());
            // It may be closed already.
            let _ = control.socket().write_all(words);
            assert!(control.is_cut_off());
        }
    }
    assert_eq!(mock.connections(), 0);
    let log = gateway.stop();
    let said = log.lines().filter(|line| line.contains("\"unlisted\"")).count();
    assert!((1..=4).contains(&said), "said {said} times\n{log}");
}

/// A header that is wrong ends the connection at once, one that does not come at its deadline, and
/// one that comes byte by byte is as good as any. Nothing is said before it is whole.
#[test]
fn headers_good_bad_and_missing() {
    let lab = Lab::new();
    lab.net.public_address(BALANCER.into());
    let mock = Mock::start(&lab, polite);
    let config = config(mock.address(), "both", "clients = [\"198.51.100.0/24\"]");
    let config = config.section("[timeouts]\nproxy_header = \"3s\"\n");
    let mut gateway = Gateway::start(&lab, &config);
    let connect =
        || Control::connect_from(&lab.net.gateway, Some(BALANCER.into()), gateway.address());
    for words in [
        "USER ftp1\r\n",
        "PROXY TCP4 198.51.100.1 203.0.113.5 040000 21\r\n",
        "\r\n\r\n\0\r\nQUIT\n\x31",
    ] {
        let mut control = connect();
        control.send_raw(words.as_bytes());
        assert!(control.is_cut_off(), "{words:?}");
    }
    let mut silent = connect();
    let mut slow = connect();
    slow.send_raw(b"PROXY TCP4 198.51.");
    assert_eq!((silent.expect_end(), slow.expect_end()), (String::new(), String::new()));
    assert_eq!(mock.connections(), 0);
    // The access list is about the client (S35), not about the balancer.
    let mut stranger = connect();
    stranger.send_raw(line(CLIENT.into()).as_bytes());
    stranger.expect_reply(421);
    let mut mapped = connect();
    mapped.send_raw(b"PROXY TCP6 ::ffff:198.51.100.1 ::ffff:203.0.113.5 40000 21\r\n");
    mapped.expect_reply(220);
    let mut good = connect();
    for byte in line([198, 51, 100, 1].into()).bytes() {
        good.send_raw(&[byte]);
    }
    good.expect_reply(220);
    good.log_in();
    gateway.logs("it was late", |line| line.contains("\"late\""));
    let log = gateway.stop();
    for why in ["malformed", "late"] {
        assert_eq!(
            log.lines().filter(|line| line.contains(&format!("\"{why}\""))).count(),
            1,
            "{log}"
        );
    }
    assert!(has(&log, &["198.51.100.1:40000", "\"session\""]), "{log}");
}

/// Health checks, bare or with LOCAL, make no session, no dial and no noise (P170).
#[test]
fn a_thousand_probes() {
    let lab = Lab::new();
    lab.net.public_address(BALANCER.into());
    let mock = Mock::start(&lab, polite);
    let gateway = Gateway::start(&lab, &config(mock.address(), "both", ""));
    let to = gateway.address();
    let connect = || lab.net.gateway.connect(Some(BALANCER.into()), to).expect("connect");
    for number in 0..1000 {
        let mut probe = connect();
        if number % 2 == 0 {
            probe.write_all(LOCAL).expect("probe");
        }
    }
    // One that wants to be greeted is.
    let mut asking = Control::connect_from(&lab.net.gateway, Some(BALANCER.into()), to);
    asking.send_raw(LOCAL);
    asking.expect_reply(220);
    asking.expect("QUIT", 221);
    assert_eq!(mock.connections(), 1);
    let log = gateway.stop();
    assert!(log.lines().count() < 40, "{} lines\n{log}", log.lines().count());
}

/// Eleven data ports of the balancer, one of the gateway: the header tells which it was (P166).
#[test]
fn all_ports_brought_to_one() {
    let lab = Lab::new();
    let server = Server::start(&lab, Kind::Vsftpd);
    let _haproxy = Haproxy::before_one_port(&lab, 61000, V2);
    let config = config(server.address(), "both", "").ports("61000\"\nexpose = \"60000-60010");
    let gateway = Gateway::start(&lab, &config);
    let mut sessions: Vec<_> = (0..10)
        .map(|n| {
            lab.serve(&format!("file{n}"), format!("content {n}").as_bytes());
            let mut session = Control::login(&lab.net.client, balancer());
            let data = session.open(Mode::Pasv);
            session.send(&format!("RETR file{n}"));
            (session, Some(data))
        })
        .collect();
    // Not in the order of their commands.
    for (n, (session, data)) in sessions.iter_mut().enumerate().rev() {
        let mut bytes = Vec::new();
        let data = data.take().expect("agreed on");
        session.data(data).read_to_end(&mut bytes).expect("data connection");
        assert_eq!(String::from_utf8_lossy(&bytes), format!("content {n}"));
        session.expect_started();
        session.expect_reply(226);
    }
    gateway.stop();
}

/// Three clients' data through one port of the gateway, told apart by their headers (P166); who claims
/// to be somebody else but is no balancer gets nothing.
#[test]
fn one_data_port_for_all() {
    let lab = Lab::new();
    lab.net.public_address(BALANCER.into());
    let server = Server::start(&lab, Kind::Vsftpd);
    let gateway = Gateway::start(&lab, &config(server.address(), "both", "").ports("60000"));
    let clients: Vec<IpAddr> = (1..=3).map(|n| [198, 51, 100, n].into()).collect();
    let mut sessions: Vec<_> = clients
        .iter()
        .enumerate()
        .map(|(n, client)| {
            lab.serve(&format!("file{n}"), format!("content {n}").as_bytes());
            let mut control =
                Control::connect_from(&lab.net.gateway, Some(BALANCER.into()), gateway.address());
            control.send_raw(line(*client).as_bytes());
            control.expect_reply(220);
            control.log_in();
            control.expect("PASV", 227);
            control.send(&format!("RETR file{n}"));
            control
        })
        .collect();
    let to = SocketAddr::new(PUBLIC.into(), 60000);
    let header = |client: &IpAddr| format!("PROXY TCP4 {client} {BALANCER_DATA} 40001 60000\r\n");
    assert_eq!(steal(&lab, None, to, &header(&clients[0])), b"");
    // A balancer that says nothing yet is in nobody's way.
    let silent = lab.net.gateway.connect(Some(BALANCER.into()), to).expect("connect");
    for (n, (client, control)) in clients.iter().zip(&mut sessions).enumerate().rev() {
        let mut data = lab.net.gateway.connect(Some(BALANCER.into()), to).expect("connect");
        data.write_all(header(client).as_bytes()).expect("header");
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).expect("data connection");
        assert_eq!(String::from_utf8_lossy(&bytes), format!("content {n}"));
        control.expect_started();
        control.expect_reply(226);
    }
    drop(silent);
    gateway.stop();
}
