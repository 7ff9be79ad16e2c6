//! What it takes of the system, and what is said where that is missing (P176).

use super::{Way, server};
use crate::support::ftp::{Control, Mode};
use crate::support::gateway::Gateway;
use crate::support::lab::{Lab, content};
use crate::support::process::run;
use crate::support::router::{LAN_ROUTER, WAN_SERVER};
use crate::support::servers::Server;

/// Without what lets a process use others' addresses and mark packets.
const WITHOUT: [&str; 4] =
    ["setpriv", "--bounding-set=-net_raw,-net_admin", "--inh-caps=-net_raw,-net_admin", "--"];

/// With that alone of all that there is.
const ALONE: [&str; 4] =
    ["setpriv", "--bounding-set=-all,+net_raw", "--inh-caps=-all,+net_raw", "--"];

fn told_by(lab: &Lab, command: &str, toml: &str) -> Result<String, String> {
    let file = lab.path("told.toml");
    std::fs::write(&file, toml).expect("own file");
    let mut ftpgate = lab.net.gateway.command(WITHOUT[0]);
    ftpgate.args(&WITHOUT[1..]).arg(env!("CARGO_BIN_EXE_ftpgate"));
    ftpgate.args([command, "-c"]).arg(&file);
    run(ftpgate, "")
}

#[test]
fn a_missing_capability_is_named_with_its_key() {
    let lab = Lab::router();
    let source = "[[upstream]]\nname = \"any\"\nsource = \"client\"\n";
    let mark = "[[upstream]]\nname = \"any\"\nmark = 77\n";
    for (toml, key) in [
        (Way::Tproxy.toml("", ""), "mode = \"tproxy\" of listener \"out\""),
        (Way::Redirect.toml("", source), "source = \"client\" of upstream \"any\""),
        (Way::Redirect.toml("", mark), "mark = 77 of upstream \"any\""),
    ] {
        for command in ["run", "check"] {
            let said = told_by(&lab, command, &toml).expect_err("it cannot work");
            for part in [key, "CAP_NET_RAW", "AmbientCapabilities=", "setcap"] {
                assert!(said.contains(part), "{command}: no {part:?} in:\n{said}");
            }
        }
    }
}

/// A router whose server in the Internet knows the way back to the LAN, and the file it serves.
fn served(way: Way) -> (Lab, Vec<u8>, Server) {
    let lab = Lab::router();
    let file = content(1, 50_000);
    lab.serve("file", &file);
    lab.net.tell_server_of_lan();
    let server = Server::vsftpd(&lab, 21, "");
    way.prepare(&lab, "21");
    (lab, file, server)
}

fn fetch_in_every_mode(lab: &Lab, file: &[u8]) {
    let mut control = Control::login(&lab.net.client, server(false));
    for mode in Mode::ALL {
        assert!(control.fetch(mode, "RETR file") == file, "{mode:?}");
    }
}

#[test]
fn one_capability_is_enough() {
    for way in Way::BOTH {
        let (lab, file, _server) = served(way);
        let source = "[[upstream]]\nname = \"any\"\nsource = \"client\"\ndata = \"active\"\n";
        let gateway = Gateway::start_by(&lab, &ALONE, &way.toml("", source));
        fetch_in_every_mode(&lab, &file);
        gateway.stop();
    }
}

/// Started as root it keeps no more than that, as somebody else.
#[test]
fn root_that_turns_into_a_user() {
    for way in Way::BOTH {
        let (lab, file, _server) = served(way);
        let sections = "[[upstream]]\nname = \"any\"\nsource = \"client\"\ndata = \"active\"\n\
                        [runtime]\nuser = \"nobody\"\n";
        let gateway = Gateway::start_with(&lab, &way.toml("", sections));
        let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid()));
        let status = status.expect("a process");
        // CAP_NET_RAW; in kernels before 5.17 marks take CAP_NET_ADMIN, which is enough for all.
        let kept = ["CapEff:\t0000000000002000", "CapEff:\t0000000000001000"];
        assert!(kept.iter().any(|kept| status.contains(kept)), "{status}");
        fetch_in_every_mode(&lab, &file);
        gateway.stop();
    }
}

/// Redirection takes nothing; active data then come from the router, which most clients allow.
#[test]
fn redirection_without_any_capability() {
    let lab = Lab::router();
    let file = content(1, 50_000);
    lab.serve("file", &file);
    let _server = Server::vsftpd(&lab, 21, "");
    Way::Redirect.prepare(&lab, "21");
    let toml = Way::Redirect.toml("", "");
    let said = told_by(&lab, "check", &toml).unwrap_or_else(|said| said);
    assert!(said.contains("active clients are dialled from this machine's own address"), "{said}");
    let gateway = Gateway::start_by(&lab, &WITHOUT, &toml);
    let mut control = Control::login(&lab.net.client, server(false));
    for mode in Mode::ALL {
        assert!(control.fetch(mode, "RETR file") == file, "{mode:?}");
    }
    let data = control.open(Mode::Port);
    control.send("RETR file");
    let data = control.data(data);
    assert_eq!(data.peer_addr().expect("connected").ip(), std::net::IpAddr::from(LAN_ROUTER));
    gateway.stop();
}

/// What is meant is said before the first client.
#[test]
fn the_firewalls_part_is_told() {
    for (way, part) in [(Way::Redirect, "(nft redirect, TCP"), (Way::Tproxy, "(nft tproxy, TCP")] {
        let lab = Lab::router();
        let log = way.start(&lab, "").stop();
        for part in [
            part,
            "clients are told the address of the server they aim at (rule original)",
            "clients choose the server, within 198.51.100.0/24, 2001:db8:51::/64, port 21",
        ] {
            assert!(log.contains(part), "{way:?}: no {part:?} in:\n{log}");
        }
        assert!(!log.contains("open in the firewall"), "{log}");
        assert!(!log.contains(&WAN_SERVER.to_string()), "nobody was asked yet:\n{log}");
    }
}
