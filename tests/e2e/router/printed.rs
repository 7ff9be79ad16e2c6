//! The rules that `ftpgate firewall --format nft` prints, loaded as printed into a firewall that drops
//! everything else.

use std::fs;

use super::{Way, server};
use crate::support::ftp::{Control, Mode};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::Lab;
use crate::support::net::Ns;
use crate::support::servers::Server;

/// A firewall as it stands before: answers and loopback, nothing more.
const CLOSED: &str = "table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname \"lo\" accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
    }
}";

fn printed(lab: &Lab, toml: &str) -> String {
    let file = lab.path("printed.toml");
    fs::write(&file, toml).expect("own file");
    let mut ftpgate = lab.net.gateway.command(env!("CARGO_BIN_EXE_ftpgate"));
    ftpgate.args(["firewall", "--format", "nft", "-c"]).arg(file);
    // Warnings go to standard error: what is printed can be piped into nft.
    let output = ftpgate.output().expect("ftpgate");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("text")
}

/// The commands that stand in comments, for what is not nft's business.
fn routes(ns: &Ns, text: &str) {
    let commands: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("#   ip ")).collect();
    assert_eq!(commands.len(), 4, "{text}");
    for command in commands {
        ns.ip(&command.replace("LAN", "lan"));
    }
}

fn fetches(ns: &Ns, to: std::net::SocketAddr, modes: &[Mode]) {
    let mut control = Control::login(ns, to);
    for &mode in modes {
        assert_eq!(control.fetch(mode, "RETR file"), b"content", "{mode:?} from {to}");
    }
    control.expect("QUIT", 221);
}

#[test]
fn a_gateway_behind_printed_rules() {
    let lab = Lab::new();
    lab.serve("file", b"content");
    let server = Server::vsftpd(&lab, 21, "");
    // The server is asked for active data, so that it has to be let in, too.
    let config = Config::to(server.address())
        .listener("clients = [\"203.0.113.0/24\", \"2001:db8:113::/64\"]\n")
        .upstream("data = \"active\"\n");
    lab.net.gateway.nft(CLOSED);
    let gateway = Gateway::start(&lab, &config);
    let refused = lab.net.client.connect(None, gateway.address());
    assert!(refused.is_err(), "the firewall is open before the rules are loaded");
    let rules = printed(&lab, &config.toml());
    lab.net.gateway.nft(&rules);
    fetches(&lab.net.client, gateway.address(), &Mode::ALL);
    fetches(&lab.net.client, gateway.address6(), &[Mode::Epsv, Mode::Eprt]);
    gateway.stop();
}

#[test]
fn transparent_listeners_behind_printed_rules() {
    for way in Way::BOTH {
        let lab = Lab::router();
        lab.serve("file", b"content");
        let _server = Server::vsftpd(&lab, 21, "");
        let toml = way.toml("clients = [\"192.168.0.0/16\", \"fd00::/8\"]", "");
        let rules = printed(&lab, &toml);
        lab.net.gateway.nft(CLOSED);
        lab.net.gateway.nft(&rules);
        // Again, as after a change of the configuration: what stood there is replaced.
        lab.net.gateway.nft(&rules);
        routes(&lab.net.gateway, &rules);
        let gateway = Gateway::start_with(&lab, &toml);
        fetches(&lab.net.client, server(false), &Mode::ALL);
        fetches(&lab.net.client, server(true), &[Mode::Epsv, Mode::Eprt]);
        let log = gateway.stop();
        assert!(log.matches("\"outcome\":\"ok\"").count() >= 6, "{way:?} went around us: {log}");
    }
}
