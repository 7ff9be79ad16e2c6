//! IPv6 clients and a server that has IPv4 alone, by the rules of RFC 6384 and without them.

use std::fs;

use crate::matrix::{serve_all, use_all};
use crate::support::ftp::{Control, Data, Mode};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::pki::Pki;
use crate::support::servers::Server;
use crate::support::tls_servers;
use crate::support::tools::{self, FTPLIB_TLS, Tool};

const LENGTH: usize = 300_000;

/// A server that could not reach an IPv6 client, and knows nothing of IPv6.
const IPV4_ONLY: &str = "listen=YES\nlisten_ipv6=NO\n";

fn start(lab: &Lab, more: &str, rfc6384: &str) -> (Server, Gateway) {
    let server = Server::vsftpd(lab, 21, &format!("{more}{IPV4_ONLY}"));
    let config = Config::to(server.address())
        .listener("data = { passthrough_ports = \"50000-50010\" }")
        .section(&format!("[policy]\nrfc6384 = \"{rfc6384}\""));
    let gateway = Gateway::start(lab, &config);
    (server, gateway)
}

/// Everything a client can do, with these words on either side.
fn exchange(tool: &Tool, rfc6384: &str, modes: [&str; 2]) {
    let lab = Lab::new();
    serve_all(&lab);
    let (_server, gateway) = start(&lab, "", rfc6384);
    let problems = use_all(&lab, &tool.over_ipv6(), &gateway);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let log = gateway.stop();
    let transfers = log.lines().filter(|line| line.contains("\"message\":\"transfer\""));
    let [client, server] = modes;
    let words = format!("\"client_mode\":\"{client}\",\"server_mode\":\"{server}\"");
    let mut count = 0;
    for line in transfers {
        assert!(line.contains(&words), "{line}");
        count += 1;
    }
    assert!(count >= 7, "{count} transfers:\n{log}");
}

macro_rules! clients {
    ($($name:ident = $tool:expr, $rfc6384:literal, $client:literal to $server:literal;)+) => { $(
        #[test]
        fn $name() {
            exchange(&$tool, $rfc6384, [$client, $server]);
        }
    )+ };
}

const LFTP_ACTIVE: [&str; 1] = ["set ftp:passive-mode off"];

clients! {
    curl = tools::CURL, "on", "EPSV" to "PASV";
    curl_active = tools::CURL.with(&["-P", "-"]), "on", "EPRT" to "PORT";
    lftp = tools::LFTP, "on", "EPSV" to "PASV";
    lftp_active = tools::LFTP.with(&LFTP_ACTIVE), "on", "EPRT" to "PORT";
    curl_strict = tools::CURL, "strict", "EPSV" to "PASV";
    lftp_active_strict = tools::LFTP.with(&LFTP_ACTIVE), "strict", "EPRT" to "PORT";
    // Our usual translation, in which the server is never let in.
    curl_off = tools::CURL, "off", "EPSV" to "PASV";
    curl_active_off = tools::CURL.with(&["-P", "-"]), "off", "EPRT" to "PASV";
    lftp_off = tools::LFTP, "off", "EPSV" to "PASV";
    lftp_active_off = tools::LFTP.with(&LFTP_ACTIVE), "off", "EPRT" to "PASV";
}

/// The rules that are seen from outside, in one session with a real server.
#[test]
fn the_dialogue() {
    let lab = Lab::new();
    let file = content(1, LENGTH);
    lab.serve("file", &file);
    let (_server, gateway) = start(&lab, "", "on");
    let mut control = Control::login(&lab.net.client, gateway.address6());
    assert_eq!(control.expect("ALGS STATUS64", 216).text(), "216 EPSVEPRT");
    control.expect("EPSV 1", 522);
    control.expect("EPSV ALL", 504);
    // The words of the server, whose address is good for nothing here; the transfer is its own too.
    let reply = control.expect("PASV", 227);
    assert!(reply.text().contains("(10,0,0,2,"), "{}", reply.text());
    for mode in [Mode::Epsv, Mode::Eprt] {
        assert!(control.fetch(mode, "RETR file") == file);
        control.store(mode, "STOR up", &file);
        assert!(fs::read(lab.home().join("up")).expect("stored file") == file);
    }
    // This server knows EPSV, so that it goes without translation, but through us.
    assert_eq!(control.expect("algs disable64", 216).text(), "216 NONE");
    let data = control.open(Mode::Epsv);
    let Data::Connect { to, .. } = &data else { panic!("a passive client connects") };
    assert!((60_000..=60_010).contains(&to.port()), "{to}");
    drop(data);
    assert!(control.fetch(Mode::Epsv, "RETR file") == file);
    // What only an IPv6 server can do is left to the server to refuse.
    let own = control.local().ip();
    assert!(control.command(&format!("EPRT |2|{own}|40000|")).code >= 500);
    control.expect("RETR file", 425);
    assert_eq!(control.expect("ALGS ENABLE64", 216).text(), "216 EPSVEPRT");
    assert!(control.fetch(Mode::Eprt, "RETR file") == file);
    control.in_step();
    let log = gateway.stop();
    assert!(log.contains("\"client_mode\":\"EPSV\",\"server_mode\":\"EPSV\""), "{log}");
}

/// AUTH is the server's unless something else is said (P102).
#[test]
fn auth_is_the_servers() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    serve_all(&lab);
    let tls = tls_servers::vsftpd(&pki.gateway());
    let ports = "pasv_min_port=50000\npasv_max_port=50010\n";
    let (_server, gateway) = start(&lab, &format!("{tls}{ports}"), "on");
    let problems = use_all(&lab, &FTPLIB_TLS.with(&["reuse"]).over_ipv6(), &gateway);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let log = gateway.stop();
    assert!(log.contains("\"tunnel\":true"), "{log}");
}
