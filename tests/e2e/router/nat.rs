//! Other people's address translation between client and gateway, with and without the kernel's own
//! FTP helper in it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Way, server};
use crate::support::ftp::{Control, Mode, parse_227};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::net::PUBLIC;
use crate::support::servers::Server;

/// The machine behind the client's, and the client's machine as a router for it.
const HOME: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 2);
const HOME_ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 1);
/// The same where that machine is the Internet, and the router is in front of the gateway.
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const FRONT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Has the kernel follow FTP on port 21 of this machine and rewrite what it thinks must be.
const HELPER: &str = "table inet helper {
    ct helper ftp-standard { type \"ftp\" protocol tcp; }
    chain follow {
        type filter hook prerouting priority filter; policy accept;
        tcp dport 21 ct helper set \"ftp-standard\"
    }
}";

/// Scenario (c): a client behind its own NAT names its private address, and its NAT lets the ports
/// in that it uses.
#[test]
fn a_client_that_names_its_private_address() {
    let lab = Lab::new();
    let home = lab.net.behind_client(HOME, HOME_ROUTER);
    lab.net.client.nft(&format!(
        "table ip home {{
            chain out {{
                type nat hook postrouting priority srcnat; policy accept;
                oifname \"eth0\" masquerade
            }}
            chain in {{
                type nat hook prerouting priority dstnat; policy accept;
                iifname \"eth0\" tcp dport 32768-60999 dnat to {HOME}
            }}
        }}"
    ));
    let file = content(1, 200_000);
    lab.serve("file", &file);
    let server = Server::vsftpd(&lab, 21, "");
    let replace = "[listener.data]\nport_command = \"replace\"\n";
    let gateway = Gateway::start(&lab, &Config::to(server.address()).section(replace));
    let mut control = Control::login(&home, (PUBLIC, 21).into());
    for mode in Mode::ALL {
        assert!(control.fetch(mode, "RETR file") == file, "{mode:?}");
        control.store(mode, &format!("STOR up-{mode:?}"), &file);
    }
    gateway.stop();

    // The default is to refuse what is not the client's address.
    let gateway = Gateway::start(&lab, &Config::to(server.address()));
    let mut control = Control::login(&home, (PUBLIC, 21).into());
    control.expect("PORT 192,168,7,2,200,10", 500);
    assert!(control.fetch(Mode::Pasv, "RETR file") == file);
    gateway.stop();
}

/// A translation in front of the gateway: port 21, and each data port to the one that listens.
fn front(first: u16) -> String {
    let mut ports = String::new();
    for n in 0..=10 {
        let _ = write!(ports, "{} : {PUBLIC} . {}, ", first + n, 60000 + n);
    }
    format!(
        "table ip front {{
            map data {{ type inet_service : ipv4_addr . inet_service; elements = {{ {ports} }}; }}
            chain in {{
                type nat hook prerouting priority dstnat; policy accept;
                ip daddr {FRONT} tcp dport 21 dnat to {PUBLIC}
                ip daddr {FRONT} dnat ip to tcp dport map @data
            }}
        }}"
    )
}

/// All four modes of a client that knows the gateway by the address in front of it.
fn through_the_front(first: u16, helper: bool) {
    let lab = Lab::new();
    let far = lab.net.behind_client(FAR, FRONT);
    lab.net.gateway.ip("route add 192.0.2.0/24 via 203.0.113.10");
    lab.net.client.nft(&front(first));
    if helper {
        lab.net.client.nft(HELPER);
    }
    let file = content(1, 200_000);
    lab.serve("file", &file);
    let server = Server::vsftpd(&lab, 21, "");
    let toml = format!(
        "[[listener]]\nbind = \"{PUBLIC}:21\"\n[[upstream]]\naddress = \"{}\"\n\
         [data]\nports = \"60000-60010\"\nexpose = \"{first}-{}\"\n\
         [advertise]\naddress = \"{FRONT}\"\n",
        server.address(),
        first + 10
    );
    let gateway = Gateway::start_with(&lab, &toml);
    let mut control = Control::login(&far, (FRONT, 21).into());
    let told = parse_227(&control.expect("PASV", 227).text());
    assert_eq!(told.ip(), IpAddr::from(FRONT));
    assert!((first..=first + 10).contains(&told.port()), "{told}");
    for mode in Mode::ALL {
        assert!(control.fetch(mode, "RETR file") == file, "{mode:?}");
        control.store(mode, &format!("STOR up-{mode:?}"), &file);
    }
    gateway.stop();
}

/// Scenario (g): `-p 40000-40010:60000-60010`.
#[test]
fn ports_that_are_shifted_on_the_way() {
    through_the_front(40000, false);
}

/// P84: the helper on the way finds nothing to change.
#[test]
fn a_kernel_helper_where_the_ports_are_the_same() {
    through_the_front(60000, true);
}

/// P84: the helper on the router itself, which is told about.
#[test]
fn a_kernel_helper_on_the_router() {
    for way in Way::BOTH {
        let lab = Lab::router();
        let file = content(1, 200_000);
        lab.serve("file", &file);
        let _server = Server::vsftpd(&lab, 21, "");
        lab.net.gateway.nft(HELPER);
        let gateway = way.start(&lab, "");
        for (v6, modes) in [(false, &Mode::ALL[..]), (true, &[Mode::Epsv, Mode::Eprt])] {
            let mut control = Control::login(&lab.net.client, server(v6));
            for &mode in modes {
                assert!(control.fetch(mode, "RETR file") == file, "{way:?}, {mode:?}");
                control.store(mode, &format!("STOR up-{mode:?}-{v6}"), &file);
            }
            let to: SocketAddr = control.socket().peer_addr().expect("connected");
            assert_eq!(to, server(v6));
        }
        let log = gateway.stop();
        assert!(log.contains("nf_conntrack_ftp"), "{way:?}: not told about:\n{log}");
    }
}
