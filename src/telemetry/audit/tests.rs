use std::time::Duration;

use super::super::log::tests::{json_of, text_of};
use super::*;
use crate::limits::LimitOptions;
use crate::registry::Registry;
use crate::session::event::TransferReport;

fn report(outcome: Outcome, uploaded: u64, downloaded: u64) -> TransferReport {
    TransferReport {
        outcome,
        downloaded,
        uploaded,
        client: Some("192.0.2.7:40000".parse().unwrap()),
        server: Some("[::ffff:10.0.0.5]:20".parse().unwrap()),
        closed_first: Some(Side::Upstream),
        elapsed: Duration::from_millis(1234),
        strangers: 2,
        client_tls: None,
        server_tls: None,
    }
}

fn record(code: u16, report: Option<TransferReport>) -> TransferRecord {
    TransferRecord {
        verb: "STOR".into(),
        path: b"a \"b\"\x1b.txt".to_vec(),
        user: b"anna\r\n".to_vec(),
        direction: Direction::Upload,
        binary: true,
        client_mode: "EPSV",
        server_mode: "PASV",
        server_code: Some(code),
        client_code: code,
        report,
    }
}

fn session() -> SessionInfo {
    let client: SocketAddr = "[::ffff:192.0.2.7]:50000".parse().unwrap();
    let permit = Registry::new().admit(client.ip(), &LimitOptions::default()).unwrap();
    let mut session = SessionInfo::new(permit.id(), "main".into(), client, None);
    session.server = Some("10.0.0.5:21".parse().unwrap());
    session.rule = Some(RuleName::Lan);
    session
}

#[test]
fn a_transfer_has_every_key() {
    let mut session = session();
    let delivered = record(226, Some(report(Outcome::Delivered, 1000, 0)));
    let out = json_of(|| session.transfer(&delivered));
    let id = session.id.to_string();
    for (key, value) in [
        ("message", "\"transfer\""),
        ("target", "\"ftpgate::transfer\""),
        ("session", &format!("\"{id}\"")),
        ("listener", "\"main\""),
        ("client", "\"192.0.2.7:50000\""),
        ("server", "\"10.0.0.5:21\""),
        ("user", r#""anna\\r\\n""#),
        ("verb", "\"STOR\""),
        ("path", r#""a \\\"b\\\"\\u{1b}.txt""#),
        ("direction", "\"upload\""),
        ("bytes_up", "1000"),
        ("bytes_down", "0"),
        ("seconds", "1.234"),
        ("outcome", "\"ok\""),
        ("closed_first", "\"server\""),
        ("client_mode", "\"EPSV\""),
        ("server_mode", "\"PASV\""),
        ("client_code", "226"),
        ("server_code", "226"),
        ("client_data", "\"192.0.2.7:40000\""),
        ("server_data", "\"10.0.0.5:20\""),
        ("strangers", "2"),
        ("rule", "\"lan\""),
    ] {
        assert!(out.contains(&format!("\"{key}\":{value}")), "{key}: {value} in {out}");
    }
    assert!(!out.contains("\"why\""), "{out}");
    assert_eq!(out.lines().count(), 1);
}

#[test]
fn what_never_happened_has_no_key() {
    let mut session = session();
    session.server = None;
    let refused = TransferRecord { server_code: None, ..record(425, None) };
    let out = json_of(|| session.transfer(&refused));
    for key in ["server", "server_code", "seconds", "closed_first", "client_data", "server_data"] {
        assert!(!out.contains(&format!("\"{key}\":")), "{key} in {out}");
    }
    assert!(out.contains("\"outcome\":\"failed\"") && out.contains("\"why\":\"refused\""), "{out}");
}

#[test]
fn only_what_both_call_whole_is_ok() {
    let broken = Outcome::Broken(Side::Downstream, Fault::Reset);
    let unopened = Outcome::NotOpened(Side::Upstream, Fault::Unreachable);
    let table = [
        (226, Outcome::Delivered, 10, "ok", ""),
        (226, Outcome::Delivered, 0, "ok", ""),
        (226, Outcome::NoData, 0, "ok", ""),
        (552, Outcome::Delivered, 10, "incomplete", "reply"),
        (550, Outcome::Delivered, 0, "failed", "reply"),
        (550, Outcome::NoData, 0, "failed", "no-data"),
        (426, broken, 10, "incomplete", "client reset"),
        (226, broken, 10, "incomplete", "client reset"),
        (425, unopened, 0, "failed", "server unreachable"),
        (550, Outcome::Stopped, 0, "failed", "stopped"),
        (451, Outcome::Stopped, 10, "incomplete", "stopped"),
        (426, Outcome::Stopped, 10, "aborted", "stopped"),
    ];
    for (code, outcome, bytes, word, why) in table {
        let verdict = verdict(&record(code, Some(report(outcome, bytes, 0))));
        let told = (verdict.0, verdict.1.map(|w| w.to_string()).unwrap_or_default());
        assert_eq!(told, (word, why.to_owned()), "{code} {outcome:?} {bytes}");
    }
}

#[test]
fn a_session_is_summed_up() {
    let mut session = session();
    let out = json_of(|| {
        session.transfer(&record(226, Some(report(Outcome::Delivered, 1000, 0))));
        session.transfer(&record(226, Some(report(Outcome::Delivered, 24, 7))));
        session.transfer(&record(550, None));
        session.closed(b"anna\r\n", "quit");
    });
    let last = out.lines().last().unwrap();
    for part in [
        "\"message\":\"session\"",
        "\"target\":\"ftpgate::session\"",
        "\"reason\":\"quit\"",
        "\"transfers\":3",
        "\"bytes_up\":1024",
        "\"bytes_down\":7",
        r#""user":"anna\\r\\n""#,
        "\"rule\":\"lan\"",
    ] {
        assert!(last.contains(part), "{part} in {last}");
    }
}

#[test]
fn text_cannot_be_forged() {
    let mut session = session();
    let mut forged = record(226, None);
    forged.path = b"x\n2026-01-01T00:00:00Z  INFO transfer user=\"root\"".to_vec();
    let out = text_of(|| session.transfer(&forged));
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(!out.contains("user=\"root\""), "{out}");
}
