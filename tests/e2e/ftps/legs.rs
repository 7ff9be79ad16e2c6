//! The server's data connection under TLS: when it shakes hands, how it ends, and with whom.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::ftp::{Control, Mode};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::peer::{Peer, Scripted};
use crate::support::pki::Pki;
use crate::support::wire::{TlsServer, Version, Wire};

const LENGTH: usize = 100_000;

/// A scripted server under TLS, and a plain client.
struct Scene {
    gateway: Gateway,
    server: Scripted,
    lab: Lab,
}

fn scene(
    more: &str,
    script: impl FnOnce(&mut Peer, &TlsServer, &TlsServer) + Send + 'static,
) -> Scene {
    scene_in(Version::Tls12, more, script)
}

fn scene_in(
    version: Version,
    more: &str,
    script: impl FnOnce(&mut Peer, &TlsServer, &TlsServer) + Send + 'static,
) -> Scene {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let tls = TlsServer::new(&pki.server(), version);
    // Good for the same name, and yet another.
    let another = TlsServer::new(&pki.server(), version);
    let server = Scripted::start(&lab, move |peer| {
        peer.greet_secure(&tls);
        script(peer, &tls, &another);
        peer.until_end();
    });
    let config = Config::to(server.address()).upstream(&pki.upstream("explicit", more));
    let gateway = Gateway::start(&lab, &config);
    Scene { gateway, server, lab }
}

impl Scene {
    fn login(&self) -> Control<'_> {
        Control::login(&self.lab.net.client, self.gateway.address())
    }

    fn end(self) -> String {
        let log = self.gateway.stop();
        self.server.finish();
        log
    }
}

fn file() -> Vec<u8> {
    content(1, LENGTH)
}

fn send(mut wire: Wire) {
    wire.write_all(&file()).expect("data connection");
    wire.finish().expect("data connection");
}

fn receive(mut wire: Wire) {
    let mut bytes = Vec::new();
    wire.read_to_end(&mut bytes).expect("data connection, ended by close_notify");
    assert!(bytes == file(), "an upload of {} bytes", bytes.len());
    // Who has sent all may be gone already.
    let _ = wire.finish();
}

/// The 150 comes when the data connection is secured (P120).
#[test]
fn handshake_before_the_150() {
    let scene = scene("", |peer, tls, _| {
        peer.until("RETR");
        let wire = tls.accept(peer.data()).expect("TLS");
        peer.say("150 Here it comes\r\n");
        send(wire);
        peer.say("226 Done\r\n");
        peer.until("STOR");
        let wire = tls.accept(peer.data()).expect("TLS");
        peer.say("150 Send it\r\n");
        receive(wire);
        peer.say("226 Done\r\n");
    });
    let mut control = scene.login();
    assert!(control.fetch(Mode::Pasv, "RETR file") == file());
    control.store(Mode::Pasv, "STOR file", &file());
    drop(control);
    scene.end();
}

/// The data connection is secured after the 150, as vsftpd does it.
#[test]
fn handshake_after_the_150() {
    let scene = scene("", |peer, tls, _| {
        peer.until("RETR");
        let tcp = peer.data();
        peer.say("150 Here it comes\r\n");
        send(tls.accept(tcp).expect("TLS"));
        peer.say("226 Done\r\n");
        peer.until("STOR");
        let tcp = peer.data();
        peer.say("150 Send it\r\n");
        receive(tls.accept(tcp).expect("TLS"));
        peer.say("226 Done\r\n");
    });
    let mut control = scene.login();
    assert!(control.fetch(Mode::Pasv, "RETR file") == file());
    control.store(Mode::Pasv, "STOR file", &file());
    drop(control);
    scene.end();
}

/// A server that gives tickets of TLS 1.3 on uploads too, and reads them slowly. Who closes over
/// unread tickets resets the connection, and the end of the file is lost (P140); who reads them can
/// use them.
#[test]
fn tickets_on_uploads() {
    const UPLOADS: u64 = 5;
    const LONG: usize = 8 << 20;
    let scene = scene_in(Version::Tls13, "max = \"1.3\"", |peer, tls, _| {
        for seed in 0..UPLOADS {
            peer.until("STOR");
            peer.say("150 Send it\r\n");
            let mut wire = tls.accept(peer.data()).expect("TLS");
            let (mut bytes, mut piece) = (Vec::with_capacity(LONG), [0; 4096]);
            loop {
                match wire.read(&mut piece).expect("data connection, ended by close_notify") {
                    0 => break,
                    read => bytes.extend_from_slice(&piece[..read]),
                }
            }
            assert!(bytes == content(seed, LONG), "an upload of {} bytes", bytes.len());
            let _ = wire.finish();
            peer.say("226 Done\r\n");
        }
    });
    let mut control = scene.login();
    for seed in 0..UPLOADS {
        control.store(Mode::Pasv, "STOR file", &content(seed, LONG));
    }
    drop(control);
    let log = scene.end();
    let resumed = "\"server_tls\":\"1.3\",\"server_resumed\":true";
    assert_eq!(log.matches(resumed).count() as u64, UPLOADS, "{log}");
}

/// A server that answers only after our close_notify, and one that never answers it.
#[test]
fn close_notify_is_not_waited_for() {
    let scene = scene("", |peer, tls, _| {
        peer.until("RETR");
        peer.say("150 Here it comes\r\n");
        let mut wire = tls.accept(peer.data()).expect("TLS");
        wire.write_all(&file()).expect("data connection");
        wire.finish().expect("data connection");
        wire.read_to_end(&mut Vec::new()).expect("our good-bye is answered");
        peer.say("226 Done\r\n");
        peer.until("STOR");
        peer.say("150 Send it\r\n");
        let mut wire = tls.accept(peer.data()).expect("TLS");
        let mut bytes = Vec::new();
        wire.read_to_end(&mut bytes).expect("data connection, ended by close_notify");
        assert!(bytes == file());
        peer.say("226 Done\r\n");
        // Silent until the session ends.
        peer.until_end();
        drop(wire);
    });
    let mut control = scene.login();
    assert!(control.fetch(Mode::Pasv, "RETR file") == file());
    control.store(Mode::Pasv, "STOR file", &file());
    control.in_step();
    control.expect("QUIT", 221);
    drop(control);
    scene.end();
}

/// The download's reply to the client, from a server that does not say good-bye under TLS.
fn truncated(more: &str) -> (Vec<u8>, u16) {
    let scene = scene(more, |peer, tls, _| {
        peer.until("RETR");
        peer.say("150 Here it comes\r\n");
        let mut wire = tls.accept(peer.data()).expect("TLS");
        wire.write_all(&file()).expect("data connection");
        // The end of the stream, and no close_notify.
        wire.socket().shutdown(std::net::Shutdown::Write).expect("data connection");
        let _ = wire.read_to_end(&mut Vec::new());
        peer.say("226 Done\r\n");
    });
    let mut control = scene.login();
    let data = control.open(Mode::Pasv);
    let mut stream = control.data(data);
    control.send("RETR file");
    control.expect_started();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    drop(stream);
    let code = control.reply().code;
    control.in_step();
    drop(control);
    scene.end();
    (bytes, code)
}

/// P156: the server's 226 is believed, unless that is not enough.
#[test]
fn a_download_without_close_notify() {
    let (bytes, code) = truncated("");
    assert!(bytes == file() && code == 226, "{code}");
    let (_, code) = truncated("eof = \"strict\"");
    assert!(matches!(code, 426 | 451), "{code}");
}

/// The data connection shows another certificate than the control connection (P123).
#[test]
fn another_certificate_on_the_data_connection() {
    let scene = scene("", |peer, _, another| {
        peer.until("RETR");
        peer.say("150 Here it comes\r\n");
        if let Ok(mut wire) = another.accept(peer.data()) {
            let _ = wire.write_all(&file());
            let _ = wire.finish();
        }
        peer.say("226 Done\r\n");
    });
    let mut control = scene.login();
    let data = control.open(Mode::Pasv);
    let mut stream = control.data(data);
    control.send("RETR file");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert!(bytes.is_empty(), "{} bytes of a stranger", bytes.len());
    drop(stream);
    let code = control.reply().code;
    let code = if code == 150 { control.reply().code } else { code };
    assert!(matches!(code, 425 | 426 | 522), "{}", control.transcript());
    control.in_step();
    drop(control);
    let log = scene.end();
    assert!(log.contains("certificate-changed"), "{log}");
}

/// A data connection in the clear where TLS was agreed on is no data connection.
#[test]
fn clear_text_on_the_data_connection() {
    let scene = scene("", |peer, _, _| {
        peer.until("RETR");
        peer.say("150 Here it comes\r\n");
        let mut tcp: TcpStream = peer.data();
        let _ = tcp.write_all(b"clear text in place of a file, long enough to be read\r\n");
        peer.say("226 Done\r\n");
        let _ = tcp.read_to_end(&mut Vec::new());
    });
    let mut control = scene.login();
    let data = control.open(Mode::Pasv);
    let mut stream = control.data(data);
    control.send("RETR file");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert!(bytes.is_empty(), "{}", String::from_utf8_lossy(&bytes));
    drop(stream);
    let code = control.reply().code;
    let code = if code == 150 { control.reply().code } else { code };
    assert!(matches!(code, 425 | 426 | 522), "{}", control.transcript());
    drop(control);
    scene.end();
}

/// A server that demands what we could not give says so to the client (P132).
#[test]
fn a_522_is_passed_on() {
    let scene = scene("", |peer, tls, _| {
        peer.until("RETR");
        peer.say("150 Here it comes\r\n");
        let wire = tls.accept(peer.data());
        drop(wire);
        peer.say("522 TLS session of data connection not resumed\r\n");
    });
    let mut control = scene.login();
    let data = control.open(Mode::Pasv);
    let stream = control.data(data);
    control.send("RETR file");
    control.expect_started();
    let reply = control.reply();
    assert_eq!(reply.code, 522, "{}", control.transcript());
    drop(stream);
    control.in_step();
    drop(control);
    scene.end();
}
