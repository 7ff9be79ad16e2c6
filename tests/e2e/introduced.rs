//! Servers that are told the client in a PROXY header: HAProxy takes them, before vsftpd.

use crate::support::ftp::{Control, Mode, Security};
use crate::support::gateway::{Config, Gateway};
use crate::support::haproxy::{Haproxy, RECEIVER};
use crate::support::lab::{Lab, content};
use crate::support::net::{CLIENT, CLIENT6, PUBLIC, PUBLIC6};
use crate::support::pki::Pki;
use crate::support::servers::Server;
use crate::support::wire::{TlsClient, Version};

const DATA_PORTS: &str = "pasv_min_port=50000\npasv_max_port=50010\n";

fn config(version: &str) -> Config {
    let lines = format!("proxy_protocol = \"{version}\"\nproxy_protocol_data = \"{version}\"");
    Config::to(RECEIVER).upstream(&lines)
}

/// What follows `key` in a line of the receiver's log.
fn value<'a>(line: &'a str, key: &str) -> &'a str {
    let (_, rest) = line.split_once(key).unwrap_or_else(|| panic!("no {key} in {line}"));
    rest.split(' ').next().unwrap_or_default()
}

/// The receiver knows the client and where it went, on control and data connections (P167), and by
/// version 2 which of them belong together (P168).
#[test]
fn both_versions() {
    for version in ["v1", "v2"] {
        let lab = Lab::new();
        let bytes = content(1, 300_000);
        lab.serve("file", &bytes);
        let _server = Server::vsftpd(&lab, 21, DATA_PORTS);
        let mut haproxy = Haproxy::before_server(&lab);
        let gateway = Gateway::start(&lab, &config(version));
        for to in [gateway.address(), gateway.address6()] {
            let mut session = Control::login(&lab.net.client, to);
            for mode in [Mode::Epsv, Mode::Eprt] {
                assert!(session.fetch(mode, "RETR file") == bytes, "{mode:?}");
            }
            session.store(Mode::Epsv, "STOR new", &bytes);
            session.expect("QUIT", 221);
        }
        let log = gateway.stop();
        assert_eq!(std::fs::read(lab.home().join("new")).expect("stored"), bytes);
        let control = haproxy.connections("control", 2);
        let data = haproxy.connections("data", 6);
        for (client, reached) in
            [(CLIENT.to_string(), PUBLIC.to_string()), (CLIENT6.to_string(), PUBLIC6.to_string())]
        {
            let of = |lines: &[String]| -> Vec<String> {
                let own = format!("client={client}:");
                lines.iter().filter(|line| line.contains(&own)).cloned().collect()
            };
            let (control, data) = (of(&control), of(&data));
            assert_eq!((control.len(), data.len()), (1, 3), "{control:?} {data:?}");
            assert_eq!(value(&control[0], "reached="), format!("{reached}:21"));
            assert!(value(&data[0], "reached=").starts_with(&format!("{reached}:500")), "{data:?}");
            let id = value(&control[0], "id=");
            assert!(data.iter().all(|line| value(line, "id=") == id), "{data:?}");
            match version {
                "v2" => assert!(log.contains(&format!("\"session\":\"{id}\"")), "{id}\n{log}"),
                _ => assert_eq!(id, "-"),
            }
        }
    }
}

/// A client that is under TLS before the server is dialled is introduced with the name it asked for.
#[test]
fn implicit_tls_is_told_of() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", b"content");
    let _server = Server::vsftpd(&lab, 21, DATA_PORTS);
    let mut haproxy = Haproxy::before_server(&lab);
    let config = config("v2").listener(&pki.listener("implicit", ""));
    let gateway = Gateway::start(&lab, &config);
    let tls = TlsClient::new(&pki.ca(), Version::Tls13).named("ftp.example.test");
    let mut session =
        Control::login_secure(&lab.net.client, gateway.address(), &Security::Implicit(tls));
    assert_eq!(session.fetch(Mode::Pasv, "RETR file"), b"content");
    session.expect("QUIT", 221);
    drop(session);
    gateway.stop();
    for frontend in ["control", "data"] {
        let lines = haproxy.connections(frontend, 1);
        assert_eq!(value(&lines[0], "name="), "ftp.example.test", "{lines:?}");
    }
}
