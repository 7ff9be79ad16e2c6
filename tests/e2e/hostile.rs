//! Bad input gets a clear answer, and none of it gets to the server, which records all it hears.

use crate::support::ftp::{Control, Mode};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::Lab;
use crate::support::mock::{Mock, polite};

/// What the server hears of a client that logs in, before anything else.
const LOGIN: [&str; 3] = ["USER ftp1", "PASS secret1", "TYPE I"];

/// Runs the dialogue against the recording server; returns what that heard after the login.
fn heard(
    config: impl FnOnce(Config) -> Config,
    dialogue: impl FnOnce(&mut Control),
) -> Vec<String> {
    let lab = Lab::new();
    let mock = Mock::start(&lab, server);
    let gateway = Gateway::start(&lab, &config(Config::to(mock.address())));
    let mut control = Control::login(&lab.net.client, gateway.address());
    dialogue(&mut control);
    // All that came before has been dealt with when this is answered.
    control.expect("NOOP", 200);
    gateway.stop();
    let mut lines = mock.lines();
    assert_eq!(lines.drain(..LOGIN.len()).collect::<Vec<_>>(), LOGIN);
    assert_eq!(lines.pop().as_deref(), Some("NOOP"));
    lines
}

/// A server that has a port for PASV, which nobody is ever to reach.
fn server(line: &str) -> &'static str {
    match line {
        "PASV" => "227 Entering Passive Mode (10,0,0,2,234,96)\r\n",
        "EPSV" => "229 Entering Extended Passive Mode (|||60000|)\r\n",
        line => polite(line),
    }
}

#[test]
fn an_overlong_line() {
    let heard = heard(
        |c| c,
        |control| {
            // The tail of it, read as a line of its own, would be a command.
            for length in [4090, 4096, 10_000, 1_000_000] {
                control.send_raw(format!("CWD {}DELE x\r\n", "A".repeat(length)).as_bytes());
                control.expect_reply(500);
            }
            control.send_raw(&[b"CWD ".as_slice(), &[b'A'; 5000], b" DELE x\r\nNOOP\r\n"].concat());
            control.expect_reply(500);
            control.expect_reply(200);
        },
    );
    assert_eq!(heard, ["NOOP"]);
}

#[test]
fn control_characters_in_an_argument() {
    let heard = heard(
        |c| c,
        |control| {
            for line in ["CWD a\rDELE x", "CWD a\r\0DELE x", "CWD a\0DELE x", "CWD \0", "CWD a\r"] {
                control.expect(line, 501);
            }
        },
    );
    assert_eq!(heard, Vec::<String>::new());
}

/// A bare LF ends a line unless that is forbidden; it is never passed on.
#[test]
fn a_bare_line_feed() {
    let strict = heard(
        |c| c.section("[policy]\nbare_lf = false\n"),
        |control| {
            control.expect("CWD a\nDELE x", 501);
        },
    );
    assert_eq!(strict, Vec::<String>::new());
    let lenient = heard(
        |c| c,
        |control| {
            control.send_raw(b"CWD a\nNOOP\n");
            control.expect_reply(200);
            control.expect_reply(200);
        },
    );
    assert_eq!(lenient, ["CWD a", "NOOP"]);
}

/// One line in many segments and many lines in one are the same.
#[test]
fn lines_however_cut() {
    let heard = heard(
        |c| c,
        |control| {
            for byte in b"CWD one\r\n" {
                control.send_raw(&[*byte]);
            }
            control.expect_reply(200);
            control.send_raw("CWD two\r\nNOOP\r\n".repeat(20).as_bytes());
            for _ in 0..40 {
                control.expect_reply(200);
            }
        },
    );
    assert_eq!(heard.len(), 41);
    assert_eq!(heard[..3], ["CWD one", "CWD two", "NOOP"]);
}

#[test]
fn telnet_is_answered_and_kept() {
    let heard = heard(
        |c| c,
        |control| {
            // IAC DO ECHO, IAC WILL ECHO, then a name with an escaped 0xFF, which stays escaped.
            control.send_raw(b"\xff\xfd\x01\xff\xfb\x01CWD \xff\xff\r\n");
            control.expect_raw(b"\xff\xfc\x01\xff\xfe\x01");
            control.expect_reply(200);
        },
    );
    assert_eq!(heard, ["CWD \u{fffd}\u{fffd}"]);
}

/// Addresses that are none, or not the client's: refused, and the port agreed on before is gone.
#[test]
fn bad_ports() {
    const SYNTAX: [&str; 20] = [
        "PORT",
        "PORT ",
        "PORT 1,2,3,4,5",
        "PORT 1,2,3,4,5,6,7",
        "PORT 203,0,113,10,256,1",
        "PORT 203,0,113,10,-1,1",
        "PORT 203,0,113,10,0x10,1",
        "PORT 203,0,113,10,200, 1",
        "PORT 203.0.113.10.200.1",
        "PORT 203,0,113,10,,1",
        "PORT ,,,,,",
        "PORT a,b,c,d,e,f",
        "PORT 203,0,113,10,200,1x",
        "PORT +203,0,113,10,200,1",
        "EPRT",
        "EPRT |1|203.0.113.10|",
        "EPRT |1|203.0.113.10|66000|",
        "EPRT 1|203.0.113.10|50000|",
        "EPRT |1|203.0.113|50000|",
        "EPRT |2|203.0.113.10|50000|",
    ];
    const POLICY: [&str; 10] = [
        "PORT 203,0,113,11,200,1",
        "PORT 10,0,0,2,200,1",
        "PORT 127,0,0,1,200,1",
        "PORT 0,0,0,0,200,1",
        "PORT 203,0,113,1,0,21",
        "PORT 203,0,113,10,0,22",
        "PORT 203,0,113,10,3,255",
        "EPRT |1|10.0.0.2|50000|",
        "EPRT |1|203.0.113.10|25|",
        "EPRT |1|127.0.0.1|50000|",
    ];
    let heard = heard(
        |c| c,
        |control| {
            for line in SYNTAX {
                drop(control.open(Mode::Pasv));
                control.expect(line, 501);
                control.expect("RETR file", 425);
            }
            for line in POLICY {
                drop(control.open(Mode::Epsv));
                let reply = control.command(line);
                assert!(matches!(reply.code, 500 | 501 | 504), "{line}: {}", reply.text());
                control.expect("RETR file", 425);
            }
            let reply = control.expect("EPRT |3|x|50000|", 522);
            assert!(reply.text().contains('('), "no families: {}", reply.text());
        },
    );
    let asked = |line: &String| matches!(line.as_str(), "PASV" | "EPSV");
    assert!(heard.iter().all(asked), "{heard:?}");
}

/// Commands that would set up data connections or change the transport behind our back.
#[test]
fn commands_that_never_pass() {
    let heard = heard(
        |c| c,
        |control| {
            for line in ["LPRT 4,4,203,0,113,10,2,200,1", "LPSV", "CPSV", "SPSV", "SSCN ON", "CCC"]
            {
                let reply = control.command(line);
                assert!((500..=599).contains(&reply.code), "{line}: {}", reply.text());
            }
            control.expect("MODE B", 504);
        },
    );
    assert_eq!(heard, Vec::<String>::new());
}

/// After EPSV ALL nothing but EPSV.
#[test]
fn epsv_all() {
    let heard = heard(
        |c| c,
        |control| {
            control.expect("EPSV ALL", 200);
            for line in ["PASV", "PORT 203,0,113,10,200,1", "EPRT |1|203.0.113.10|50000|"] {
                let reply = control.command(line);
                assert!((500..=599).contains(&reply.code), "{line}: {}", reply.text());
            }
            control.expect("EPSV 2", 522);
            drop(control.open(Mode::Epsv));
        },
    );
    assert!(!heard.iter().any(|line| line.contains("ALL")), "{heard:?}");
}

/// Rubbish before the login is not listened to for ever.
#[test]
fn rubbish_before_login() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let config = Config::to(mock.address()).section("[limits]\nbad_commands = 3\n");
    let gateway = Gateway::start(&lab, &config);
    let mut control = Control::connect(&lab.net.client, gateway.address());
    control.expect_reply(220);
    let mut last = 0;
    for _ in 0..3 {
        let reply = control.command("1234 canary-word");
        assert!(!reply.text().contains("canary"), "{}", reply.text());
        last = reply.code;
    }
    assert_eq!(last, 421);
    assert_eq!(control.expect_end(), "");
    assert_eq!(mock.lines(), Vec::<String>::new());
    gateway.stop();
}

/// What a server names in its 227 is never dialled: not another host, not a low port.
#[test]
fn a_server_that_points_elsewhere() {
    fn lying(line: &str) -> &'static str {
        match line {
            "PASV" => "227 Entering Passive Mode (10,0,0,2,0,22)\r\n",
            line => polite(line),
        }
    }
    let lab = Lab::new();
    let mock = Mock::start(&lab, lying);
    let gateway = Gateway::start(&lab, &Config::to(mock.address()));
    let mut control = Control::login(&lab.net.client, gateway.address());
    control.expect("PASV", 425);
    control.in_step();
    gateway.stop();
}

/// Text in a reply that looks like an address opens nothing and is no answer to anything.
#[test]
fn an_echo_of_an_address() {
    fn echoing(line: &str) -> &'static str {
        match line {
            "CWD echo" => {
                "550-227 Entering Passive Mode (203,0,113,10,200,1)\r\n\
                227 Entering Passive Mode (203,0,113,10,200,1)\r\n550 No such directory\r\n"
            }
            "PASV" => "500 227 Entering Passive Mode (203,0,113,10,200,1)\r\n",
            line => polite(line),
        }
    }
    let lab = Lab::new();
    let mock = Mock::start(&lab, echoing);
    let gateway = Gateway::start(&lab, &Config::to(mock.address()));
    let mut control = Control::login(&lab.net.client, gateway.address());
    assert_eq!(control.expect("CWD echo", 550).lines.len(), 3);
    control.expect("RETR file", 425);
    let reply = control.command("PASV");
    assert!(matches!(reply.code, 425 | 500..=502), "{}", reply.text());
    control.expect("RETR file", 425);
    gateway.stop();
}
