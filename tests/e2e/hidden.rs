//! Something on the way puts its own address in place of the clients': many look like one.

use crate::support::ftp::{Control, Mode, parse_227};
use crate::support::gateway::Gateway;
use crate::support::lab::{Lab, content};
use crate::support::natbox::{INNER, LAN, NEIGHBOUR, NatBox};
use crate::support::servers::{Kind, Server};

const SESSIONS: usize = 8;

/// As a container's proxy does: the router forwards and lets all come from its own address.
#[test]
fn clients_behind_our_own_gateway_are_many() {
    let lab = Lab::new();
    let file = content(1, 50_000);
    lab.serve("file", &file);
    let router = NatBox::new(&lab);
    router.ns.nft(&format!(
        "add rule inet filter prerouting iifname \"wan\" tcp dport {{ 21, 60000-60010 }} dnat ip to {INNER}\n\
         add rule inet filter postrouting oifname \"lan\" snat ip to {LAN}\n"
    ));
    let server = Server::start(&lab, Kind::Vsftpd);
    let toml = format!(
        "[[listener]]\nname = \"public\"\nbind = \"0.0.0.0:21\"\n[[upstream]]\naddress = \"{}\"\n\
         [data]\nports = \"60000-60010\"\n[advertise]\naddress = \"{}\"\n\
         [limits]\nsessions_per_client = 2\nconnections_per_minute = 3\n",
        server.address(),
        router.address()
    );
    let gateway = Gateway::start_with(&lab, &toml);
    let mut sessions: Vec<_> =
        (0..SESSIONS).map(|_| Control::login(&lab.net.client, router.control())).collect();
    let told: Vec<_> =
        sessions.iter_mut().map(|s| parse_227(&s.expect("PASV", 227).text())).collect();
    assert!(told.iter().all(|told| told.ip() == router.address()), "not the LAN's: {told:?}");
    let mut ports: Vec<u16> = told.iter().map(|told| told.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), SESSIONS, "each waits on a port of its own");
    for session in &mut sessions {
        assert!(session.fetch(Mode::Pasv, "RETR file") == file);
    }
    // Somebody who is seen has the limits of one.
    let seen =
        || Control::connect_from(&lab.net.gateway, Some(NEIGHBOUR.into()), (INNER, 21).into());
    // One after another: two workers accept at once, in no order.
    let answered = |code| {
        let mut session = seen();
        session.expect_reply(code);
        session
    };
    let _three = [220, 220, 421].map(answered);
    let log = gateway.stop();
    assert_eq!(log.matches("clients come from the address of our own gateway").count(), 1, "{log}");
    assert!(log.contains("userland-proxy"), "{log}");
}
