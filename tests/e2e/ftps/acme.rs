//! Certificates from a real ACME issuer.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

use crate::support::ftp::{Control, Security};
use crate::support::gateway::{Config, Gateway, told};
use crate::support::lab::Lab;
use crate::support::mock::{Mock, polite};
use crate::support::net::PUBLIC;
use crate::support::pebble::{self, NAME, Pebble};
use crate::support::pki::Pki;
use crate::support::wire::{TlsClient, Version};

const NOBODY: u32 = 65534;

/// In the order of their end.
struct Scene {
    mock: Mock,
    pki: Pki,
    lab: Lab,
}

fn scene() -> Scene {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let mock = Mock::start(&lab, polite);
    Scene { mock, pki, lab }
}

impl Scene {
    /// The one line, for these names.
    fn tls(&self, mode: &str, names: &[&str]) -> String {
        let (keys, dir) = (pebble::keys(&self.pki), self.dir());
        let contact = "mailto:ftp@example.test";
        format!(
            "tls = {{ mode = \"{mode}\", acme = {{ names = {names:?}, {keys}, dir = {dir:?}, \
             contact = \"{contact}\" }} }}"
        )
    }

    fn config(&self, names: &[&str]) -> Config {
        Config::to(self.mock.address()).listener(&self.tls("required", names))
    }

    fn dir(&self) -> PathBuf {
        self.lab.path("acme")
    }

    /// Where the certificate for this first name is kept.
    fn file(&self, name: &str) -> PathBuf {
        self.dir().join("203.0.113.10_14000_dir").join(format!("{name}.pem"))
    }

    /// The certificate that a client sees who trusts this authority.
    fn shown(&self, gateway: &Gateway, ca: &Path, name: &str) -> CertificateDer<'static> {
        let tls = TlsClient::new(ca, Version::Tls13).named(name);
        let security = Security::Explicit(tls);
        let control = Control::login_secure(&self.lab.net.client, gateway.address(), &security);
        control.wire().certificate().expect("a certificate")
    }
}

fn fetched(gateway: &mut Gateway) {
    gateway.logs("the new certificate", |line| line.contains("new certificates are in use"));
}

/// The gateway starts with nothing, and clients can verify it soon after. Started again, it shows
/// what it has and asks nobody.
#[test]
fn fetched_once_for_all_listeners() {
    let scene = scene();
    let pebble = Pebble::start(&scene.lab, &scene.pki, 80);
    let names = [NAME, &PUBLIC.to_string()];
    let second = format!(
        "[[listener]]\nname = \"second\"\nbind = \"{PUBLIC}:990\"\nupstream = \"server\"\n{}\n\
         [listener.data]\nports = \"60100-60110\"\n",
        scene.tls("implicit", &names)
    );
    let config = scene.config(&names).section(&second);
    let mut gateway = Gateway::start(&scene.lab, &config);
    for listener in ["public", "second"] {
        gateway.logs(listener, |line| {
            line.contains("new certificates are in use") && line.contains(listener)
        });
    }
    let first = scene.shown(&gateway, pebble.root(), NAME);
    assert!(scene.shown(&gateway, pebble.root(), &PUBLIC.to_string()) == first);
    let tls = TlsClient::new(pebble.root(), Version::Tls12);
    let implicit = (PUBLIC, 990).into();
    let control = Control::login_secure(&scene.lab.net.client, implicit, &Security::Implicit(tls));
    assert!(control.wire().certificate() == Some(first.clone()));
    drop(control);
    assert!(!scene.lab.net.gateway.listens(80), "it listens though nobody is to come");
    let log = gateway.stop();
    assert_eq!(log.matches("asking for ftp.example.test, 203.0.113.1").count(), 1, "{log}");
    assert!(log.contains("a self-signed certificate stands in"), "{log}");
    assert_eq!(pebble.issued(), 1);

    drop(pebble);
    let gateway = Gateway::start(&scene.lab, &config);
    assert!(scene.shown(&gateway, &scene.lab.path("pebble-root.pem"), NAME) == first);
    let log = gateway.stop();
    assert!(!log.contains("asking for") && !log.contains("stands in"), "{log}");
}

/// Who is root only to begin with still has port 80, and a folder of his own.
#[test]
fn fetched_without_being_root() {
    let scene = scene();
    let pebble = Pebble::start(&scene.lab, &scene.pki, 80);
    fs::create_dir(scene.dir()).expect("own folder");
    chown(scene.dir(), Some(NOBODY), None).expect("chown");
    let config = scene.config(&[NAME]).section("[runtime]\nuser = \"nobody\"\n");
    let mut gateway = Gateway::start(&scene.lab, &config);
    fetched(&mut gateway);
    scene.shown(&gateway, pebble.root(), NAME);
    gateway.stop();
    let kept = fs::metadata(scene.file(NAME)).expect("the certificate");
    assert_eq!((kept.uid(), kept.mode() & 0o777), (NOBODY, 0o600));
}

/// A certificate in its last third is replaced; until then it is the one shown.
#[test]
fn renewed_when_due() {
    let scene = scene();
    let old = scene.pki.issue_for("old", &[NAME], 60, 29);
    let file = scene.file(NAME);
    fs::create_dir_all(file.parent().expect("a folder")).expect("own folder");
    fs::copy(&old.both, &file).expect("own file");
    let config = scene.config(&[NAME]);
    let mut gateway = Gateway::start(&scene.lab, &config);
    // There is nobody to ask yet.
    gateway.logs("the failure", |line| line.contains("\"unreachable\""));
    let before = scene.shown(&gateway, &scene.pki.ca(), NAME);

    let pebble = Pebble::start(&scene.lab, &scene.pki, 80);
    gateway.reload();
    fetched(&mut gateway);
    assert!(scene.shown(&gateway, pebble.root(), NAME) != before);
    let log = gateway.stop();
    assert!(!log.contains("stands in"), "{log}");
    assert!(log.contains("Connection refused"), "{log}");
    assert!(log.contains("tried again in 10 minutes, or at SIGHUP"), "{log}");
}

/// The issuer is not content, and says why; the operator puts it right, and says so.
#[test]
fn refused() {
    let scene = scene();
    let file = scene.file(NAME);
    let pebble = Pebble::start(&scene.lab, &scene.pki, 80);
    let mut gateway = Gateway::start(&scene.lab, &scene.config(&[NAME, "nowhere.example.test"]));
    gateway.logs("no such name", |line| {
        line.contains("\"not-verified\"") && line.contains("cannot verify nowhere.example.test")
    });
    let stands_in = fs::read(&file).expect("the stand-in");
    gateway.stop();
    assert_eq!(pebble.issued(), 0);

    // The next issuer is asked with an account that it does not know.
    drop(pebble);
    let pebble = Pebble::start(&scene.lab, &scene.pki, 8080);
    let mut gateway = Gateway::start(&scene.lab, &scene.config(&[NAME]));
    gateway.logs("nobody at that port", |line| {
        line.contains(&format!("cannot verify {NAME}"))
            && line.contains("must lead here, and requests to port 80 of it must arrive at")
    });
    assert!(fs::read(&file).expect("the stand-in") == stands_in);
    assert_eq!(pebble.issued(), 0);

    drop(pebble);
    let pebble = Pebble::start(&scene.lab, &scene.pki, 80);
    let taken = scene.lab.net.gateway.listen((PUBLIC, 80).into()).expect("listen");
    gateway.reload();
    gateway.logs("the port is taken", |line| line.contains("ss -ltnp"));
    drop(taken);
    gateway.reload();
    fetched(&mut gateway);
    scene.shown(&gateway, pebble.root(), NAME);
    gateway.stop();
}

/// What `ftpgate check` says before anything was fetched, and after.
#[test]
fn checked() {
    let scene = scene();
    let check =
        |config: &Config| told(&scene.lab, "check", &config.toml()).unwrap_or_else(|said| said);
    let said = check(&scene.config(&["203.0.113.1", "nowhere.example.test"]));
    for line in [
        "ok    public: the certificate for 203.0.113.1, nowhere.example.test is fetched from https",
        "warn  public: there is none yet: a self-signed one stands in",
        "FAIL  public: nowhere.example.test has no address",
        "ok    public: 0.0.0.0:80 can be bound for the issuer's requests",
    ] {
        assert!(said.lines().any(|l| l.starts_with(line)), "no {line:?} in:\n{said}");
    }
    assert!(!scene.dir().exists(), "a check leaves nothing behind");

    let kept = scene.pki.issue_for("kept", &["203.0.113.1"], 0, 90);
    let path = scene.file("203.0.113.1");
    fs::create_dir_all(path.parent().expect("a folder")).expect("own folder");
    fs::copy(&kept.both, &path).expect("own file");
    let _taken = scene.lab.net.gateway.listen((PUBLIC, 80).into()).expect("listen");
    let said = check(&scene.config(&["203.0.113.1"]));
    assert!(said.contains("\nok    public: certificate for 203.0.113.1 until "), "{said}");
    assert!(said.contains("\nok    public: it is fetched anew from "), "{said}");
    assert!(said.contains("\nFAIL  public: 0.0.0.0:80 cannot be bound for the issuer"), "{said}");
}
