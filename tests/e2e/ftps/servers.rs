//! Strict servers behind the gateway: every data connection has to resume the session of its own
//! control connection.

use std::fs;

use crate::support::ftp::{Control, Mode, Security};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::pki::Pki;
use crate::support::servers::Server;
use crate::support::tls_servers::TlsKind;
use crate::support::wire::{TlsClient, Version};

const LENGTH: usize = 30_000;
const ROUNDS: usize = 10;
const SESSIONS: usize = 50;

/// In the order of their end.
struct Scene {
    gateway: Gateway,
    _server: Server,
    pki: Pki,
    lab: Lab,
}

/// The server behind a gateway that speaks TLS to it, up to this version.
fn scene(kind: TlsKind, max: Version) -> Scene {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", &content(1, LENGTH));
    let server = Server::secure(&lab, kind, &pki.server());
    let mode = if kind.implicit() { "implicit" } else { "explicit" };
    let more = match max {
        Version::Tls12 => "",
        Version::Tls13 => "max = \"1.3\"",
    };
    let config = Config::to(server.address())
        .listener(&pki.listener("optional", ""))
        .upstream(&pki.upstream(mode, more))
        .ports("60000-60200");
    let gateway = Gateway::start(&lab, &config);
    Scene { gateway, _server: server, pki, lab }
}

/// One of each kind of transfer.
fn transfer(scene: &Scene, control: &mut Control, what: &str, number: usize) {
    let mode = Mode::ALL[number % Mode::ALL.len()];
    match what {
        "LIST" => {
            let list = String::from_utf8(control.fetch(mode, "LIST")).expect("a listing");
            assert!(list.contains("file"), "{list}");
        }
        "RETR" => assert!(control.fetch(mode, "RETR file") == content(1, LENGTH), "RETR"),
        _ => {
            let name = format!("{}-{number}", control.local().port());
            let file = content(number as u64, LENGTH);
            control.store(mode, &format!("STOR {name}"), &file);
            let stored = fs::read(scene.lab.home().join(&name)).expect("stored file");
            assert!(stored == file, "STOR");
        }
    }
}

/// Ten of each in a row, uploads first and last, then all of them mixed.
fn ten_of_each(kind: TlsKind, max: Version) {
    let scene = scene(kind, max);
    let mut control = Control::login(&scene.lab.net.client, scene.gateway.address());
    for what in ["STOR", "LIST", "RETR", "STOR"] {
        for number in 0..ROUNDS {
            transfer(&scene, &mut control, what, number);
        }
    }
    for number in 0..ROUNDS {
        for what in ["RETR", "STOR", "LIST", "STOR"] {
            transfer(&scene, &mut control, what, number);
        }
    }
    control.in_step();
    scene.gateway.stop();
}

macro_rules! strict {
    ($($name:ident = $kind:expr, $max:ident;)+) => { $(
        #[test]
        fn $name() {
            ten_of_each($kind, Version::$max);
        }
    )+ };
}

strict! {
    vsftpd = TlsKind::Vsftpd, Tls12;
    vsftpd_tls13 = TlsKind::Vsftpd, Tls13;
    vsftpd_implicit = TlsKind::VsftpdImplicit, Tls12;
    proftpd = TlsKind::Proftpd(Version::Tls12), Tls12;
    proftpd_implicit = TlsKind::ProftpdImplicit, Tls12;
    pure_ftpd = TlsKind::PureFtpd { data: false }, Tls12;
    pure_ftpd_data = TlsKind::PureFtpd { data: true }, Tls12;
    pure_ftpd_tls13 = TlsKind::PureFtpd { data: true }, Tls13;
    pyftpdlib = TlsKind::Pyftpdlib, Tls12;
    pyftpdlib_tls13 = TlsKind::Pyftpdlib, Tls13;
    pyftpdlib_implicit = TlsKind::PyftpdlibImplicit, Tls12;
    ticket_before_the_227 = TlsKind::FileZillaOrder, Tls12;
    ticket_before_the_227_tls13 = TlsKind::FileZillaOrder, Tls13;
}

/// A ticket of TLS 1.3 is good for one connection (P136). ProFTPD 1.3.8 gives two at the beginning,
/// one with each download and none with an upload: two uploads in a session is what there is
/// (P137), and why 1.2 is the default (P138).
#[test]
fn proftpd_tls13() {
    let scene = scene(TlsKind::Proftpd(Version::Tls13), Version::Tls13);
    let mut control = Control::login(&scene.lab.net.client, scene.gateway.address());
    for what in ["LIST", "RETR"] {
        for number in 0..ROUNDS {
            transfer(&scene, &mut control, what, number);
        }
    }
    transfer(&scene, &mut control, "STOR", 0);
    for number in 0..ROUNDS {
        for what in ["RETR", "LIST"] {
            transfer(&scene, &mut control, what, number);
        }
    }
    transfer(&scene, &mut control, "STOR", 1);
    // What the server refuses now is told as it says it, and the session goes on.
    let data = control.open(Mode::Pasv);
    control.send("STOR third");
    let stream = control.data(data);
    control.expect_started();
    control.expect_reply(425);
    drop(stream);
    control.in_step();
    scene.gateway.stop();
}

/// The same server takes the third upload in a row with the settings we ship (P137, P138).
#[test]
fn the_third_upload() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let server = Server::secure(&lab, TlsKind::ProftpdAny, &pki.server());
    let config = Config::to(server.address()).upstream(&pki.upstream("explicit", ""));
    let gateway = Gateway::start(&lab, &config);
    let mut control = Control::login(&lab.net.client, gateway.address());
    for _ in 0..3 {
        control.store(Mode::Pasv, "STOR file", &content(1, LENGTH));
    }
    control.in_step();
    gateway.stop();
}

/// Sessions that go on at the same time have nothing to do with each other (P134).
fn many_sessions(kind: TlsKind, max: Version) {
    let scene = scene(kind, max);
    std::thread::scope(|scope| {
        for _ in 0..SESSIONS {
            scope.spawn(|| {
                let mut control = Control::login(&scene.lab.net.client, scene.gateway.address());
                for (number, what) in ["LIST", "STOR", "RETR", "LIST"].into_iter().enumerate() {
                    transfer(&scene, &mut control, what, number);
                }
                control.in_step();
            });
        }
    });
    scene.gateway.stop();
}

#[test]
fn fifty_sessions_with_proftpd() {
    many_sessions(TlsKind::Proftpd(Version::Tls12), Version::Tls12);
}

#[test]
fn fifty_sessions_with_proftpd_tls13() {
    many_sessions(TlsKind::Proftpd(Version::Tls13), Version::Tls13);
}

/// Both sides under TLS, each with a session of its own to take up.
#[test]
fn strict_on_both_sides() {
    let scene = scene(TlsKind::Proftpd(Version::Tls12), Version::Tls12);
    let tls = TlsClient::new(&scene.pki.ca(), Version::Tls12);
    let security = Security::Explicit(tls);
    let to = scene.gateway.address();
    let mut control = Control::login_secure(&scene.lab.net.client, to, &security);
    for number in 0..ROUNDS {
        for what in ["STOR", "LIST", "RETR"] {
            transfer(&scene, &mut control, what, number);
        }
    }
    control.in_step();
    scene.gateway.stop();
}
