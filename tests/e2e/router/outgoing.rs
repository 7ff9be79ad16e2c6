//! Addresses: what a client is told, where its data come from, and whom the server sees.

use std::net::{IpAddr, SocketAddr};

use super::shipped::rules;
use super::{Way, server};
use crate::starting::manager;
use crate::support::ftp::{Control, Mode, parse_227};
use crate::support::gateway::Gateway;
use crate::support::lab::{Lab, content};
use crate::support::process::run;
use crate::support::router::{LAN_CLIENT, LAN_CLIENT6, WAN_ROUTER, WAN_SERVER};
use crate::support::servers::Server;

const LENGTH: usize = 100_000;

fn modes(v6: bool) -> &'static [Mode] {
    if v6 { &[Mode::Epsv, Mode::Eprt] } else { &Mode::ALL }
}

/// Whom the server's control connections come from.
fn seen_by_server(lab: &Lab) -> Vec<IpAddr> {
    let mut ss = lab.net.server.command("ss");
    ss.args(["-Htn", "state", "established", "( sport = :21 )"]);
    let table = run(ss, "").expect("ss");
    let peer = |line: &str| {
        let address = line.split_ascii_whitespace().nth(3)?.parse::<SocketAddr>().ok()?;
        Some(address.ip().to_canonical())
    };
    table.lines().filter_map(peer).collect()
}

/// Every mode, both ways, to the server that is really meant.
fn carries(lab: &Lab, v6: bool, asked: &str) {
    let file = content(1, LENGTH);
    lab.serve("file", &file);
    let to = server(v6);
    let mut control = Control::login(&lab.net.client, to);
    for &mode in modes(v6) {
        assert!(control.fetch(mode, "RETR file") == file, "{mode:?}: RETR");
        let name = format!("{asked}-{mode:?}-{v6}");
        control.store(mode, &format!("STOR {name}"), &file);
        assert!(std::fs::read(lab.home().join(&name)).expect("stored") == file, "{mode:?}: STOR");
    }
    control.expect("QUIT", 221);
}

/// P173, P174: to the client there is only the server.
#[test]
fn the_client_sees_nobody_but_the_server() {
    for way in Way::BOTH {
        let lab = Lab::router();
        let server_program = Server::vsftpd(&lab, 21, "");
        lab.serve("file", b"content");
        let gateway = way.start(&lab, "");
        for v6 in [false, true] {
            carries(&lab, v6, "passive");
        }
        let mut control = Control::login(&lab.net.client, server(false));
        let told = parse_227(&control.expect("PASV", 227).text());
        assert_eq!(told.ip(), IpAddr::from(WAN_SERVER), "{way:?}");
        assert!((60000..=60010).contains(&told.port()), "{way:?}: {told}");
        // (the control connection's address, the port) is the same place (P67).
        for mode in [Mode::Port, Mode::Eprt] {
            let data = control.open(mode);
            control.send("RETR file");
            let data = control.data(data);
            assert_eq!(data.peer_addr().expect("connected").ip(), server(false).ip(), "{way:?}");
            control.expect_started();
            drop(data);
            assert!(matches!(control.reply().code, 226 | 426));
        }
        assert_eq!(seen_by_server(&lab), [IpAddr::from(WAN_ROUTER)], "{way:?}");
        control.expect("QUIT", 221);
        drop(server_program);
        let log = gateway.stop();
        assert!(log.contains("\"rule\":\"original\""), "{way:?}: no such rule in\n{log}");
        assert!(log.contains("clients choose the server, within 198.51.100.0/24"), "{log}");
    }
}

/// The server may be asked for active data too; it connects to the router then.
#[test]
fn the_server_in_active_mode() {
    for way in Way::BOTH {
        let lab = Lab::router();
        let _server = Server::vsftpd(&lab, 21, "");
        let gateway = way.start(&lab, "[[upstream]]\nname = \"any\"\ndata = \"active\"\n");
        for v6 in [false, true] {
            carries(&lab, v6, "active");
        }
        gateway.stop();
    }
}

/// P174: full transparency. To the server there is only the client, whoever opens the data
/// connection. The router's own filter has to let in what is for sockets of ours.
#[test]
fn the_server_sees_nobody_but_the_client() {
    for (way, asked) in [(Way::Redirect, "active"), (Way::Tproxy, "active"), (Way::Tproxy, "same")]
    {
        let lab = Lab::router();
        lab.net.tell_server_of_lan();
        let ours = "ct state invalid drop\nmeta l4proto tcp socket transparent 1 accept";
        let filter = rules("examples/edge-nat/ftpgate.nft").replace("ct state invalid drop", ours);
        lab.net.gateway.nft(&filter.replace("data = 10100-10131", "data = 60000-60010"));
        let _server = Server::vsftpd(&lab, 21, "");
        let gateway = way.start(
            &lab,
            &format!("[[upstream]]\nname = \"any\"\nsource = \"client\"\ndata = \"{asked}\"\n"),
        );
        for (v6, client) in [(false, IpAddr::from(LAN_CLIENT)), (true, LAN_CLIENT6.into())] {
            carries(&lab, v6, asked);
            let mut control = Control::login(&lab.net.client, server(v6));
            assert_eq!(seen_by_server(&lab), [client], "{way:?}, {asked}");
            control.expect("QUIT", 221);
            control.expect_end();
        }
        gateway.stop();
    }
}

/// Some firewalls know active data by port 20, which is then the server's own.
#[test]
fn active_data_from_port_20_of_the_server() {
    for way in Way::BOTH {
        let lab = Lab::router();
        lab.serve("file", b"content");
        let _server = Server::vsftpd(&lab, 21, "");
        let gateway = way.start(&lab, "[listener.data]\nsource_port = 20\n");
        let mut control = Control::login(&lab.net.client, server(false));
        let data = control.open(Mode::Port);
        control.send("RETR file");
        let data = control.data(data);
        let from = data.peer_addr().expect("connected");
        assert_eq!(from, SocketAddr::new(WAN_SERVER.into(), 20), "{way:?}");
        control.expect_started();
        drop(data);
        gateway.stop();
    }
}

/// The same ports serve several servers at once, each under its own address.
#[test]
fn several_servers_at_once() {
    let lab = Lab::router();
    let file = content(2, LENGTH);
    lab.serve("file", &file);
    lab.net.server.ip("addr add 198.51.100.3/24 dev eth0");
    let _server = Server::vsftpd(&lab, 21, "");
    let gateway = Way::Tproxy.start(&lab, "[listener.data]\nports = \"60000\"\n");
    let servers = [WAN_SERVER, [198, 51, 100, 3].into()];
    let mut controls =
        servers.map(|ip| Control::login(&lab.net.client, SocketAddr::new(ip.into(), 21)));
    let told = controls.each_mut().map(|c| parse_227(&c.expect("PASV", 227).text()));
    assert_eq!(told, servers.map(|ip| SocketAddr::new(ip.into(), 60000)));
    for control in &mut controls {
        assert!(control.fetch(Mode::Epsv, "RETR file") == file);
    }
    gateway.stop();
}

/// `ListenStream=2121` is one socket for both families: the kernel knows where its IPv4 clients wanted
/// to go as those of IPv4.
#[test]
fn a_socket_handed_over_for_both_families() {
    let lab = Lab::router();
    lab.serve("file", b"content");
    let _server = Server::vsftpd(&lab, 21, "");
    Way::Redirect.prepare(&lab, "21");
    let toml = Way::Redirect.toml("", "").replace("\"*:2121\"", "\"systemd\"");
    let gateway = Gateway::start_from(&lab, &toml, manager(&lab, &["ftp=::@2121"]));
    for (v6, passive) in [(false, &[Mode::Pasv, Mode::Epsv][..]), (true, &[Mode::Epsv])] {
        let mut control = Control::login(&lab.net.client, server(v6));
        for &mode in passive {
            assert_eq!(control.fetch(mode, "RETR file"), b"content", "{mode:?}");
        }
        control.expect("QUIT", 221);
    }
    gateway.stop();
}

/// Windows' own client knows PORT alone, and looks at nothing else.
#[test]
fn a_client_that_only_knows_port() {
    for way in Way::BOTH {
        let lab = Lab::router();
        let file = content(3, LENGTH);
        lab.serve("file", &file);
        let _server = Server::vsftpd(&lab, 21, "");
        let gateway = way.start(&lab, "");
        let mut control = Control::login(&lab.net.client, server(false));
        for n in 0..5 {
            assert!(control.fetch(Mode::Port, "RETR file") == file, "{way:?}");
            control.store(Mode::Port, &format!("STOR up{n}"), &file);
            let list = String::from_utf8(control.fetch(Mode::Port, "LIST")).expect("a listing");
            assert!(list.contains(&format!("up{n}")), "{way:?}: {list}");
        }
        control.expect("QUIT", 221);
        gateway.stop();
    }
}
