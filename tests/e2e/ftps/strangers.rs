//! Whose TLS session a data connection resumes: only that of its own control connection proves
//! that it is the client (P145).

use std::io::Read;
use std::net::SocketAddr;

use crate::support::ftp::{Control, Mode, Security, parse_227};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::pki::Pki;
use crate::support::servers::{Kind, Server};
use crate::support::wire::{TlsClient, Version};

const LENGTH: usize = 10_000;

/// In the order of their end.
struct Scene {
    gateway: Gateway,
    _server: Server,
    tls: TlsClient,
    lab: Lab,
}

fn scene(version: Version, reuse: &str) -> Scene {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", &content(1, LENGTH));
    let server = Server::start(&lab, Kind::Vsftpd);
    let listener = pki.listener("required", &format!("reuse = \"{reuse}\""));
    let gateway = Gateway::start(&lab, &Config::to(server.address()).listener(&listener));
    let tls = TlsClient::new(&pki.ca(), version);
    Scene { gateway, _server: server, tls, lab }
}

impl Scene {
    fn login(&self, tls: &TlsClient) -> Control<'_> {
        let security = Security::Explicit(tls.clone());
        Control::login_secure(&self.lab.net.client, self.gateway.address(), &security)
    }

    /// Somebody at the client's address takes the data port; returns what he is given.
    fn steal(&self, victim: &Control, told: SocketAddr, thief: &TlsClient) -> Vec<u8> {
        let from = victim.local().ip();
        let tcp = self.lab.net.client.connect(Some(from), told).expect("connect");
        let mut bytes = Vec::new();
        // In TLS 1.3 he may think that all is well until the alert comes.
        if let Ok(mut stream) = thief.connect(tcp) {
            assert!(!stream.resumed(), "resumed another's session");
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    }
}

/// With `require`, a stranger with a session of his own gets nothing, nor does he at his second
/// try, with whatever the first one taught him.
fn stranger_is_refused(version: Version) {
    let scene = scene(version, "require");
    let thief = scene.tls.another();
    let _own_session = scene.login(&thief);
    let mut victim = scene.login(&scene.tls.another());
    for _ in 0..2 {
        let told = parse_227(&victim.expect("PASV", 227).text());
        victim.send("RETR file");
        let stolen = scene.steal(&victim, told, &thief);
        assert!(stolen.is_empty(), "{} bytes stolen", stolen.len());
        let code = victim.reply().code;
        let code = if code == 150 { victim.reply().code } else { code };
        assert!(matches!(code, 425 | 426 | 522), "{}", victim.transcript());
    }
    // The session itself is none the worse.
    assert!(victim.fetch(Mode::Pasv, "RETR file") == content(1, LENGTH));
    scene.gateway.stop();
}

#[test]
fn stranger_is_refused_tls12() {
    stranger_is_refused(Version::Tls12);
}

#[test]
fn stranger_is_refused_tls13() {
    stranger_is_refused(Version::Tls13);
}

/// With `require`, the client itself is refused without its session, with `prefer` it is not.
#[test]
fn a_client_that_forgets() {
    for version in Version::ALL {
        for reuse in ["require", "prefer", "off"] {
            let scene = scene(version, reuse);
            let forgetful = scene.tls.forgetful();
            let mut control = scene.login(&forgetful);
            if reuse != "require" {
                let (bytes, resumed) = control.fetch_noting(Mode::Pasv, "RETR file");
                assert!(bytes == content(1, LENGTH) && !resumed, "{reuse}");
                scene.gateway.stop();
                continue;
            }
            let told = parse_227(&control.expect("PASV", 227).text());
            control.send("RETR file");
            assert!(scene.steal(&control, told, &forgetful).is_empty());
            let code = control.reply().code;
            let code = if code == 150 { control.reply().code } else { code };
            assert_eq!(code, 522, "{}", control.transcript());
            let log = scene.gateway.stop();
            assert!(log.contains("its TLS session is not the control's"), "{log}");
        }
    }
}

/// Downloads renew the tickets of TLS 1.3, so that they never run out (P148).
#[test]
fn downloads_resume_for_ever() {
    for version in Version::ALL {
        let scene = scene(version, "require");
        let mut control = scene.login(&scene.tls);
        for _ in 0..30 {
            let (bytes, resumed) = control.fetch_noting(Mode::Epsv, "RETR file");
            assert!(resumed && bytes == content(1, LENGTH));
        }
        scene.gateway.stop();
    }
}

/// Uploads bring no ticket; those of the control connection are there for them.
#[test]
fn uploads_resume() {
    for (version, count) in [(Version::Tls12, 20), (Version::Tls13, 8)] {
        let scene = scene(version, "require");
        let mut control = scene.login(&scene.tls);
        for number in 0..count {
            let file = content(number, LENGTH);
            assert!(control.store(Mode::Pasv, "STOR up", &file), "{version:?} {number}");
            assert!(std::fs::read(scene.lab.home().join("up")).expect("stored file") == file);
        }
        scene.gateway.stop();
    }
}
