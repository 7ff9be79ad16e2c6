//! Clients and destinations that are not let through, and ourselves (S38, P83, P175).

use std::net::SocketAddr;

use super::{Way, server};
use crate::support::ftp::Control;
use crate::support::gateway::Gateway;
use crate::support::lab::{Lab, PASSWORD, USER};
use crate::support::mock::{Mock, polite};
use crate::support::process::run;
use crate::support::router::{LAN_ROUTER, WAN_ROUTER};
use crate::support::servers::Server;

fn refused(lab: &Lab, from: Option<&str>, to: &str) -> String {
    let to: SocketAddr = to.parse().expect("an address");
    let from = from.map(|ip| ip.parse().expect("an address"));
    let mut control = Control::connect_from(&lab.net.client, from, to);
    let reply = control.expect_reply(421).text();
    assert_eq!(control.expect_end(), "", "{to}");
    reply
}

/// Told plainly, without a dial, and logged with the reason.
#[test]
fn destinations_that_are_not_allowed() {
    for way in Way::BOTH {
        let lab = Lab::router();
        lab.net.server.ip("addr add 10.99.0.2/24 dev eth0");
        lab.net.gateway.ip("route add 10.99.0.0/24 dev wan");
        let mock = Mock::start_at(&lab, "0.0.0.0:21".parse().expect("an address"), polite);
        way.prepare(&lab, "21, 2100");
        let toml = way.toml("", "");
        let toml = toml.replace("[\"198.51.100.0/24\"", "[\"198.51.100.0/25\", \"10.0.0.0/16\"");
        let mut gateway = Gateway::start_with(&lab, &toml);
        for (to, why) in [
            ("198.51.100.200:21", "destination"),
            ("198.51.100.2:2100", "destination-port"),
            ("10.99.0.2:21", "destination-private"),
            ("169.254.169.254:21", "destination-reserved"),
            ("[fd00:ec2::254]:21", "destination-reserved"),
            ("[2001:db8:52::1]:21", "destination"),
        ] {
            let reply = refused(&lab, None, to);
            assert_eq!(reply, "421 That server is not available from here.", "{way:?}: {to}");
            let parts = [format!("\"server\":\"{to}\""), format!("\"why\":\"{why}\"")];
            gateway.logs(&format!("{to} is refused: {why}"), |line| {
                parts.iter().all(|part| line.contains(part))
            });
        }
        assert_eq!(mock.connections(), 0, "{way:?}: a refused server was dialled");
        // What is allowed still goes through.
        let mut control = Control::connect(&lab.net.client, server(false));
        control.expect_reply(220);
        assert_eq!(mock.connections(), 1, "{way:?}");
        gateway.stop();
    }
}

/// Private networks only, unless others are named.
#[test]
fn clients_from_outside() {
    for way in Way::BOTH {
        let lab = Lab::router();
        lab.net.client.ip("addr add 203.0.113.10/24 dev eth0");
        lab.net.gateway.ip("route add 203.0.113.0/24 dev lan");
        let mock = Mock::start_at(&lab, server(false), polite);
        let mut gateway = way.start(&lab, "");
        let reply = refused(&lab, Some("203.0.113.10"), &server(false).to_string());
        assert_eq!(reply, "421 Service not available to your address.");
        gateway.logs("an outside client is refused", |line| {
            line.contains("\"why\":\"access\"") && line.contains("203.0.113.10")
        });
        assert_eq!(mock.connections(), 0);
        gateway.stop();

        let lines = "clients = [\"203.0.113.0/24\"]";
        let gateway = Gateway::start_with(&lab, &way.toml(lines, ""));
        let mut control =
            Control::connect_from(&lab.net.client, Some([203, 0, 113, 10].into()), server(false));
        control.expect_reply(220);
        refused(&lab, None, &server(false).to_string());
        gateway.stop();
    }
}

/// P83: no address of the router is a server that a client may choose, its own listener least of
/// all.
#[test]
fn ourselves() {
    for way in Way::BOTH {
        let lab = Lab::router();
        way.prepare(&lab, "21, 2121");
        let toml = way.toml("destination_ports = [\"1-65535\"]", "");
        let toml = toml.replace("[\"198", "[\"192.168.0.0/16\", \"198");
        let mut gateway = Gateway::start_with(&lab, &toml);
        let at = [
            format!("{LAN_ROUTER}:21"),
            format!("{WAN_ROUTER}:21"),
            format!("{LAN_ROUTER}:2121"),
            "[2001:db8:51::1]:21".into(),
        ];
        for to in at {
            refused(&lab, None, &to);
            let parts = [format!("\"server\":\"{to}\""), "destination-ourselves".into()];
            gateway
                .logs(&format!("{to} is refused"), |line| parts.iter().all(|p| line.contains(p)));
        }
        gateway.stop();
    }
}

/// P175: programs on the router itself can be served as well; our own connections are told from
/// theirs by their mark, and without it the loop ends at a limit.
#[test]
fn our_own_connections_pass_by_their_mark() {
    let lab = Lab::router();
    lab.serve("file", b"content");
    let _server = Server::vsftpd(&lab, 21, "");
    lab.net.gateway.nft(
        "table inet ftpgate {
            chain own {
                type nat hook output priority -100; policy accept;
                meta mark 0x2100 return
                tcp dport 21 redirect to :2121
                tcp dport 60000-60010 redirect
            }
        }",
    );
    let fetch = || {
        let mut curl = lab.net.gateway.command("curl");
        curl.args([
            "-sS",
            "--max-time",
            "30",
            "--disable-epsv",
            "-u",
            &format!("{USER}:{PASSWORD}"),
        ]);
        curl.arg(format!("ftp://{}/file", server(false)));
        run(curl, "")
    };
    let lines = "clients = [\"198.51.100.1\"]";
    let limits = "[limits]\nsessions_per_client = 20\n";
    let gateway = Gateway::start_with(&lab, &Way::Redirect.toml(lines, limits));
    assert_eq!(fetch().expect("a download"), "content");
    gateway.stop();

    let unmarked = "[[upstream]]\nname = \"any\"\nmark = 0\n";
    let toml = Way::Redirect.toml(lines, &format!("{unmarked}{limits}"));
    let gateway = Gateway::start_with(&lab, &toml);
    fetch().expect_err("a loop");
    let log = gateway.stop();
    assert!(log.contains("\"why\":\"sessions-per-client\""), "what ended the loop?\n{log}");
}
