//! Real clients under TLS before the gateway, a plain server and a strict one behind it.

use std::fs;

use crate::matrix::{serve_all, use_all};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, PASSWORD, USER, content};
use crate::support::pki::Pki;
use crate::support::process::run;
use crate::support::servers::{Kind, Server};
use crate::support::tls_servers::TlsKind;
use crate::support::tools::{self, FTPLIB_TLS, Job, Site, Tool};
use crate::support::wire::Version;

const LENGTH: usize = 100_000;

/// How the listener is to do TLS.
type Door = (&'static str, &'static str);

const EXPLICIT: Door = ("required", "");
const IMPLICIT: Door = ("implicit", "");
/// For clients that end their uploads without close_notify (P156).
const COMPAT: Door = ("required", "eof = \"compat\"");
/// For clients that resume every time: nothing else is taken (P149).
const REQUIRE: Door = ("required", "reuse = \"require\"");
const REQUIRE_TLS12: Door = ("required", "reuse = \"require\", max = \"1.2\"");

/// Everything the client can do, through this door to a plain server.
fn exchange((mode, more): Door, tool: &Tool) {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    serve_all(&lab);
    let server = Server::start(&lab, Kind::Vsftpd);
    let upstream = if tool.ipv6 { server.address6() } else { server.address() };
    let gateway = Gateway::start(&lab, &Config::to(upstream).listener(&pki.listener(mode, more)));
    let problems = use_all(&lab, tool, &gateway);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let log = gateway.stop();
    let transfers = log.lines().filter(|line| line.contains("\"message\":\"transfer\""));
    let clear: Vec<_> = transfers.filter(|line| !line.contains("\"client_tls\":\"1.")).collect();
    assert!(clear.is_empty(), "in the clear:\n{}", clear.join("\n"));
}

const CURL: [&str; 3] = ["--ssl-reqd", "--cacert", "../ca.pem"];
const LFTP: [&str; 4] = [
    "set ftp:ssl-force on",
    "set ftp:ssl-protect-data on",
    "set ftp:ssl-protect-list on",
    "set ssl:ca-file ../ca.pem",
];
const RCLONE: [&str; 1] = ["--ftp-explicit-tls"];

// Not here: curl in active mode, which never begins the handshake in Debian 12 (7.88.1).
macro_rules! clients {
    ($($name:ident = $door:ident, $tool:expr;)+) => { $(
        #[test]
        fn $name() {
            exchange($door, &$tool);
        }
    )+ };
}

clients! {
    curl = EXPLICIT, tools::CURL.with(&CURL);
    curl_ipv6 = EXPLICIT, tools::CURL.with(&CURL).over_ipv6();
    curl_implicit = IMPLICIT, tools::CURL.with(&CURL).ftps();
    curl_required = REQUIRE_TLS12, tools::CURL.with(&CURL);
    lftp = EXPLICIT, tools::LFTP.with(&LFTP);
    lftp_active = EXPLICIT, tools::LFTP.with(&[
        "set ftp:ssl-force on", "set ftp:ssl-protect-data on", "set ssl:ca-file ../ca.pem",
        "set ftp:passive-mode off",
    ]);
    lftp_ipv6 = EXPLICIT, tools::LFTP.with(&LFTP).over_ipv6();
    lftp_implicit = IMPLICIT, tools::LFTP.with(&LFTP).ftps();
    lftp_required = REQUIRE, tools::LFTP.with(&LFTP);
    wget = EXPLICIT, tools::WGET.with(&["--ca-certificate=../ca.pem"]).ftps();
    rclone = EXPLICIT, tools::RCLONE.with(&RCLONE);
    ftp_ssl = COMPAT, tools::FTP_SSL;
    ftplib_that_resumes = REQUIRE, FTPLIB_TLS.with(&["reuse"]);
    ftplib_that_never_resumes = EXPLICIT, FTPLIB_TLS.with(&["fresh"]);
    ftplib_active = EXPLICIT, FTPLIB_TLS.with(&["active"]);
    ftplib_implicit = IMPLICIT, FTPLIB_TLS.with(&["implicit"]);
}

/// The tool's job through this door, to a server that takes no other than resumed connections.
fn strict(door: Door, job: impl Fn(&Site) -> Job, options: &'static [&'static str]) -> String {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let file = content(1, LENGTH);
    fs::write(lab.local("up"), &file).expect("own file");
    let server = Server::secure(&lab, TlsKind::Proftpd(Version::Tls12), &pki.server());
    let config = Config::to(server.address())
        .listener(&pki.listener(door.0, door.1))
        .upstream(&pki.upstream("explicit", ""));
    let gateway = Gateway::start(&lab, &config);
    let site = Site { lab: &lab, address: gateway.address(), options, scheme: "ftp" };
    let Job { command, input } = job(&site);
    run(command, &input).unwrap_or_else(|why| panic!("{why}"));
    for number in 0..10 {
        let stored = fs::read(lab.home().join(format!("up-{number}"))).expect("stored file");
        assert!(stored == file, "upload {number}");
        let back = fs::read(lab.local(&format!("up-{number}"))).expect("fetched file");
        assert!(back == file, "download {number}");
    }
    gateway.stop()
}

/// Ten of each in one session, every one with the session saved at its beginning (P147).
#[test]
fn one_saved_session_thirty_times() {
    let job = |s: &Site| (FTPLIB_TLS.series.expect("a series"))(s, &s.lab.local("up"));
    let log = strict(REQUIRE, job, &["reuse"]);
    assert_eq!(log.matches("\"client_resumed\":true").count(), 30, "{log}");
}

/// The same by a client that knows of no sessions, where that is allowed.
#[test]
fn thirty_full_handshakes() {
    let job = |s: &Site| (FTPLIB_TLS.series.expect("a series"))(s, &s.lab.local("up"));
    let log = strict(EXPLICIT, job, &["fresh"]);
    assert_eq!(log.matches("\"client_resumed\":false").count(), 30, "{log}");
}

/// lftp, ten of each in one session.
#[test]
fn lftp_in_one_session() {
    let job = |site: &Site| {
        let mut script = format!(
            "set net:max-retries 1; set cmd:fail-exit yes; set net:connection-limit 1; {}; \
             open -u {USER},{PASSWORD} {}",
            LFTP.join("; "),
            site.address.ip()
        );
        for number in 0..10 {
            script += &format!("; put up -o up-{number}; cache flush; ls; get up-{number}");
        }
        let mut command = site.lab.client("lftp");
        command.args(["-c", &script]);
        command.into()
    };
    let log = strict(REQUIRE, job, &[]);
    assert!(!log.contains("\"client_resumed\":false"), "{log}");
}

/// curl keeps one ticket, and has a new one with each download: all of them resume (P148).
#[test]
fn curl_resumes_every_download() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let file = content(1, LENGTH);
    for number in 0..10 {
        lab.serve(&format!("file{number}"), &file);
    }
    let server = Server::start(&lab, Kind::Vsftpd);
    let listener = pki.listener("required", "reuse = \"require\", min = \"1.3\"");
    let gateway = Gateway::start(&lab, &Config::to(server.address()).listener(&listener));
    let mut curl = lab.client("curl");
    curl.args(["-sS", "-u", &format!("{USER}:{PASSWORD}"), "--remote-name-all"]).args(CURL);
    curl.arg(format!("ftp://{}/file[0-9]", gateway.address()));
    run(curl, "").unwrap_or_else(|why| panic!("{why}"));
    for number in 0..10 {
        let got = fs::read(lab.local(&format!("file{number}"))).expect("fetched file");
        assert!(got == file, "file{number}");
    }
    let log = gateway.stop();
    assert_eq!(log.matches("\"client_resumed\":true").count(), 10, "{log}");
}

/// Java, ten of each in one session: its data connections resume nothing, which `prefer` takes and
/// tells (P149).
fn java(version: &str) {
    let job = |site: &Site| {
        let source = site.lab.path("FtpsClient.java");
        fs::write(&source, include_str!("../support/FtpsClient.java")).expect("own file");
        let mut command = site.lab.client("java");
        // Quick to start: it does not live long.
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]).arg(source);
        command.args([site.address.ip().to_string(), site.address.port().to_string()]);
        command.args([USER, PASSWORD, "../ca.pem", version, "up"]);
        command.into()
    };
    let log = strict(EXPLICIT, job, &[]);
    let short = version.trim_start_matches("TLSv");
    let full = format!("\"client_tls\":\"{short}\",\"client_resumed\":false");
    assert_eq!(log.matches(&full).count(), 30, "{log}");
}

#[test]
fn java_tls12() {
    java("TLSv1.2");
}

#[test]
fn java_tls13() {
    java("TLSv1.3");
}
