//! What plain FTP can do, under TLS on both sides; and how transfers end there.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::interrupt::abort;
use crate::support::ftp::{Control, Mode, Security, reset};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::pki::Pki;
use crate::support::process::eventually;
use crate::support::servers::Server;
use crate::support::tls_servers::vsftpd;
use crate::support::wire::{TlsClient, Version, Wire};

const LENGTH: usize = 200_000;
/// More than all sockets on the way can hold.
const LARGE: usize = 50_000_000;
const HALF: usize = 1_000_000;

/// In the order of their end.
struct Scene {
    gateway: Gateway,
    _server: Server,
    security: Security,
    lab: Lab,
}

/// TLS on both sides; a server that keeps no broken upload.
fn scene(version: Version, listener: &str, sections: &str) -> Scene {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let lines = vsftpd(&pki.server()) + "delete_failed_uploads=YES\n";
    let server = Server::vsftpd(&lab, 21, &lines);
    let config = Config::to(server.address())
        .listener(&pki.listener("required", listener))
        .upstream(&pki.upstream("explicit", ""))
        .section(sections);
    let gateway = Gateway::start(&lab, &config);
    let security = Security::Explicit(TlsClient::new(&pki.ca(), version));
    Scene { gateway, _server: server, security, lab }
}

impl Scene {
    fn login(&self) -> Control<'_> {
        Control::login_secure(&self.lab.net.client, self.gateway.address(), &self.security)
    }

    /// Begins an upload; the server has had half a file when this returns.
    fn uploading(&self, control: &mut Control) -> (Wire, PathBuf) {
        let data = control.open(Mode::Pasv);
        control.send("STOR upload");
        let mut stream = control.protected(data);
        control.expect_started();
        stream.write_all(&content(1, HALF)).expect("data connection");
        stream.flush().expect("data connection");
        let stored = self.lab.home().join("upload");
        eventually("the first half arrives", || {
            fs::metadata(&stored).is_ok_and(|f| f.len() == HALF as u64).then_some(())
        });
        (stream, stored)
    }
}

/// The client is told of a broken upload, and the server throws away what it had.
fn expect_nothing_kept(control: &mut Control, stored: &Path) {
    let reply = control.reply();
    assert!(matches!(reply.code, 425 | 426 | 451), "{}", reply.text());
    eventually("the server drops half an upload", || (!stored.exists()).then_some(()));
    control.in_step();
}

#[test]
fn abor() {
    let scene = scene(Version::Tls13, "", "[timeouts]\nabort = \"1s\"\n");
    scene.lab.serve_large("large", 1, LARGE);
    // Before anything moved, in the middle, and after the end.
    let mut control = scene.login();
    let unused = control.open(Mode::Pasv);
    control.send("RETR large");
    abort(&mut control, false);
    drop(unused);
    let mut control = scene.login();
    let data = control.open(Mode::Epsv);
    control.send("RETR large");
    let mut stream = control.protected(data);
    control.expect_started();
    stream.read_exact(&mut vec![0; HALF]).expect("data connection");
    abort(&mut control, false);
    drop(stream);
    let mut control = scene.login();
    control.fetch(Mode::Pasv, "NLST");
    abort(&mut control, false);
    scene.gateway.stop();
}

#[test]
fn resumed_transfers() {
    const CUT: usize = 54_321;
    let scene = scene(Version::Tls12, "", "");
    let file = content(1, LENGTH);
    scene.lab.serve("file", &file);
    let part = scene.lab.serve("part", &file[..CUT]);
    let mut control = scene.login();
    control.expect(&format!("REST {CUT}"), 350);
    assert!(control.fetch(Mode::Epsv, "RETR file") == file[CUT..]);
    control.expect(&format!("REST {CUT}"), 350);
    control.store(Mode::Pasv, "STOR part", &file[CUT..]);
    assert!(fs::read(&part).expect("stored file") == file);
    control.store(Mode::Eprt, "APPE part", &file[..CUT]);
    assert_eq!(fs::read(&part).expect("stored file").len(), LENGTH + CUT);
    assert!(control.fetch(Mode::Port, "RETR part").starts_with(&file));
    control.in_step();
    scene.gateway.stop();
}

/// Three seconds' worth of a file, of which the first may come at once.
#[test]
fn throttled() {
    let scene = scene(Version::Tls13, "", "[listener.data]\ndownload_per_session = \"1MiB\"\n");
    let file = content(1, 3 << 20);
    scene.lab.serve("file", &file);
    let mut control = scene.login();
    let begun = Instant::now();
    assert!(control.fetch(Mode::Pasv, "RETR file") == file);
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    scene.gateway.stop();
}

/// Clients that write, say good-bye and are gone, with whatever came for them unread: were there a
/// ticket among it, their kernel would reset the connection and the tail would be lost (P148).
fn uploads_by_one_who_never_reads(version: Version) {
    // Set, another number than what a usual run has time for.
    let count = std::env::var("E2E_UPLOADS").map_or(4_u64, |n| n.parse().expect("a number")).max(1);
    let scene = scene(version, "", "");
    for number in 0..count {
        let file = content(number, LARGE);
        let mut control = scene.login();
        let data = control.open(Mode::Pasv);
        control.send("STOR upload");
        let mut stream = control.protected(data);
        stream.write_all(&file).expect("data connection");
        stream.notify().expect("data connection");
        drop(stream);
        control.expect_started();
        control.expect_reply(226);
        let stored = fs::read(scene.lab.home().join("upload")).expect("stored file");
        assert!(stored == file, "{} of {LARGE} bytes, or others", stored.len());
    }
    scene.gateway.stop();
}

#[test]
fn uploads_by_one_who_never_reads_tls12() {
    uploads_by_one_who_never_reads(Version::Tls12);
}

#[test]
fn uploads_by_one_who_never_reads_tls13() {
    uploads_by_one_who_never_reads(Version::Tls13);
}

/// An upload that ends without close_notify may have been cut by anybody on the way (P156).
#[test]
fn an_upload_without_close_notify() {
    for version in Version::ALL {
        let scene = scene(version, "", "");
        let mut control = scene.login();
        let (stream, stored) = scene.uploading(&mut control);
        stream.socket().shutdown(Shutdown::Write).expect("data connection");
        expect_nothing_kept(&mut control, &stored);
        scene.gateway.stop();
    }
}

/// Where such clients have to be lived with.
#[test]
fn an_upload_without_close_notify_is_believed() {
    let scene = scene(Version::Tls13, "eof = \"compat\"", "");
    let mut control = scene.login();
    let (stream, stored) = scene.uploading(&mut control);
    stream.socket().shutdown(Shutdown::Write).expect("data connection");
    control.expect_reply(226);
    assert!(fs::read(&stored).expect("stored file") == content(1, HALF));
    control.in_step();
    scene.gateway.stop();
}

/// A reset is no end in either way.
#[test]
fn a_broken_upload_is_not_kept() {
    for eof in ["strict", "compat"] {
        let scene = scene(Version::Tls13, &format!("eof = \"{eof}\""), "");
        let mut control = scene.login();
        let (stream, stored) = scene.uploading(&mut control);
        reset(stream.into_socket());
        expect_nothing_kept(&mut control, &stored);
        scene.gateway.stop();
    }
}

/// The control connection says good-bye under TLS before it closes (P159): reading on to an end
/// without it would be an error.
#[test]
fn good_bye() {
    let scene = scene(Version::Tls13, "", "[timeouts]\nidle = \"1s\"\n");
    let mut control = scene.login();
    control.expect("QUIT", 221);
    assert_eq!(control.expect_end(), "");
    let mut idle = scene.login();
    idle.expect_reply(421);
    assert_eq!(idle.expect_end(), "");
    scene.gateway.stop();
}

/// Empty files and listings are ended as well as others.
#[test]
fn nothing_at_all() {
    for version in Version::ALL {
        let scene = scene(version, "", "");
        let mut control = scene.login();
        control.store(Mode::Pasv, "STOR empty", b"");
        assert!(control.fetch(Mode::Port, "RETR empty").is_empty());
        control.expect("MKD directory", 257);
        assert!(control.fetch(Mode::Epsv, "NLST directory").is_empty());
        control.in_step();
        scene.gateway.stop();
    }
}
