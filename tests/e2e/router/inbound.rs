//! From the Internet to a server in the LAN, and from the LAN to the same.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::support::ftp::{Control, Mode, parse_227};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::net::{CLIENT, PUBLIC, PUBLIC6};
use crate::support::servers::Server;

/// The router's address in the LAN.
const INSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

/// The input filter that we ship, for the links of the laboratory.
fn filter() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/edge-nat/ftpgate.nft");
    let text = std::fs::read_to_string(file).expect("a file that we ship");
    let adapted = text
        .replace("define wan = \"eth0\"", "define wan = \"public\"")
        .replace("define lan = \"eth1\"", "define lan = \"private\"")
        .replace("define data = 10100-10131", "define data = 60000-60010");
    assert_eq!(adapted.matches("public").count(), 1, "{adapted}");
    adapted
}

/// Scenario (a), behind a firewall that lets in what we say has to be let in, and nothing else.
#[test]
fn every_mode_through_the_filter() {
    let lab = Lab::new();
    let file = content(1, 200_000);
    lab.serve("file", &file);
    let server = Server::vsftpd(&lab, 21, "");
    lab.net.gateway.nft(&filter());
    let gateway = Gateway::start(&lab, &Config::to(server.address()));
    for (to, modes) in
        [(PUBLIC.into(), &Mode::ALL[..]), (PUBLIC6.into(), &[Mode::Epsv, Mode::Eprt])]
    {
        let mut control = Control::login(&lab.net.client, SocketAddr::new(to, 21));
        for &mode in modes {
            assert!(control.fetch(mode, "RETR file") == file, "{mode:?}: RETR");
            control.store(mode, &format!("STOR up-{mode:?}-{}", to.is_ipv6()), &file);
        }
        control.expect("QUIT", 221);
    }
    gateway.stop();
}

/// Scenario (e): each network is told its own address, at the same time; so is the LAN client that
/// goes by the public one.
#[test]
fn two_networks_each_with_its_own_address() {
    let lab = Lab::new();
    let file = content(1, 200_000);
    lab.serve("file", &file);
    let server = Server::vsftpd(&lab, 21, "");
    lab.net.server.ip("route add default via 10.0.0.1");
    lab.net.gateway.nft(&filter());
    let toml = format!(
        "[[listener]]\nbind = \"*:21\"\n[[upstream]]\naddress = \"{}\"\n\
         [data]\nports = \"60000-60010\"\n",
        server.address()
    );
    let gateway = Gateway::start_with(&lab, &toml);
    let (outside, inside) = (&lab.net.client, &lab.net.server);
    let mut controls =
        [(outside, IpAddr::from(PUBLIC)), (inside, INSIDE), (inside, IpAddr::from(PUBLIC))]
            .map(|(ns, to)| (Control::login(ns, SocketAddr::new(to, 21)), to));
    for (control, to) in &mut controls {
        assert_eq!(parse_227(&control.expect("PASV", 227).text()).ip(), *to);
    }
    for (control, to) in &mut controls {
        for mode in Mode::ALL {
            assert!(control.fetch(mode, "RETR file") == file, "{mode:?} by way of {to}");
        }
    }
    let log = gateway.stop();
    for rule in ["lan", "local"] {
        assert!(log.contains(&format!("\"rule\":\"{rule}\"")), "no {rule} in:\n{log}");
    }
    assert!(log.contains(&CLIENT.to_string()));
}
