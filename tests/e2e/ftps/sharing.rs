//! One data port for many sessions of one address: the TLS session that a data connection resumes
//! tells whose it is.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;

use crate::support::ftp::{Control, Data, Mode, Security, parse_227};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::pki::Pki;
use crate::support::process::run;
use crate::support::servers::{Kind, Server};
use crate::support::tools::{FTPLIB_TLS, Site};
use crate::support::wire::{TlsClient, Version, Wire};

const SESSIONS: u64 = 10;
const PROCESSES: u64 = 5;
const LENGTH: usize = 100_000;
const ONE_PORT: &str = "60000-60000";

/// In the order of their end.
struct Scene {
    gateway: Gateway,
    _server: Server,
    tls: TlsClient,
    lab: Lab,
}

fn scene(version: Version, tls: &str, more: &str) -> Scene {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let server = Server::start(&lab, Kind::Vsftpd);
    let (listener, tls) = (pki.listener("required", tls), TlsClient::new(&pki.ca(), version));
    let config = Config::to(server.address()).listener(&listener).ports(ONE_PORT).section(more);
    let gateway = Gateway::start(&lab, &config);
    Scene { gateway, _server: server, tls, lab }
}

/// A session with a memory of its own.
struct Session<'a> {
    control: Control<'a>,
    tls: TlsClient,
}

impl Scene {
    fn login(&self, tls: TlsClient) -> Session<'_> {
        let (ns, to) = (&self.lab.net.client, self.gateway.address());
        let control = Control::login_secure(ns, to, &Security::Explicit(tls.clone()));
        Session { control, tls }
    }

    fn session(&self) -> Session<'_> {
        self.login(self.tls.another())
    }

    /// Somebody else at the same address, who gets nothing.
    fn strangers(&self, told: SocketAddr, from: SocketAddr, with: &TlsClient) {
        let connect = || self.lab.net.client.connect(Some(from.ip()), told).expect("connect");
        let mut bytes = Vec::new();
        for tls in [with, &self.tls.another()] {
            if let Ok(mut stream) = tls.connect(connect()) {
                assert!(!stream.resumed(), "resumed another's session");
                let _ = stream.read_to_end(&mut bytes);
            }
        }
        let mut nonsense = connect();
        let _ = nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n");
        let _ = nonsense.read_to_end(&mut Vec::new());
        assert!(bytes.is_empty(), "{} bytes stolen", bytes.len());
    }
}

fn told(data: &Data) -> SocketAddr {
    match data {
        Data::Connect { to, .. } => *to,
        Data::Listen(_) => panic!("passive"),
    }
}

/// All wait at the same time on the same port, all connect before any of them says a word, and
/// each transfers its own file; in between come others.
fn all_at_once(version: Version) {
    let scene = scene(version, "reuse = \"require\"", "");
    let file = |n: u64| content(n, LENGTH + n as usize);
    (0..SESSIONS).for_each(|n| drop(scene.lab.serve(&format!("file{n}"), &file(n))));
    let thief = scene.session();
    let mut sessions: Vec<_> = (0..SESSIONS).map(|_| scene.session()).collect();
    let data: Vec<_> = sessions.iter_mut().map(|s| s.control.open(Mode::Pasv)).collect();
    assert!(data.iter().all(|data| told(data).port() == 60000));
    let to = told(&data[0]);
    scene.strangers(to, thief.control.local(), &thief.tls);
    let _silent = scene.lab.net.client.connect(Some(thief.control.local().ip()), to);
    let mut streams = Vec::new();
    for (n, (session, data)) in (0..).zip(sessions.iter_mut().zip(data)) {
        let verb = if n % 2 == 0 { "RETR file" } else { "STOR up" };
        session.control.send(&format!("{verb}{n}"));
        streams.push(session.control.data(data));
    }
    scene.strangers(to, thief.control.local(), &thief.tls);
    // The last one first: order tells nothing.
    for (n, session) in (0..SESSIONS).rev().zip(sessions.iter_mut().rev()) {
        let tcp = streams.pop().expect("one for each");
        let mut stream: Wire = session.tls.connect(tcp).expect("TLS on data");
        assert!(stream.resumed());
        session.control.expect_started();
        let mut bytes = Vec::new();
        if n % 2 == 0 {
            stream.read_to_end(&mut bytes).expect("data connection");
            assert!(bytes == file(n), "file{n} is not what session {n} got");
            let _ = stream.finish();
        } else {
            stream.write_all(&file(n)).expect("data connection");
            stream.finish().expect("data connection");
            stream.read_to_end(&mut bytes).expect("data connection");
        }
        session.control.expect_reply(226);
        session.control.in_step();
        if n % 2 == 1 {
            let stored = fs::read(scene.lab.home().join(format!("up{n}"))).expect("stored file");
            assert!(stored == file(n), "up{n} is not what session {n} sent");
        }
    }
    let log = scene.gateway.stop();
    assert_eq!(log.matches("\"client_resumed\":true").count(), SESSIONS as usize, "{log}");
    assert!(log.contains("several sessions of this address wait on this port"), "{log}");
}

#[test]
fn ten_sessions_on_one_port_tls12() {
    all_at_once(Version::Tls12);
}

#[test]
fn ten_sessions_on_one_port_tls13() {
    all_at_once(Version::Tls13);
}

/// Clients of another library, all at work at the same time.
fn processes(version: Version) {
    let name = version.name();
    let tls = format!("reuse = \"require\", min = \"{name}\", max = \"{name}\"");
    let scene = scene(version, &tls, "");
    let file = |n: u64| content(n, LENGTH + n as usize);
    thread::scope(|scope| {
        for n in 0..PROCESSES {
            let scene = &scene;
            scope.spawn(move || {
                let local = scene.lab.local(&format!("up{n}"));
                fs::write(&local, file(n)).expect("own file");
                let (lab, address) = (&scene.lab, scene.gateway.address());
                let site = Site { lab, address, options: &["reuse"], scheme: "ftp" };
                let job = (FTPLIB_TLS.series.expect("a series"))(&site, &local);
                run(job.command, &job.input).unwrap_or_else(|why| panic!("{n}: {why}"));
            });
        }
    });
    for n in 0..PROCESSES {
        for number in 0..10 {
            let name = format!("up{n}-{number}");
            let stored = fs::read(scene.lab.home().join(&name)).expect("stored file");
            let back = fs::read(scene.lab.local(&name)).expect("fetched file");
            assert!(stored == file(n) && back == file(n), "{name}");
        }
    }
    let log = scene.gateway.stop();
    assert_eq!(log.matches("\"client_resumed\":true").count() as u64, PROCESSES * 30, "{log}");
}

#[test]
fn python_clients_on_one_port_tls12() {
    processes(Version::Tls12);
}

#[test]
fn python_clients_on_one_port_tls13() {
    processes(Version::Tls13);
}

/// Where a data connection may come without proof, or in the clear, the second one waits, as it
/// does without TLS.
#[test]
fn without_proof_nothing_is_shared() {
    for tls in ["reuse = \"prefer\"", "reuse = \"require\", data = \"optional\""] {
        let scene = scene(Version::Tls13, tls, "[timeouts]\nlease_wait = \"100ms\"\n");
        scene.lab.serve("file", &content(1, LENGTH));
        let (mut first, mut second) = (scene.session(), scene.session());
        let held = first.control.open(Mode::Pasv);
        second.control.expect("PASV", 425);
        drop(first);
        assert!(second.control.fetch(Mode::Pasv, "RETR file") == content(1, LENGTH), "{tls}");
        drop(held);
        let log = scene.gateway.stop();
        assert!(log.contains("make the range larger"), "{log}");
    }
}

/// Nor by who has not said PROT P yet: it counts at the transfer command, but the port is told
/// before.
#[test]
fn without_prot_nothing_is_shared() {
    let scene =
        scene(Version::Tls13, "reuse = \"require\"", "[timeouts]\nlease_wait = \"100ms\"\n");
    let mut first = scene.session();
    let _held = first.control.open(Mode::Pasv);
    let (ns, to) = (&scene.lab.net.client, scene.gateway.address());
    let mut late = Control::connect(ns, to);
    late.expect_reply(220);
    late.expect("AUTH TLS", 234);
    let tls = scene.tls.another();
    late.start_tls(&tls);
    late.log_in();
    late.expect("PASV", 425);
    late.protect(&tls);
    assert_eq!(parse_227(&late.expect("PASV", 227).text()).port(), 60000);
    scene.gateway.stop();
}

/// A client that cannot resume hears so at once, and its session soon; nobody else is the worse.
#[test]
fn a_forgetful_one_among_others() {
    let scene = scene(Version::Tls13, "reuse = \"require\"", "[timeouts]\ndata_accept = \"2s\"\n");
    scene.lab.serve("file", &content(1, LENGTH));
    let mut forgetful = scene.login(scene.tls.forgetful());
    let mut other = scene.session();
    let data = forgetful.control.open(Mode::Pasv);
    let waiting = other.control.open(Mode::Pasv);
    forgetful.control.send("RETR file");
    let refused = forgetful.tls.connect(forgetful.control.data(data));
    assert!(refused.is_err(), "served without proof");
    other.control.send("RETR file");
    let mut stream = other.control.protected(waiting);
    other.control.expect_started();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("data connection");
    assert!(bytes == content(1, LENGTH));
    let _ = stream.finish();
    other.control.expect_reply(226);
    let code = forgetful.control.reply().code;
    let code = if code == 150 { forgetful.control.reply().code } else { code };
    assert!(matches!(code, 425 | 522), "{}", forgetful.control.transcript());
    forgetful.control.in_step();
    scene.gateway.stop();
}
