//! What comes before and around the client's TLS: AUTH, PBSZ, PROT, CCC, and those who get it wrong.
//! The server behind records all it hears.

use std::io::{Read, Write};

use crate::support::ftp::{Control, Mode, Security};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, PASSWORD};
use crate::support::mock::{Mock, polite};
use crate::support::pki::{CA_FROM_CLIENT, Pki};
use crate::support::process::run;
use crate::support::servers::{Kind, Server};
use crate::support::wire::{TlsClient, Version};

/// In the order of their end.
struct Scene {
    gateway: Gateway,
    mock: Mock,
    tls: TlsClient,
    lab: Lab,
}

fn scene(mode: &str, more: &str) -> Scene {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let mock = Mock::start(&lab, server);
    // The more is logged, the more may be given away: every gateway's log is searched for secrets.
    let config = Config::to(mock.address())
        .listener(&pki.listener(mode, more))
        .section("[log]\nlevel = \"trace\"\n");
    let gateway = Gateway::start(&lab, &config);
    let tls = TlsClient::new(&pki.ca(), Version::Tls13);
    Scene { gateway, mock, tls, lab }
}

/// It has a port for PASV, which nobody is to reach, and knows no transfers.
fn server(line: &str) -> &'static str {
    match line {
        "PASV" => "227 Entering Passive Mode (10,0,0,2,234,96)\r\n",
        line => polite(line),
    }
}

impl Scene {
    fn connect(&self) -> Control<'_> {
        Control::connect(&self.lab.net.client, self.gateway.address())
    }

    fn greeted(&self) -> Control<'_> {
        let mut control = self.connect();
        control.expect_reply(220);
        control
    }

    fn secured(&self) -> Control<'_> {
        let mut control = self.greeted();
        control.expect("AUTH TLS", 234);
        control.start_tls(&self.tls);
        control
    }

    /// Ends the gateway; returns its log and what the server heard.
    fn end(self) -> (String, Vec<String>) {
        (self.gateway.stop(), self.mock.lines())
    }

    /// The log when this is in it.
    fn logs(&mut self, what: &str) {
        self.gateway.logs(what, |line| line.contains(what));
    }
}

/// Neither a password nor anything else of note is taken in the clear (S15).
#[test]
fn nothing_before_auth() {
    let scene = scene("required", "");
    let mut control = scene.greeted();
    for line in ["USER ftp1", &format!("PASS {PASSWORD}"), "ACCT x", "CWD /", "PASV", "LIST"] {
        control.expect(line, 530);
    }
    control.expect("NOOP", 200);
    let (_, heard) = scene.end();
    let heard: Vec<_> = heard.into_iter().filter(|line| line != "NOOP").collect();
    assert_eq!(heard, Vec::<String>::new());
}

/// The data of a client under TLS, too, where that is asked for.
#[test]
fn no_data_before_prot() {
    let scene = scene("required", "");
    let mut control = scene.secured();
    control.log_in();
    for line in ["LIST", "RETR file", "STOR file"] {
        control.open(Mode::Pasv);
        control.expect(line, 521);
    }
    control.expect("PBSZ 0", 200);
    control.expect("PROT C", 534);
    control.open(Mode::Pasv);
    control.expect("LIST", 521);
    control.in_step();
    let (_, heard) = scene.end();
    let transfers = ["LIST", "RETR file", "STOR file"];
    assert!(!heard.iter().any(|line| transfers.contains(&line.as_str())), "{heard:?}");
}

/// P112, P115, P121.
#[test]
fn the_order_of_things() {
    let scene = scene("optional", "");
    let mut control = scene.greeted();
    for (line, code) in [
        ("PBSZ 0", 503),
        ("PROT P", 503),
        ("CCC", 533),
        ("AUTH GSSAPI", 504),
        ("AUTH", 504),
        ("ADAT x", 502),
        ("AUTH tls", 234),
    ] {
        control.expect(line, code);
    }
    control.start_tls(&scene.tls);
    for (line, code) in [
        ("AUTH TLS", 503),
        ("PROT P", 503),
        ("PBSZ x", 501),
        ("PBSZ 16384", 200),
        ("PROT S", 536),
        ("PROT E", 536),
        ("PROT X", 504),
        ("PROT C", 200),
        ("PROT P", 200),
        ("CCC", 534),
        ("REIN", 502),
    ] {
        let reply = control.expect(line, code);
        assert!(!line.starts_with("PBSZ 1") || reply.text().contains("PBSZ=0"), "{reply:?}");
    }
    control.log_in();
    control.expect("AUTH TLS", 503);
    control.in_step();
    let (_, heard) = scene.end();
    assert_eq!(heard, ["USER ftp1", "PASS secret1", "TYPE I", "PWD"]);
}

#[test]
fn the_spellings_of_auth() {
    let scene = scene("required", "");
    for name in ["TLS", "TLS-C", "SSL", "TLS-P"] {
        let mut control = scene.greeted();
        control.expect(&format!("AUTH {name}"), 234);
        control.start_tls(&scene.tls.another());
        control.log_in();
        control.open(Mode::Pasv);
        // In the old spellings data are protected without a word: the server is asked, and refuses.
        let code = if name == "TLS" || name == "TLS-C" { 521 } else { 502 };
        assert_eq!(control.command("LIST").code, code, "{name}");
    }
    scene.end();
}

/// Without a certificate there is no TLS, and the server's own offer is not passed on.
#[test]
fn no_tls_here() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, |line| match line {
        "FEAT" => "211-Features\r\n AUTH TLS\r\n PBSZ\r\n PROT\r\n SIZE\r\n211 End\r\n",
        line => polite(line),
    });
    let gateway = Gateway::start(&lab, &Config::to(mock.address()));
    let mut control = Control::login(&lab.net.client, gateway.address());
    for line in ["AUTH TLS", "AUTH SSL", "PBSZ 0", "PROT P"] {
        control.expect(line, 502);
    }
    let features = control.expect("FEAT", 211).text();
    assert!(features.contains("SIZE"), "{features}");
    assert!(!["AUTH", "PBSZ", "PROT"].iter().any(|f| features.contains(f)), "{features}");
    gateway.stop();
}

/// A command in the same segment as AUTH would be read as if it had come under TLS (S12).
#[test]
fn injection_behind_auth() {
    for line in ["AUTH TLS\r\nUSER x\r\n", "AUTH TLS\r\nUSE", "NOOP\r\nAUTH TLS\r\nQUIT\r\n"] {
        let scene = scene("optional", "");
        let mut control = scene.greeted();
        control.send_raw(line.as_bytes());
        let said = control.expect_end();
        assert!(!said.contains("234") && !said.contains("331"), "{line:?}: {said}");
        let (_, heard) = scene.end();
        let heard: Vec<_> = heard.into_iter().filter(|line| line != "NOOP").collect();
        assert_eq!(heard, Vec::<String>::new(), "{line:?}");
    }
}

/// One that goes on in the clear after the 234 ends its session.
#[test]
fn clear_text_instead_of_a_handshake() {
    let mut scene = scene("optional", "");
    let mut control = scene.greeted();
    control.expect("AUTH TLS", 234);
    control.send(&format!("USER {PASSWORD}"));
    let said = control.expect_end();
    assert!(!said.contains("331"), "{said}");
    drop(control);
    scene.logs("not-tls");
    let (_, heard) = scene.end();
    assert_eq!(heard, Vec::<String>::new());
}

/// And one who speaks first where TLS is to be first.
#[test]
fn clear_text_at_an_implicit_door() {
    let scene = scene("implicit", "");
    let mut control = scene.connect();
    control.send("USER x");
    let said = control.expect_end();
    assert!(!said.contains("220") && !said.contains("331"), "{said}");
    drop(control);
    let (_, heard) = scene.end();
    assert_eq!(heard, Vec::<String>::new());
}

/// Implicit TLS starts with PROT P, and the client may lower it where that is allowed (P113).
#[test]
fn an_implicit_door() {
    let scene = scene("implicit", "data = \"optional\"");
    let mut control = scene.connect();
    control.start_tls(&scene.tls);
    control.expect_reply(220);
    control.log_in();
    control.expect("PROT C", 200);
    control.in_step();
    scene.end();
}

/// A browser that was led to an FTP port, inside TLS (S9, S10).
#[test]
fn another_protocol_inside_tls() {
    let scene = scene("implicit", "");
    let mut control = scene.connect();
    control.start_tls(&scene.tls);
    control.expect_reply(220);
    control.send_raw(b"POST / HTTP/1.1\r\nHost: ftp.example.test\r\n\r\nUSER ftp1\r\n");
    let said = control.expect_end();
    assert!(!said.contains("331") && !said.contains("HTTP"), "{said}");
    let (_, heard) = scene.end();
    assert_eq!(heard, Vec::<String>::new());
}

/// Application protocols: none and ours are fine, another's is refused in the handshake (P152).
#[test]
fn application_protocols() {
    let mut scene = scene("required", "");
    for (protocol, fine) in [("ftp", true), ("h2", false), ("http/1.1", false)] {
        let mut control = scene.greeted();
        control.expect("AUTH TLS", 234);
        let tls = control.try_tls(&scene.tls.alpn(protocol));
        assert_eq!(tls.is_ok(), fine, "{protocol}: {tls:?}");
    }
    scene.logs("\"why\":\"alpn\"");
    scene.end();
}

/// A name that no certificate has is refused (S10), one that it has is not.
#[test]
fn names() {
    let mut scene = scene("required", "");
    for (name, fine) in [("ftp.example.test", true), ("bank.example.test", false)] {
        let mut control = scene.greeted();
        control.expect("AUTH TLS", 234);
        let tls = control.try_tls(&scene.tls.named(name));
        assert_eq!(tls.is_ok(), fine, "{name}: {tls:?}");
    }
    scene.logs("\"why\":\"unknown-name\"");
    scene.end();
}

/// Old TLS is told so, and the log says what is wanted (P154).
#[test]
fn an_old_client() {
    let mut scene = scene("required", "");
    let mut openssl = scene.lab.client("openssl");
    openssl.args(["s_client", "-starttls", "ftp", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    openssl.args(["-connect", &scene.gateway.address().to_string()]);
    let said = run(openssl, "").expect_err("TLS 1.1 is refused");
    assert!(said.contains("alert"), "{said}");
    scene.logs("no-common-version");
    scene.end();
}

/// Both versions by OpenSSL itself, which also looks at the certificate.
#[test]
fn s_client() {
    let scene = scene("required", "");
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let mut openssl = scene.lab.client("openssl");
        openssl.args(["s_client", "-starttls", "ftp", "-brief", "-verify_return_error", version]);
        openssl.args(["-CAfile", CA_FROM_CLIENT, "-verify_ip", "203.0.113.1", "-alpn", "ftp"]);
        openssl.args(["-crlf", "-ign_eof", "-connect", &scene.gateway.address().to_string()]);
        let said = run(openssl, "USER ftp1\nQUIT\n").expect("a dialogue");
        for wanted in [name, "331 Password", "221 Bye"] {
            assert!(said.contains(wanted), "{version}: no {wanted} in\n{said}");
        }
    }
    scene.end();
}

/// PROT counts when the transfer command comes, not when the port is opened (P116).
#[test]
fn the_level_at_the_transfer() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.serve("file", b"content");
    let server = Server::start(&lab, Kind::Vsftpd);
    let listener = pki.listener("optional", "");
    let gateway = Gateway::start(&lab, &Config::to(server.address()).listener(&listener));
    let tls = TlsClient::new(&pki.ca(), Version::Tls13);
    let security = Security::Explicit(tls.clone());
    let mut control = Control::login_secure(&lab.net.client, gateway.address(), &security);
    for (before, after) in [("PROT C", "PROT P"), ("PROT P", "PROT C")] {
        control.expect(before, 200);
        let data = control.open(Mode::Pasv);
        control.expect(after, 200);
        control.set_protection((after == "PROT P").then_some(&tls));
        control.send("RETR file");
        let mut stream = control.protected(data);
        control.expect_started();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("data connection");
        assert_eq!(bytes, b"content", "{after}");
        drop(stream);
        control.expect_reply(226);
    }
    // Never a byte in the clear to one who asked for protection.
    control.expect("PROT P", 200);
    let data = control.open(Mode::Pasv);
    control.send("RETR file");
    let mut stream = control.data(data);
    stream.write_all(b"let me in\r\n").expect("data connection");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert!(!String::from_utf8_lossy(&bytes).contains("content"), "in the clear: {bytes:?}");
    let code = control.reply().code;
    let code = if code == 150 { control.reply().code } else { code };
    assert_eq!(code, 522, "{}", control.transcript());
    control.in_step();
    gateway.stop();
}
