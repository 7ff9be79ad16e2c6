//! Servers that get TLS wrong, by fault or by design: where it is asked for and not had, the
//! session ends, and nothing of it went in the clear (P114, S13, S15).

use crate::support::ftp::Control;
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::Lab;
use crate::support::net::SERVER;
use crate::support::peer::{Peer, Scripted};
use crate::support::pki::{Identity, Pki};
use crate::support::wire::{TlsServer, Version};

/// A server that does as the script says when asked for TLS as in `mode`: the client is told 421,
/// the log says `why`, and what the server heard is returned.
fn refused(
    mode: &str,
    why: &str,
    identity: impl FnOnce(&Lab, &Pki) -> Identity,
    script: impl FnOnce(&mut Peer, &TlsServer) + Send + 'static,
) -> Vec<String> {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let tls = TlsServer::new(&identity(&lab, &pki), Version::Tls12);
    let server = Scripted::start(&lab, move |peer| {
        script(peer, &tls);
        peer.until_end();
    });
    let config = Config::to(server.address()).upstream(&pki.upstream(mode, ""));
    let mut gateway = Gateway::start(&lab, &config);
    let mut control = Control::connect(&lab.net.client, gateway.address());
    told_421(&mut control);
    let said = control.expect_end();
    assert!(said.is_empty(), "{said}");
    let heard = server.finish();
    gateway.logs(why, |line| line.contains(why));
    gateway.stop();
    let secrets = ["USER", "PASS", "LIST"];
    let told = heard.iter().any(|line| secrets.iter().any(|word| line.starts_with(word)));
    assert!(!told, "{heard:?}");
    heard
}

/// The greeting may have gone through before it was clear that nothing else will.
fn told_421(control: &mut Control) {
    let greeting = control.reply();
    if greeting.code != 421 {
        control.expect_reply(421);
    }
}

fn good(_: &Lab, pki: &Pki) -> Identity {
    pki.server()
}

/// What stands behind the 234 in the clear could be anybody's (S13).
#[test]
fn clear_text_behind_the_234() {
    let heard = refused("explicit", "\"reason\":\"injection\"", good, |peer, _| {
        peer.say("220 Ready\r\n");
        peer.until("AUTH");
        peer.say("234 Go on\r\n230 You are logged in\r\n");
    });
    assert_eq!(heard, ["AUTH TLS"]);
}

/// A greeting that claims a login does not spare AUTH (P114).
#[test]
fn a_greeting_that_claims_a_login() {
    refused("explicit", "\"reason\":\"server-tls\"", good, |peer, _| peer.say("230 Welcome\r\n"));
}

#[test]
fn auth_refused() {
    for reply in ["500 What?\r\n", "502 No\r\n", "534 Not now\r\n", "334 Go on\r\n"] {
        let heard = refused("explicit", "\"reason\":\"server-tls\"", good, move |peer, _| {
            peer.say("220 Ready\r\n");
            peer.until("AUTH");
            peer.say(reply);
        });
        assert_eq!(heard, ["AUTH TLS"], "{reply}");
    }
}

/// It said yes and went on in the clear.
#[test]
fn no_handshake() {
    refused("explicit", "\"why\":\"not-tls\"", good, |peer, _| {
        peer.say("220 Ready\r\n");
        peer.until("AUTH");
        peer.say("234 Go on\r\n");
        // What the handshake begins with is no line; it is never answered as one.
        peer.hear();
        peer.say("500 What?\r\n");
    });
}

/// A plain server where TLS is to be first.
#[test]
fn no_implicit_tls() {
    refused("implicit", "\"why\":\"not-tls\"", good, |peer, _| peer.say("220 Ready\r\n"));
}

/// PROT refused is data in the clear.
#[test]
fn prot_refused() {
    let heard = refused("explicit", "\"reason\":\"server-tls\"", good, |peer, tls| {
        peer.greet_secure(tls);
        peer.until("PROT");
        peer.say("536 No\r\n");
    });
    assert_eq!(heard, ["AUTH TLS", "PBSZ 0", "PROT P"]);
}

fn bad_handshake(why: &str, identity: impl FnOnce(&Lab, &Pki) -> Identity) {
    refused("explicit", &format!("\"why\":\"{why}\""), identity, |peer, tls| {
        peer.say("220 Ready\r\n");
        peer.until("AUTH");
        peer.say("234 Go on\r\n");
        peer.try_tls(tls);
    });
}

#[test]
fn another_name() {
    bad_handshake("wrong-name", |_, pki| pki.issue("other", &["other.example.test", "10.9.9.9"]));
}

#[test]
fn an_expired_certificate() {
    bad_handshake("certificate-expired", |_, pki| pki.expired("old", &[&SERVER.to_string()]));
}

#[test]
fn an_untrusted_issuer() {
    bad_handshake("certificate-unknown-issuer", |lab, _| Pki::stranger(lab).server());
}

/// It speaks TLS 1.3 only, we up to 1.2 unless told otherwise (P138).
#[test]
fn no_common_version() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let tls = TlsServer::new(&pki.server(), Version::Tls13);
    let server = Scripted::start(&lab, move |peer| {
        peer.say("220 Ready\r\n");
        peer.until("AUTH");
        peer.say("234 Go on\r\n");
        peer.try_tls(&tls);
    });
    let config = Config::to(server.address()).upstream(&pki.upstream("explicit", ""));
    let mut gateway = Gateway::start(&lab, &config);
    let mut control = Control::connect(&lab.net.client, gateway.address());
    told_421(&mut control);
    gateway.logs("no-common-version", |line| line.contains("\"why\":\"no-common-version\""));
    gateway.stop();
    server.finish();
}

/// With its fingerprint pinned a certificate needs neither issuer nor name, and no other will do.
#[test]
fn a_pinned_certificate() {
    for pinned in [true, false] {
        let lab = Lab::new();
        let pki = Pki::stranger(&lab);
        let (ours, other) = (pki.issue("ours", &["x.test"]), pki.issue("other", &["x.test"]));
        let shown = if pinned { &ours } else { &other };
        let tls = TlsServer::new(shown, Version::Tls12);
        let server = Scripted::start(&lab, move |peer| {
            peer.say("220 Ready\r\n");
            peer.until("AUTH");
            peer.say("234 Go on\r\n");
            if pinned {
                peer.start_tls(&tls);
                peer.until_end();
            } else {
                peer.try_tls(&tls);
            }
        });
        let line =
            format!("tls = {{ mode = \"explicit\", fingerprint = \"{}\" }}", ours.fingerprint());
        let config = Config::to(server.address()).upstream(&line);
        let mut gateway = Gateway::start(&lab, &config);
        if pinned {
            let mut control = Control::login(&lab.net.client, gateway.address());
            control.expect("QUIT", 221);
        } else {
            let mut control = Control::connect(&lab.net.client, gateway.address());
            told_421(&mut control);
            gateway.logs("wrong-fingerprint", |line| line.contains("wrong-fingerprint"));
        }
        gateway.stop();
        server.finish();
    }
}

/// `auto` asks for TLS where FEAT lists it, and then there is no way back.
#[test]
fn auto_that_is_refused() {
    let heard = refused("auto", "\"reason\":\"server-tls\"", good, |peer, _| {
        peer.say("220 Ready\r\n");
        peer.until("AUTH");
        peer.say("502 No\r\n");
    });
    assert_eq!(heard, ["FEAT", "AUTH TLS"]);
}
