//! Handshakes of one address, more than it may have (S41).

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::support::ftp::{Control, Mode, Security, reset};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::pki::Pki;
use crate::support::servers::{Kind, Server};
use crate::support::wire::{TlsClient, Version};

const LENGTH: usize = 10_000;
const ATTACKERS: usize = 8;
/// Handshakes a minute that are allowed; a minute's worth may come at once.
const LIMIT: usize = 120;
/// What somebody at another address may have to wait for his login.
const PATIENCE: Duration = Duration::from_secs(5);
/// Transfers of his while the attack goes on.
const TRANSFERS: usize = 20;

/// One who does nothing but full handshakes, and does not wait long for any.
fn attack(from: IpAddr, to: SocketAddr, tls: &TlsClient, stop: &AtomicBool, done: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
        socket.bind(&SocketAddr::new(from, 0).into()).expect("bind");
        if socket.connect_timeout(&to.into(), PATIENCE).is_err() {
            continue;
        }
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_millis(300))).expect("socket");
        let end = stream.try_clone().expect("socket");
        // In TLS 1.2 the last word is the server's: each that counts is a whole one.
        if tls.connect(stream).is_ok() {
            done.fetch_add(1, Ordering::Relaxed);
        }
        reset(end);
    }
}

/// However many one address begins, it has as many as it may; another address is served at once.
#[test]
fn a_flood_is_slowed_down_and_harms_nobody_else() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", &content(1, LENGTH));
    let from = lab.net.client_addresses(1)[0];
    let server = Server::start(&lab, Kind::Vsftpd);
    // Our own greeting, so that an attacker costs the server nothing.
    let listener = pki.listener("implicit", "reuse = \"require\"") + "\ngreeting = \"Hello\"";
    let config = Config::to(server.address())
        .listener(&listener)
        .section(&format!("[limits]\nhandshakes_per_minute = {LIMIT}\n"));
    let mut gateway = Gateway::start(&lab, &config);
    let to = gateway.address();
    let attacker = TlsClient::new(&pki.ca(), Version::Tls12).forgetful();
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let began = Instant::now();
    let login = thread::scope(|scope| {
        for _ in 0..ATTACKERS {
            let (lab, tls, stop, done) = (&lab, &attacker, &stop, &done);
            scope.spawn(move || lab.net.client.run(|| attack(from, to, tls, stop, done)));
        }
        // Ended however this ends.
        let _stop = Stop(&stop);
        gateway.logs("the address is slowed down", |line| {
            line.contains("limits.handshakes_per_minute") && line.contains(&from.to_string())
        });
        let tls = TlsClient::new(&pki.ca(), Version::Tls13);
        let began = Instant::now();
        let mut other = Control::login_secure(&lab.net.client, to, &Security::Implicit(tls));
        let login = began.elapsed();
        for _ in 0..TRANSFERS {
            assert!(other.fetch(Mode::Pasv, "RETR file") == content(1, LENGTH));
        }
        gateway.logs("and refused in the end", |line| {
            line.contains("\"why\":\"too-many-handshakes\"")
        });
        login
    });
    assert!(login < PATIENCE, "a login took {login:?}");
    let (done, elapsed) = (done.load(Ordering::Relaxed), began.elapsed());
    let allowed = LIMIT as f64 * (1.0 + elapsed.as_secs_f64() / 60.0);
    assert!(done as f64 <= allowed + 1.0, "{done} handshakes in {elapsed:?}");
    assert!(done > LIMIT / 2, "{done} handshakes are no flood");
    let _ = writeln!(std::io::stdout(), "{done} handshakes in {elapsed:?}, a login in {login:?}");
    gateway.terminate();
    gateway.gone();
}

/// Sets the flag on every way out.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Many sessions of one address with many transfers each: what resumes is free, so that a limit
/// which just suffices for the sessions suffices for all.
#[test]
fn resumed_handshakes_are_not_counted() {
    const SESSIONS: usize = 10;
    for version in Version::ALL {
        let lab = Lab::new();
        let pki = Pki::new(&lab);
        lab.serve("file", &content(1, LENGTH));
        let server = Server::start(&lab, Kind::Vsftpd);
        let config = Config::to(server.address())
            .listener(&pki.listener("required", "reuse = \"prefer\""))
            .section(&format!("[limits]\nhandshakes_per_minute = {SESSIONS}\n"));
        let gateway = Gateway::start(&lab, &config);
        let tls = TlsClient::new(&pki.ca(), version);
        let login = || {
            let security = Security::Explicit(tls.another());
            Control::login_secure(&lab.net.client, gateway.address(), &security)
        };
        let mut sessions: Vec<_> = (0..SESSIONS).map(|_| login()).collect();
        for _ in 0..TRANSFERS {
            for control in &mut sessions {
                let (bytes, resumed) = control.fetch_noting(Mode::Pasv, "RETR file");
                assert!(resumed && bytes == content(1, LENGTH));
            }
        }
        let log = gateway.stop();
        assert!(!log.contains("slowed down"), "{log}");
    }
}
