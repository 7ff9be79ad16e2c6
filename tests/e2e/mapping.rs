//! A home router in front that maps ports when asked: miniupnpd, spoken to in each of its three
//! protocols.

use std::net::Ipv4Addr;

use crate::support::ftp::{Control, Mode, parse_227};
use crate::support::gateway::{Gateway, told};
use crate::support::lab::{Lab, content};
use crate::support::natbox::{INNER, NatBox, WAN};
use crate::support::servers::{Kind, Server};

const LENGTH: usize = 100_000;
const ALL: [u16; 5] = [21, 60000, 60001, 60002, 60003];

fn toml(server: &Server, mapping: &str) -> String {
    format!(
        "[[listener]]\nname = \"public\"\nbind = \"0.0.0.0:21\"\n\
         [[upstream]]\naddress = \"{}\"\n\
         [data]\nports = \"60000-60003\"\n\
         [advertise]\nmapping = \"{mapping}\"\nrefresh = \"1s\"\n",
        server.address()
    )
}

/// Lists and fetches in both passive modes, through the router.
fn works_from_outside(lab: &Lab, router: &NatBox) {
    let file = content(1, LENGTH);
    lab.serve("file", &file);
    let mut control = Control::login(&lab.net.client, router.control());
    for mode in [Mode::Pasv, Mode::Epsv] {
        assert!(control.fetch(mode, "RETR file") == file, "{mode:?}");
        let list = String::from_utf8(control.fetch(mode, "LIST")).expect("a listing");
        assert!(list.contains("file"), "{mode:?}: {list}");
    }
    let told = parse_227(&control.expect("PASV", 227).text());
    assert_eq!(told.ip(), router.address());
    control.expect("QUIT", 221);
}

fn mapped_by(mapping: &str, protocol: &str) {
    let lab = Lab::new();
    let mut router = NatBox::new(&lab);
    router.start(&lab, "");
    let server = Server::start(&lab, Kind::Vsftpd);
    let mut gateway = Gateway::start_with(&lab, &toml(&server, mapping));
    assert_eq!(router.mapped(), ALL, "before the gateway says that it is ready");
    gateway.logs("what is mapped", |line| {
        line.contains(&format!(
            "the router 192.168.1.1 ({protocol}), outside {WAN}, forwards TCP 21, 60000-60003 to {INNER}"
        ))
    });
    gateway.logs("who is told what", |line| {
        line.contains(&format!("other clients are told {WAN} (rule router)"))
    });
    works_from_outside(&lab, &router);
    let log = gateway.stop();
    assert_eq!(router.mapped(), [0; 0], "left behind:\n{log}");
}

#[test]
fn by_pcp() {
    mapped_by("pcp", "PCP");
}

#[test]
fn by_nat_pmp() {
    mapped_by("nat-pmp", "NAT-PMP");
}

#[test]
fn by_upnp() {
    mapped_by("upnp", "UPnP");
}

#[test]
fn by_whatever_the_router_speaks() {
    mapped_by("auto", "PCP");
}

/// Two of the four numbers are another machine's: clients are told those that the router gave.
fn other_numbers_outside(mapping: &str) {
    let lab = Lab::new();
    let mut router = NatBox::new(&lab);
    router.start(&lab, "");
    router.taken_by_neighbour(&lab, &[60000, 60002]);
    let server = Server::start(&lab, Kind::Vsftpd);
    let gateway = Gateway::start_with(&lab, &toml(&server, mapping));
    let mapped = router.mapped();
    assert_eq!(mapped.len(), ALL.len() + 2, "{mapped:?}");
    works_from_outside(&lab, &router);
    // All four ports in a row, those with other numbers among them.
    let mut control = Control::login(&lab.net.client, router.control());
    let mut told = Vec::new();
    for _ in 0..20 {
        told.push(parse_227(&control.expect("PASV", 227).text()).port());
        assert_eq!(control.fetch(Mode::Epsv, "RETR file").len(), LENGTH);
    }
    assert!(told.iter().any(|port| !ALL.contains(port)), "{told:?}");
    assert!(!told.contains(&60000) && !told.contains(&60002), "{told:?}");
    let log = gateway.stop();
    assert!(log.contains("has other numbers outside for TCP 60000 as "), "{log}");
    assert_eq!(router.mapped(), [60000, 60002], "only the neighbour's are left");
}

#[test]
fn other_numbers_outside_by_nat_pmp() {
    other_numbers_outside("nat-pmp");
}

#[test]
fn other_numbers_outside_by_upnp() {
    other_numbers_outside("upnp");
}

/// Ports that the router does not give are named with the reason and what to do; the others serve.
#[test]
fn a_port_is_refused() {
    let lab = Lab::new();
    let mut router = NatBox::new(&lab);
    router.start(&lab, "deny 21 0.0.0.0/0 0-65535\ndeny 60001 0.0.0.0/0 0-65535");
    let server = Server::start(&lab, Kind::Vsftpd);
    let mut gateway = Gateway::start_with(&lab, &toml(&server, "upnp"));
    gateway.logs("the refusal", |line| {
        line.contains("the router refuses TCP 21")
            && line.contains("forward TCP 21")
            && line.contains("on the router (192.168.1.1) to 192.168.1.5 by hand")
    });
    // By hand, as the gateway said.
    router.ns.nft(&format!(
        "add rule inet filter prerouting iifname \"wan\" tcp dport 21 dnat ip to {INNER}:21"
    ));
    works_from_outside(&lab, &router);
    gateway.stop();
}

/// A router that was switched off and on again is told anew, long before the lease ends.
#[test]
fn the_router_begins_anew() {
    for mapping in ["pcp", "upnp"] {
        let lab = Lab::new();
        let mut router = NatBox::new(&lab);
        router.start(&lab, "");
        let server = Server::start(&lab, Kind::Vsftpd);
        let gateway = Gateway::start_with(&lab, &toml(&server, mapping));
        assert_eq!(router.mapped(), ALL);
        // A clock goes back by more than chance only after it has gone on for a while.
        router.is_asked(ALL.len() + 5);
        router.switch_off();
        assert_eq!(router.mapped(), [0; 0]);
        router.start(&lab, "");
        router.maps(&ALL);
        works_from_outside(&lab, &router);
        gateway.stop();
    }
}

/// What was left behind by a gateway that was killed is taken over by the next.
#[test]
fn a_killed_gateway_starts_again() {
    let lab = Lab::new();
    let mut router = NatBox::new(&lab);
    router.start(&lab, "");
    let server = Server::start(&lab, Kind::Vsftpd);
    drop(Gateway::start_with(&lab, &toml(&server, "pcp")));
    assert_eq!(router.mapped(), ALL);
    let gateway = Gateway::start_with(&lab, &toml(&server, "pcp"));
    works_from_outside(&lab, &router);
    gateway.stop();
    assert_eq!(router.mapped(), [0; 0]);
}

/// Without a daemon the operator is told the whole manual step, and the LAN is served.
#[test]
fn a_router_that_maps_nothing() {
    let lab = Lab::new();
    let router = NatBox::new(&lab);
    let server = Server::start(&lab, Kind::Vsftpd);
    let mut gateway = Gateway::start_with(&lab, &toml(&server, "auto"));
    gateway.logs("the manual step", |line| {
        line.contains("the router 192.168.1.1 maps no port (PCP: no answer; NAT-PMP: no answer; UPnP: no answer)")
            && line.contains("forward TCP 21, 60000-60003 on the router (192.168.1.1) to 192.168.1.5")
            && line.contains("set [advertise] address")
    });
    lab.serve("file", b"content");
    let mut inside = Control::login(&router.ns, (INNER, 21).into());
    assert_eq!(parse_227(&inside.expect("PASV", 227).text()).ip(), INNER);
    assert_eq!(inside.fetch(Mode::Pasv, "RETR file"), b"content");
    gateway.stop();
}

/// `ftpgate check` asks the router who it is, and opens nothing.
#[test]
fn the_self_check_asks_and_maps_nothing() {
    let lab = Lab::new();
    let mut router = NatBox::new(&lab);
    let server = Server::start(&lab, Kind::Vsftpd);
    let check = || told(&lab, "check", &toml(&server, "auto"));
    let said = check().expect_err("a router without a daemon");
    assert!(said.contains("FAIL  public: the router 192.168.1.1 maps no port"), "{said}");
    router.start(&lab, "");
    let said = check().unwrap_or_else(|said| panic!("{said}"));
    let line = format!("the router 192.168.1.1 answers PCP; its address outside: {WAN}");
    assert!(said.contains(&line), "{said}");
    assert!(said.contains(&format!("other clients are told {WAN} (rule router)")), "{said}");
    assert_eq!(router.mapped(), [0; 0]);
}

/// The router's own address is one of those that a provider shares.
#[test]
fn carrier_grade_nat_is_recognised() {
    let lab = Lab::new();
    let mut router = NatBox::with_wan(&lab, Ipv4Addr::new(100, 64, 0, 1));
    router.start(&lab, "");
    let server = Server::start(&lab, Kind::Vsftpd);
    let mut gateway = Gateway::start_with(&lab, &toml(&server, "auto"));
    gateway.logs("the provider's NAT", |line| line.contains("carrier-grade NAT"));
    gateway.stop();
}
