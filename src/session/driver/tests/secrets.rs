//! What reaches the logs, and what must not.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;
use tracing::level_filters::LevelFilter;

use super::house::House;
use crate::session::policy::Policy;

const CANARY: &str = "c4n4ry";

/// Everything that is logged on this thread, at whatever level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE);
        let lines = lines.with_ansi(false).with_writer(move || log.clone());
        tracing::subscriber::set_default(lines.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// S27: no argument of PASS or ACCT, in whatever way the login goes.
#[tokio::test]
async fn passwords_reach_no_log() {
    let log = Log::default();
    let _guard = log.listen();
    let house = House::new(Policy::default()).await;
    let mut session = house.session().await;
    let pass = format!("PASS {CANARY}");
    session.ask("USER ann", "331 password").await;
    session.ask(&pass, &format!("530 {CANARY} is wrong")).await;
    session.ask(&pass, "332 account").await;
    session.ask(&format!("acct {CANARY}"), "230 in").await;
    session.client.write(format!("PASS\u{0}{CANARY}\r\nPASS a\r{CANARY}\r\n").as_bytes()).await;
    for code in ["500", "501"] {
        assert!(session.client.line().await.starts_with(code));
    }
    session.ask(&format!("{CANARY} {CANARY}"), "500 what?").await;
    let (_client, mut server) = session.retr().await;
    server.write_all(b"x").await.unwrap();
    drop(server);
    session.server.say(&format!("226 {CANARY}")).await;
    session.client.hears(&format!("226 {CANARY}")).await;
    session.server.say("421 bye").await;
    session.client.hears("421 bye").await;
    session.ended().await;
    let text = log.text();
    assert!(text.contains("verb=\"RETR\"") && text.contains("reason="), "{text}");
    assert!(!text.contains(CANARY), "{text}");
}

/// S28: a user name and a path that would forge lines, colour a terminal, or turn the text around.
#[tokio::test]
async fn names_cannot_forge_a_log() {
    let log = Log::default();
    let _guard = log.listen();
    let house = House::new(Policy::default()).await;
    let mut session = house.session().await;
    let nasty = "a\u{1b}[2J\u{202e}b\u{85}c\u{2028}d\" user=\"root\u{7f}";
    session.ask(&format!("USER {nasty}"), "331 password").await;
    session.ask("PASS x", "230 in").await;
    session.client.say("EPSV").await;
    session.server.hears("PASV").await;
    session.server.say("227 (1,2,3,4,5,6)").await;
    session.client.line().await;
    session.ask(&format!("RETR {nasty}"), "550 no").await;
    session.ask("QUIT", "221 bye").await;
    session.ended().await;
    let text = log.text();
    let records = text.lines().filter(|line| line.contains("user=")).count();
    assert!(records >= 2, "{text}");
    for line in text.lines() {
        assert!(
            !line.chars().any(|c| c.is_control() || "\u{202e}\u{2028}".contains(c)),
            "{line:?}"
        );
        assert!(!line.contains(" user=\"root"), "{line:?}");
    }
}
