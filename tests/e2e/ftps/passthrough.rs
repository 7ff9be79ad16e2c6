//! AUTH that is the server's: one TLS from the client to the server, the gateway between as blind as
//! a wire, and forwarded ports for the data (P122).

use std::fs;
use std::io::{self, Read};
use std::net::TcpStream;

use crate::matrix::{serve_all, use_all};
use crate::support::ftp::{Control, Data, Mode, Security};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::net::{PUBLIC, PUBLIC6, SERVER, SERVER6};
use crate::support::pki::Pki;
use crate::support::process::run;
use crate::support::servers::Server;
use crate::support::tls_servers;
use crate::support::tools::{self, FTPLIB_TLS, Job, Site, Tool};
use crate::support::wire::{TlsClient, Version};

const LENGTH: usize = 300_000;
const PORTS: &str = "50000-50010";

/// In the order of their end.
struct Scene {
    gateway: Gateway,
    _server: Server,
    pki: Pki,
    lab: Lab,
}

/// vsftpd that takes no data connection that does not resume; with `address` it tells ours.
fn scene(address: bool) -> Scene {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    serve_all(&lab);
    // Clients look for the name that they asked for, and that is ours.
    let names = [PUBLIC.to_string(), PUBLIC6.to_string(), SERVER.to_string(), SERVER6.to_string()];
    let names = names.each_ref().map(String::as_str);
    let tls = tls_servers::vsftpd(&pki.issue("behind", &names));
    // On an IPv6 socket it tells 0.0.0.0 whatever is set.
    let told = match address {
        true => format!("listen=YES\nlisten_ipv6=NO\npasv_address={PUBLIC}\n"),
        false => String::new(),
    };
    let more = format!("{tls}pasv_min_port=50000\npasv_max_port=50010\n{told}");
    let server = Server::vsftpd(&lab, 21, &more);
    let lines =
        format!("tls = {{ mode = \"passthrough\" }}\ndata = {{ passthrough_ports = \"{PORTS}\" }}");
    let gateway = Gateway::start(&lab, &Config::to(server.address()).listener(&lines));
    Scene { gateway, _server: server, pki, lab }
}

/// Everything the client can do; what it moved went through forwarded ports alone.
fn exchange(tool: &Tool, address: bool) {
    let scene = scene(address);
    let problems = use_all(&scene.lab, tool, &scene.gateway);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let log = scene.gateway.stop();
    let (mut sessions, mut transfers) = (0, 0);
    for line in log.lines() {
        let tunnel = line.contains("\"tunnel\":true");
        if line.contains("\"message\":\"session\"") {
            assert!(tunnel, "{line}");
            sessions += 1;
        }
        if line.contains("\"message\":\"transfer\"") {
            assert!(tunnel && line.contains("\"outcome\":\"forwarded\""), "{line}");
            transfers += 1;
        }
    }
    assert!(sessions >= 7 && transfers >= 7, "{sessions} sessions, {transfers} transfers:\n{log}");
}

// Not TLS 1.3: this vsftpd sends tickets on uploads too, and curl and lftp close without reading
// them. The reset that follows takes with it what has not left the client; without the gateway it is
// the same.
const CURL: [&str; 5] = ["--ssl-reqd", "--cacert", "../ca.pem", "--tls-max", "1.2"];
const CURL_PASV: [&str; 7] = [
    "--ssl-reqd",
    "--cacert",
    "../ca.pem",
    "--tls-max",
    "1.2",
    "--disable-epsv",
    "--no-ftp-skip-pasv-ip",
];
const LFTP: [&str; 6] = [
    "set ftp:ssl-force on",
    "set ftp:ssl-protect-data on",
    "set ftp:ssl-protect-list on",
    "set ssl:ca-file ../ca.pem",
    "set ssl:priority NORMAL:-VERS-TLS1.3",
    "set ftp:prefer-epsv on",
];

macro_rules! clients {
    ($($name:ident = $tool:expr, $address:literal;)+) => { $(
        #[test]
        fn $name() {
            exchange(&$tool, $address);
        }
    )+ };
}

clients! {
    curl_epsv = tools::CURL.with(&CURL), false;
    curl_epsv_ipv6 = tools::CURL.with(&CURL).over_ipv6(), false;
    // It believes the 227, which is the server's own.
    curl_pasv = tools::CURL.with(&CURL_PASV), true;
    lftp_epsv = tools::LFTP.with(&LFTP), false;
    lftp_ipv6 = tools::LFTP.with(&LFTP).over_ipv6(), false;
    // PASV; it connects to whom it talks to, whatever the 227 says.
    ftplib_pasv = FTPLIB_TLS.with(&["reuse"]), false;
    ftplib_epsv = FTPLIB_TLS.with(&["reuse"]).over_ipv6(), false;
}

/// Ten listings, uploads and downloads in one session: each resumes the TLS session of that, which
/// nobody in between had to arrange.
#[test]
fn thirty_transfers_in_one_session() {
    let scene = scene(false);
    let lab = &scene.lab;
    let file = content(1, LENGTH);
    fs::write(lab.local("up"), &file).expect("own file");
    for address in [scene.gateway.address(), scene.gateway.address6()] {
        let site = Site { lab, address, options: &["reuse"], scheme: "ftp" };
        let Job { command, input } =
            (FTPLIB_TLS.series.expect("a series"))(&site, &lab.local("up"));
        run(command, &input).unwrap_or_else(|why| panic!("{why}"));
        for number in 0..10 {
            for path in [lab.home(), lab.local("")].map(|dir| dir.join(format!("up-{number}"))) {
                assert!(fs::read(&path).expect("a file") == file, "{}", path.display());
                fs::remove_file(path).expect("own file");
            }
        }
    }
    let log = scene.gateway.stop();
    assert_eq!(log.matches("\"outcome\":\"forwarded\"").count(), 60, "{log}");
    let total = format!("\"bytes_up\":{}", 10 * LENGTH);
    let sums = log.lines().filter(|line| line.contains("\"message\":\"session\""));
    // TLS adds a little to what the files have.
    assert!(sums.clone().all(|line| !line.contains(&total)), "{log}");
    assert_eq!(sums.filter(|line| line.contains("\"transfers\":30")).count(), 2, "{log}");
}

/// The reset may come before the connection is known to be one.
fn gets_nothing(connection: io::Result<TcpStream>) {
    let read = connection.and_then(|mut stream| stream.read(&mut [0; 1]));
    assert_eq!(read.unwrap_or(0), 0);
}

/// Who has no session here gets nothing at a port that waits for somebody else, and spoils nothing.
#[test]
fn a_stranger_at_a_forwarded_port() {
    let scene = scene(false);
    let ns = &scene.lab.net.client;
    let other = scene.lab.net.client_addresses(1)[0];
    let tls = TlsClient::new(&scene.pki.ca(), Version::Tls12).to(PUBLIC.into());
    let file = content(1, LENGTH);
    scene.lab.serve("file", &file);
    let security = Security::Explicit(tls);
    let mut control = Control::login_secure(ns, scene.gateway.address(), &security);
    for _ in 0..3 {
        let data = control.open(Mode::Epsv);
        let Data::Connect { to, .. } = &data else { panic!("a passive client connects") };
        for _ in 0..3 {
            gets_nothing(ns.connect(Some(other), *to));
        }
        control.send("RETR file");
        let mut stream = control.protected(data);
        control.expect_started();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("the data");
        let _ = stream.finish();
        drop(stream);
        control.expect_reply(226);
        assert!(got == file);
    }
    control.store(Mode::Epsv, "STOR up", &file);
    assert!(fs::read(scene.lab.home().join("up")).expect("stored file") == file);
    // The session over, its client is a stranger too.
    let to = (PUBLIC, 50_000).into();
    control.expect("QUIT", 221);
    drop(control);
    let mut gateway = scene.gateway;
    gateway.logs("the end of the session", |line| line.contains("\"message\":\"session\""));
    gets_nothing(ns.connect(None, to));
    gateway.stop();
}

/// A server that refuses AUTH leaves a session as any other, with data ports of the usual kind.
#[test]
fn a_refused_auth() {
    let lab = Lab::new();
    lab.serve("file", &content(1, LENGTH));
    let server = Server::vsftpd(&lab, 21, "");
    let config = Config::to(server.address()).listener("tls = { mode = \"passthrough\" }");
    let gateway = Gateway::start(&lab, &config);
    let mut control = Control::connect(&lab.net.client, gateway.address());
    control.expect_reply(220);
    let reply = control.command("AUTH TLS");
    assert!(reply.code >= 500, "{}", reply.text());
    control.log_in();
    for mode in Mode::ALL {
        assert!(control.fetch(mode, "RETR file") == content(1, LENGTH));
    }
    control.in_step();
    let log = gateway.stop();
    assert!(!log.contains("\"tunnel\":true"), "{log}");
}
