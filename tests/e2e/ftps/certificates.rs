//! Certificates that change while the gateway runs, and those of clients.

use std::fs;

use crate::support::ftp::{Control, Mode, Security};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::Lab;
use crate::support::pki::{Identity, Pki, upstream};
use crate::support::servers::{Kind, Server};
use crate::support::tls_servers::vsftpd;
use crate::support::wire::{TlsClient, Version};

fn copy(from: &Identity, to: &Identity) {
    fs::copy(&from.chain, &to.chain).expect("own file");
    fs::copy(&from.key, &to.key).expect("own file");
}

/// A new certificate is there for new sessions, the running ones go on with theirs, and a bad file
/// changes nothing.
#[test]
fn renewal() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", b"content");
    let server = Server::start(&lab, Kind::Vsftpd);
    // Written here, as what `gateway` names.
    let config = Config::to(server.address()).listener(&pki.listener("required", ""));
    let names = ["203.0.113.1"];
    let current = pki.issue("gateway", &names);
    let mut gateway = Gateway::start(&lab, &config);
    let tls = TlsClient::new(&pki.ca(), Version::Tls13);
    let login = |address| {
        let security = Security::Explicit(tls.another());
        Control::login_secure(&lab.net.client, address, &security)
    };
    let address = gateway.address();
    let mut old = login(address);
    let first = old.wire().certificate();

    copy(&pki.issue("renewed", &names), &current);
    gateway.reload();
    gateway.logs("new certificates", |line| line.contains("new certificates are in use"));
    let mut new = login(address);
    let second = new.wire().certificate();
    assert!(first != second, "the old certificate is still shown");

    fs::write(&current.key, "no key").expect("own file");
    gateway.reload();
    gateway.logs("the old ones stay", |line| line.contains("the old certificates stay"));
    let mut last = login(address);
    assert!(last.wire().certificate() == second, "neither the first nor the second");
    for control in [&mut old, &mut new, &mut last] {
        let (bytes, resumed) = control.fetch_noting(Mode::Pasv, "RETR file");
        assert!(resumed && bytes == b"content");
    }
    gateway.stop();
}

/// A client without a good certificate is turned away, one that has it is named in the records.
#[test]
fn of_clients() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", b"content");
    let server = Server::start(&lab, Kind::Vsftpd);
    let more = format!("client_cert = \"required\", client_ca = \"{}\"", pki.ca().display());
    let config = Config::to(server.address()).listener(&pki.listener("required", &more));
    let mut gateway = Gateway::start(&lab, &config);
    let stranger = Pki::stranger(&lab);
    let (good, bad) = (pki.issue("alice", &["alice"]), stranger.issue("mallory", &["mallory"]));
    for version in Version::ALL {
        let tls = TlsClient::new(&pki.ca(), version);
        let shown = |identity: &Identity| TlsClient::showing(&pki.ca(), version, identity);
        for refused in [tls, shown(&bad)] {
            let mut control = Control::connect(&lab.net.client, gateway.address());
            control.expect_reply(220);
            control.expect("AUTH TLS", 234);
            // In TLS 1.3 a client knows only when it goes on.
            if control.try_tls(&refused).is_ok() {
                assert!(control.is_cut_off(), "{}", control.transcript());
            }
        }
        let security = Security::Explicit(shown(&good));
        let mut control = Control::login_secure(&lab.net.client, gateway.address(), &security);
        assert_eq!(control.fetch(Mode::Pasv, "RETR file"), b"content");
        control.expect("QUIT", 221);
    }
    for why in ["no-client-certificate", "certificate-unknown-issuer"] {
        gateway.logs(why, |line| line.contains(why));
    }
    gateway.logs("alice", |line| line.contains("\"session\"") && line.contains("alice"));
    gateway.stop();
}

/// A server that wants one of us sees the same on both connections (P124).
#[test]
fn of_ours() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", b"content");
    let lines = format!(
        "{}require_cert=YES\nvalidate_cert=YES\nca_certs_file={}\n",
        vsftpd(&pki.server()),
        pki.ca().display()
    );
    let server = Server::vsftpd(&lab, 21, &lines);
    let ours = pki.issue("ours", &["gateway.example.test"]);
    let (chain, key) = (ours.chain.display(), ours.key.display());
    let with = format!("cert = \"{chain}\", key = \"{key}\"");
    for (more, fine) in [("", false), (with.as_str(), true)] {
        let config = Config::to(server.address()).upstream(&pki.upstream("explicit", more));
        let gateway = Gateway::start(&lab, &config);
        if fine {
            let mut control = Control::login(&lab.net.client, gateway.address());
            for _ in 0..3 {
                assert_eq!(control.fetch(Mode::Pasv, "RETR file"), b"content");
            }
        } else {
            let mut control = Control::connect(&lab.net.client, gateway.address());
            control.expect_reply(220);
            control.expect_reply(421);
        }
        gateway.stop();
    }
}

/// What proves the server is read again as well: an issuer that was forgotten, and found.
#[test]
fn of_the_servers_issuer() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", b"content");
    let server = Server::vsftpd(&lab, 21, &vsftpd(&pki.server()));
    let right = fs::read(pki.ca()).expect("own file");
    Pki::stranger(&lab);
    let file = lab.path("issuer.pem");
    fs::copy(lab.path("stranger.pem"), &file).expect("own file");
    let config = Config::to(server.address()).upstream(&upstream(&file, "explicit", ""));
    let mut gateway = Gateway::start(&lab, &config);
    let refused = |address| {
        let mut control = Control::connect(&lab.net.client, address);
        control.expect_reply(220);
        control.expect_reply(421);
    };
    refused(gateway.address());
    fs::write(&file, "no issuer").expect("own file");
    gateway.reload();
    gateway.logs("the old one stays", |line| {
        line.contains("the old certificates stay") && line.contains("\"upstream\":\"server\"")
    });
    refused(gateway.address());
    fs::write(&file, right).expect("own file");
    gateway.reload();
    gateway.logs("the right one", |line| line.contains("new certificates are in use"));
    let mut control = Control::login(&lab.net.client, gateway.address());
    assert_eq!(control.fetch(Mode::Pasv, "RETR file"), b"content");
    gateway.stop();
}
