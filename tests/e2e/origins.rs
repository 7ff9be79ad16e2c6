//! Where connections of ours leave from: an address, a link, a port.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use crate::support::ftp::{Control, Mode};
use crate::support::gateway::{Config, Gateway, told};
use crate::support::lab::{Lab, content};
use crate::support::mock::{Mock, polite};
use crate::support::process::eventually;
use crate::support::servers::{Kind, Server};

/// Further addresses of the gateway on the server's link.
const OURS: &str = "10.0.0.9";
const OURS6: &str = "fd00:10::9";

/// Control and data leave from the address that is set, in every mode: vsftpd refuses a data
/// connection from any other than the control connection's.
#[test]
fn one_address_for_control_and_data() {
    let lab = Lab::new();
    lab.net.gateway.ip(&format!("addr add {OURS}/24 dev private"));
    lab.net.gateway.ip(&format!("-6 addr add {OURS6}/64 dev private nodad"));
    let file = content(1, 100_000);
    lab.serve("file", &file);
    let server = Server::start(&lab, Kind::Vsftpd);
    for (address, source) in [(server.address(), OURS), (server.address6(), OURS6)] {
        let source: IpAddr = source.parse().expect("an address");
        let config = Config::to(address);
        let config = config.upstream(&format!("source = \"{source}\"\ndata = \"same\""));
        let gateway = Gateway::start(&lab, &config);
        let mut control = Control::login(&lab.net.client, gateway.address());
        for mode in Mode::ALL {
            assert!(control.fetch(mode, "RETR file") == file, "{source} {mode:?}");
        }
        // Where the server sees its client, and where it is told to connect to.
        let status = control.expect("STAT", 211).lines.join("\n");
        assert!(status.contains(&source.to_string()), "{status}");
        gateway.stop();
    }
}

/// And is told of no other, where it has to connect to us.
#[test]
fn the_server_sees_that_address() {
    let lab = Lab::new();
    lab.net.gateway.ip(&format!("addr add {OURS}/24 dev private"));
    let mock = Mock::start(&lab, |line| match line {
        line if line.starts_with("PORT ") => "200 OK\r\n",
        line => polite(line),
    });
    let lines = format!("source = \"{OURS}\"\ndata = \"active\"");
    let config = Config::to(mock.address()).upstream(&lines);
    let gateway = Gateway::start(&lab, &config);
    let mut control = Control::login(&lab.net.client, gateway.address());
    control.expect("PASV", 227);
    control.expect("QUIT", 221);
    gateway.stop();
    assert_eq!(mock.peers(), [OURS.parse::<IpAddr>().expect("an address")]);
    let lines = mock.lines();
    assert!(lines.iter().any(|line| line.starts_with("PORT 10,0,0,9,")), "{lines:?}");
}

/// The link that is set is used although the routes lead elsewhere, by a process without
/// privileges, for connections both ways.
#[test]
fn a_link_against_the_routes() {
    let lab = Lab::new();
    let gateway = &lab.net.gateway;
    gateway.ip("link add nowhere type veth peer name nobody");
    gateway.ip("link set nowhere up");
    gateway.ip("link set nobody up");
    gateway.ip("route add 10.0.0.2/32 dev nowhere");
    let file = content(1, 100_000);
    lab.serve("file", &file);
    let server = Server::start(&lab, Kind::Vsftpd);
    let config = Config::to(server.address())
        .upstream("device = \"private\"\nsource = \"10.0.0.1\"\ndata = \"same\"")
        .section("[runtime]\nuser = \"nobody\"\n");
    let gateway = Gateway::start(&lab, &config);
    let mut control = Control::login(&lab.net.client, gateway.address());
    for mode in Mode::ALL {
        assert!(control.fetch(mode, "RETR file") == file, "{mode:?}");
    }
    control.expect("QUIT", 221);
    gateway.stop();
    // The link it is: another leads nowhere.
    let config = Config::to(server.address())
        .upstream("device = \"public\"")
        .section("[timeouts]\nconnect = \"1s\"\n");
    let gateway = Gateway::start(&lab, &config);
    Control::connect(&lab.net.client, gateway.address()).expect_reply(421);
    gateway.stop();
}

/// Data connections to clients and to servers from port 20, several at a time.
#[test]
fn port_20_on_both_sides() {
    let lab = Lab::new();
    // More than the sockets on the way can hold: every transfer stays open until it is read.
    let served = lab.serve_large("large", 1, 20_000_000);
    let server = Server::start(&lab, Kind::Vsftpd);
    let config = Config::to(server.address())
        .section("[listener.data]\nsource_port = 20\nupstream_source_port = 20\n")
        .section("[runtime]\nuser = \"nobody\"\n");
    let gateway = Gateway::start(&lab, &config);
    let mut running = Vec::new();
    for mode in [Mode::Eprt, Mode::Port, Mode::Pasv] {
        let mut control = Control::login(&lab.net.client, gateway.address());
        let data = control.open(mode);
        control.send("RETR large");
        let stream = control.data(data);
        control.expect_started();
        if mode != Mode::Pasv {
            assert_eq!(stream.peer_addr().expect("connected").port(), 20);
        }
        running.push((control, stream));
    }
    // Two towards the client and three towards the server.
    eventually("five connections from port 20", || {
        (lab.net.gateway.established(20) == 5).then_some(())
    });
    let expected = fs::read(served).expect("served file");
    for (mut control, mut stream) in running {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut bytes).expect("data connection");
        assert!(bytes == expected, "a download differs");
        control.expect_reply(226);
    }
    gateway.stop();
}

/// What cannot be left from is told at the start and by the self-check.
#[test]
fn places_that_are_not_there() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let attempt = |verb: &str, lines: &str, more: &str| {
        let config = Config::to(mock.address()).upstream(lines).section(more);
        told(&lab, verb, &config.toml()).expect_err("it cannot work")
    };
    let taken = SocketAddr::from(([203, 0, 113, 1], 20));
    let _taken = lab.net.gateway.listen(taken).expect("listen");
    for verb in ["run", "check"] {
        let said = attempt(verb, "source = \"192.0.2.77\"", "");
        assert!(
            said.contains("upstream.server.source: connections leave from 192.0.2.77"),
            "{said}"
        );
        assert!(said.contains("not one of this machine's"), "{said}");
        let said = attempt(verb, "device = \"eth77\"", "");
        assert!(said.contains("upstream.server.device: connections leave through eth77"), "{said}");
        assert!(said.contains("there is no such link"), "{said}");
        let said = attempt(verb, "", "[listener.data]\nsource_port = 20\n");
        assert!(said.contains("data.source_port: data connections to clients"), "{said}");
        assert!(said.contains("another program listens there"), "{said}");
    }
}
