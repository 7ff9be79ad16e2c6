//! What the gateway finds out by itself: the cloud it is in, what a STUN server sees.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use crate::support::ftp::{Control, parse_227};
use crate::support::gateway::Gateway;
use crate::support::lab::Lab;
use crate::support::mock::{Mock, polite};
use crate::support::natbox::{INNER, NatBox, WAN};
use crate::support::servers::{Kind, Server};

fn toml(server: SocketAddr, advertise: &str) -> String {
    format!(
        "[[listener]]\nname = \"public\"\nbind = \"0.0.0.0:21\"\n[[upstream]]\naddress = \"{server}\"\n\
         [data]\nports = \"60000-60003\"\n[advertise]\nlan = \"off\"\nrefresh = \"1s\"\n{advertise}\n"
    )
}

/// The metadata service of a cloud, where all clouds have it; it lives as long as the test.
fn metadata(lab: &Lab, answer: fn(&str) -> Option<&'static str>) {
    lab.net.gateway.ip("addr add 169.254.169.254/32 dev lo");
    let listener = lab.net.gateway.listen(SocketAddr::from(([169, 254, 169, 254], 80)));
    let listener = listener.expect("own address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            let fields: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let flavored = fields.iter().any(|field| field == "Metadata-Flavor: Google");
            let what = request.trim_end_matches(" HTTP/1.1");
            let (status, body) = match answer(what).filter(|_| flavored) {
                Some(body) => ("200 OK", body),
                None => ("404 Not Found", ""),
            };
            let _ = write!(
                &stream,
                "HTTP/1.1 {status}\r\nMetadata-Flavor: Google\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
}

/// The gateway on a machine whose firmware says that it is Google's.
fn at_google(lab: &Lab) -> Command {
    let mut command = lab.net.gateway.command("unshare");
    let script = "mount -t tmpfs none /sys/class && mkdir -p /sys/class/dmi/id && \
        echo Google >/sys/class/dmi/id/sys_vendor && \
        echo 'Google Compute Engine' >/sys/class/dmi/id/product_name && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_ftpgate")]);
    command
}

#[test]
fn a_cloud_machine_tells_the_address_it_was_given() {
    let lab = Lab::new();
    let _router = NatBox::new(&lab);
    let mock = Mock::start(&lab, polite);
    metadata(&lab, |what| {
        what.ends_with("/access-configs/0/external-ip").then_some("203.0.113.99\n")
    });
    let mut gateway = Gateway::start_from(&lab, &toml(mock.address(), ""), at_google(&lab));
    gateway.logs("the rule and its source", |line| {
        line.contains("clients are told 203.0.113.99 (rule cloud: Google Cloud)")
    });
    gateway.stop();
}

/// The same service, but the machine does not say that it is anybody's: it is not asked.
#[test]
fn no_other_machine_asks() {
    let lab = Lab::new();
    let _router = NatBox::new(&lab);
    let mock = Mock::start(&lab, polite);
    metadata(&lab, |what| panic!("asked for {what}"));
    let mut gateway = Gateway::start_with(&lab, &toml(mock.address(), ""));
    gateway.logs("the fallback", |line| line.contains(&format!("told the local address {INNER}")));
    gateway.stop();
    let off = toml(mock.address(), "cloud = \"off\"");
    let mut gateway = Gateway::start_from(&lab, &off, at_google(&lab));
    gateway.logs("the fallback", |line| line.contains(&format!("told the local address {INNER}")));
    gateway.stop();
}

/// A STUN server on the Internet, asked through a NAT.
#[test]
fn a_stun_server_tells_the_address_outside() {
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    let lab = Lab::new();
    let router = NatBox::new(&lab);
    router.ns.nft(&format!(
        "add rule inet filter prerouting iifname \"wan\" tcp dport 21 dnat ip to {INNER}\n"
    ));
    let server = Server::start(&lab, Kind::Vsftpd);
    let socket = lab.net.client.run(|| UdpSocket::bind("20.0.0.10:3478")).expect("own address");
    std::thread::spawn(move || {
        let mut packet = [0; 64];
        while let Ok((20, from)) = socket.recv_from(&mut packet) {
            let SocketAddr::V4(from) = from else { return };
            let mut value = vec![0, 0x20, 0, 8, 0, 1];
            value.extend(from.port().to_be_bytes().iter().zip(COOKIE).map(|(b, c)| b ^ c));
            value.extend(from.ip().octets().iter().zip(COOKIE).map(|(b, c)| b ^ c));
            let answer = [&[1, 1, 0, 12][..], &packet[4..20], &value].concat();
            let _ = socket.send_to(&answer, from);
        }
    });
    let mut gateway = Gateway::start_with(&lab, &toml(server.address(), "stun = \"20.0.0.10\""));
    gateway.logs("the rule and its source", |line| {
        line.contains(&format!("clients are told {WAN} (rule stun: 20.0.0.10:3478)"))
    });
    let mut control = Control::login(&lab.net.client, router.control());
    assert_eq!(parse_227(&control.expect("PASV", 227).text()).ip(), WAN);
    gateway.stop();
}
