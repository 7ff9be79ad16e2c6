//! TLS towards the client and towards the server, each on its own, in every mode, in both families.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::support::ftp::{Control, Mode, Security};
use crate::support::gateway::Gateway;
use crate::support::lab::{Lab, content, server_address};
use crate::support::net::{PUBLIC, PUBLIC6};
use crate::support::pki::Pki;
use crate::support::servers::Server;
use crate::support::tls_servers::vsftpd;
use crate::support::wire::{TlsClient, Version};

const CLIENTS: [&str; 3] = ["off", "required", "implicit"];
/// What is asked of the server, and the port of one that is content with it.
const UPSTREAMS: [(&str, u16); 6] = [
    ("off", PLAIN),
    ("explicit", EXPLICIT),
    ("implicit", IMPLICIT),
    ("auto", EXPLICIT),
    ("auto", PLAIN),
    ("same", EXPLICIT),
];
const PLAIN: u16 = 2021;
const EXPLICIT: u16 = 21;
const IMPLICIT: u16 = 990;
const LENGTH: usize = 50_000;

/// A listener for each pair, on port 2100, 2101 …
fn pairs() -> impl Iterator<Item = (u16, &'static str, &'static str, u16)> {
    let pairs =
        CLIENTS.into_iter().flat_map(|client| UPSTREAMS.map(|(tls, port)| (client, tls, port)));
    (2100..).zip(pairs).map(|(listen, (client, tls, port))| match (client, tls) {
        // One who speaks in the clear is spoken for in the clear.
        ("off", "same") => (listen, client, tls, PLAIN),
        _ => (listen, client, tls, port),
    })
}

fn configuration(pki: &Pki, server_v6: bool) -> String {
    let mut toml = format!(
        "[data]\nports = \"60000-60010\"\nupstream_ports = \"61000-61100\"\n\
         [advertise]\naddress = \"{PUBLIC}\"\n"
    );
    for (listen, client, tls, port) in pairs() {
        let listener = if client == "off" { String::new() } else { pki.listener(client, "") };
        let upstream = if tls == "off" { String::new() } else { pki.upstream(tls, "") };
        let server = server_address(server_v6, port);
        let _ = write!(
            toml,
            "[[listener]]\nname = \"l{listen}\"\nupstream = \"u{listen}\"\n{listener}\n\
             bind = [\"{PUBLIC}:{listen}\", \"[{PUBLIC6}]:{listen}\"]\n\
             [[upstream]]\nname = \"u{listen}\"\naddress = \"{server}\"\ndata = \"same\"\n{upstream}\n"
        );
    }
    toml
}

fn all_pairs(client: IpAddr, server_v6: bool, version: Version) {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let file = content(1, LENGTH);
    lab.serve("file", &file);
    let identity = pki.server();
    let _servers = [
        Server::vsftpd(&lab, PLAIN, ""),
        Server::vsftpd(&lab, EXPLICIT, &vsftpd(&identity)),
        Server::vsftpd(&lab, IMPLICIT, &(vsftpd(&identity) + "implicit_ssl=YES\n")),
    ];
    let mut gateway = Gateway::start_with(&lab, &configuration(&pki, server_v6));
    let tls = TlsClient::new(&pki.ca(), version).to(client);
    for (listen, security, upstream, port) in pairs() {
        let security = match security {
            "off" => Security::Off,
            "required" => Security::Explicit(tls.another()),
            _ => Security::Implicit(tls.another()),
        };
        for mode in Mode::ALL {
            if client.is_ipv6() && matches!(mode, Mode::Pasv | Mode::Port) {
                continue;
            }
            let name = format!("{listen}-{upstream}-{port}-{mode:?}");
            let to = SocketAddr::new(client, listen);
            let mut control = Control::login_secure(&lab.net.client, to, &security);
            assert!(control.fetch(mode, "RETR file") == file, "{name}: RETR");
            control.store(mode, &format!("STOR {name}"), &file);
            let stored = std::fs::read(lab.home().join(&name)).expect("stored file");
            assert!(stored == file, "{name}: STOR");
            let list = String::from_utf8(control.fetch(mode, "LIST")).expect("a listing");
            assert!(list.contains(&name), "{name}: LIST gave\n{list}");
            control.in_step();
            let tls = |side: &str, version: &str| {
                format!("\"{side}_tls\":\"{version}\",\"{side}_resumed\":true")
            };
            let (client, server) = (tls("client", version.name()), tls("server", "1.2"));
            let (under_client, under_server) = (!matches!(security, Security::Off), port != PLAIN);
            gateway.logs(&format!("{name} is recorded"), |line| {
                line.contains(&format!("\"path\":\"{name}\""))
                    && line.contains(&client) == under_client
                    && line.contains(&server) == under_server
            });
        }
    }
    gateway.stop();
}

#[test]
fn from_ipv4_to_ipv4() {
    all_pairs(PUBLIC.into(), false, Version::Tls13);
}

#[test]
fn from_ipv4_to_ipv6() {
    all_pairs(PUBLIC.into(), true, Version::Tls12);
}

#[test]
fn from_ipv6_to_ipv4() {
    all_pairs(PUBLIC6.into(), false, Version::Tls13);
}

#[test]
fn from_ipv6_to_ipv6() {
    all_pairs(PUBLIC6.into(), true, Version::Tls12);
}
