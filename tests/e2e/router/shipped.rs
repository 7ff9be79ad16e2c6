//! What we ship for a router, as it is: configuration, rules, and the commands of the README.

use std::fs;
use std::path::Path;

use super::server;
use crate::matrix::{serve_all, use_all_at};
use crate::support::ftp::{Control, Mode, parse_227};
use crate::support::gateway::Gateway;
use crate::support::lab::Lab;
use crate::support::router::{LAN_ROUTER, WAN_ROUTER};
use crate::support::servers::Server;
use crate::support::tools;

fn shipped(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&file).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Rules with the names that the links have in the laboratory.
pub(super) fn rules(name: &str) -> String {
    let text = shipped(name).replace("lan = \"eth1\"", "lan = \"lan\"");
    assert!(text.contains("define lan = \"lan\""), "{name} has another first line");
    text.replace("wan = \"eth0\"", "wan = \"wan\"")
}

#[test]
fn both_directions_of_the_edge_example() {
    let lab = Lab::router();
    serve_all(&lab);
    // The same server is in the Internet for clients in the LAN, and in the LAN for the Internet.
    lab.net.server.ip("addr add 192.168.77.20/24 dev eth0");
    lab.net.gateway.ip("addr add 192.168.77.1/24 dev wan");
    let _server = Server::vsftpd(&lab, 21, "");
    let router = &lab.net.gateway;
    router.nft(&rules("examples/edge-nat/ftpgate.nft"));
    router.nft(&rules("examples/edge-nat/outgoing.nft"));
    let readme = shipped("examples/edge-nat/README.md");
    let commands: Vec<_> =
        readme.lines().map(str::trim).filter(|l| l.starts_with("ip -")).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    for command in commands {
        router.ip(&command.replace("ip -", "-").replace("eth1", "lan"));
    }
    let toml = shipped("config/edge.toml").replace("192.168.1.20:21", "192.168.77.20:21");
    let gateway = Gateway::start_with(&lab, &toml);

    for (name, tool) in [
        ("curl", tools::CURL),
        ("curl in active mode", tools::CURL.with(&["-P", "-"])),
        ("curl over IPv6", tools::CURL.over_ipv6()),
        ("tnftp", tools::TNFTP),
    ] {
        let problems = use_all_at(&lab, &tool, server(tool.ipv6));
        assert!(problems.is_empty(), "{name}: {}", problems.join("\n"));
    }
    // From outside, and from inside by the router's own address: told the address that was used.
    for (ns, to) in [(&lab.net.server, WAN_ROUTER), (&lab.net.client, LAN_ROUTER)] {
        let mut control = Control::login(ns, (to, 21).into());
        let told = parse_227(&control.expect("PASV", 227).text());
        assert_eq!(told.ip(), std::net::IpAddr::from(to));
        for mode in Mode::ALL {
            assert!(!control.fetch(mode, "LIST").is_empty(), "{to}, {mode:?}");
        }
        control.expect("QUIT", 221);
    }
    gateway.stop();
}
