//! The checker finds what is planted, and nothing else.

use super::rules::violations;

#[test]
fn upward_imports_are_found() {
    for (file, source, what) in [
        ("ftp/line.rs", "use crate::session::event::Side;", "session::event::Side"),
        ("ftp/line.rs", "use crate::limits;", "limits"),
        ("session/machine.rs", "use crate::data::ports::PortPool;", "data::ports::PortPool"),
        ("session/machine.rs", "use super::driver::run;", "session::driver::run"),
        ("session/machine.rs", "use super::{event::Event, driver};", "session::driver"),
        ("session/replies.rs", "fn f() { super::super::data::f() }", "data::f"),
        ("session/machine.rs", "use crate::session::{event, preamble::P};", "session::preamble::P"),
        ("data/relay.rs", "use crate::{ftp, app::App};", "app::App"),
        (
            "data/relay.rs",
            "use crate::{\n    ftp::addr,\n    session::{event, driver as d},\n};",
            "session::driver",
        ),
        ("data/mod.rs", "use super::listener;", "listener"),
        ("net/socket.rs", "fn f() -> crate::config::Config { todo!() }", "config::Config"),
        ("limits.rs", "use crate::session::driver::*;", "session::driver::*"),
        ("session/driver.rs", "use crate::listener::Listener;", "listener::Listener"),
        ("session/driver/perform.rs", "use crate::app::App;", "app::App"),
        ("listener.rs", "use crate::config::Config;", "config::Config"),
        ("config/resolve.rs", "use crate::app::App;", "app::App"),
        ("app.rs", "use crate::cli;", "cli"),
        ("data/ports.rs", "#[cfg(test)]\nmod tests;\nuse crate::app::App;", "app::App"),
        ("data/ports.rs", "use crate::newroom::X;", "newroom::X"),
    ] {
        let found = violations(file, source);
        assert!(found.iter().any(|line| line.contains(&format!("`{what}`"))), "{file}: {found:?}");
    }
}

#[test]
fn impurity_is_found() {
    for (file, source, word) in [
        ("ftp/line.rs", "use tokio::io;", "tokio"),
        ("ftp/line.rs", "use std::net::TcpStream;", "TcpStream"),
        ("ftp/addr.rs", "let at = std::time::Instant::now();", "Instant"),
        ("ftp/addr.rs", "let x: u8 = rand::random();", "rand"),
        ("ftp/addr.rs", "tracing::info!(\"x\");", "tracing"),
        ("session/machine.rs", "let now = Instant::now();", "now"),
        ("session/machine.rs", "map(Instant::now)", "now"),
        ("session/policy.rs", "async fn f(s: tokio::net::TcpStream) {}", "tokio"),
        ("session/transfer.rs", "let x = rand::random_bool(0.5);", "rand"),
        ("session/mod.rs", "use tracing::debug;", "tracing"),
    ] {
        let found = violations(file, source);
        assert!(found.iter().any(|line| line.contains(&format!("`{word}`"))), "{file}: {found:?}");
    }
}

#[test]
fn the_place_is_named() {
    let source = "//! crate::app\n/* tokio\n */\nfn f<'a>(x: &'a str) {\n    tokio::spawn(x);\n}\n";
    assert_eq!(violations("ftp/line.rs", source), ["src/ftp/line.rs:5: mentions `tokio`"]);
    assert_eq!(
        violations("newroom/mod.rs", ""),
        ["src/newroom/mod.rs:1: `newroom` has no layer: add it to the table"]
    );
}

#[test]
fn what_is_allowed_is_not_found() {
    for (file, source) in [
        ("ftp/addr.rs", "use super::scrub::replace;\nuse std::net::{IpAddr, SocketAddr};"),
        ("ftp/mod.rs", "pub mod addr;\npub use addr::HostPort;"),
        ("session/machine.rs", "use crate::ftp::line::LineBuffer;\nfn f(now: Instant) { g(now) }"),
        (
            "session/machine.rs",
            "/// Not tokio, `Instant::now()` or [`crate::app`].\nuse super::event::Event;",
        ),
        (
            "session/machine.rs",
            "let s = \"tokio // \\\" rand\"; let r = r#\"tracing \" \"#; let c = '\"'; let t = b'\\'';",
        ),
        ("session/machine.rs", "pub(crate) fn random() {} pub(super) fn now() { self.now() }"),
        (
            "session/mod.rs",
            "pub mod driver;\npub use self::driver::Session;\nuse crate::session::driver::X;",
        ),
        (
            "session/driver.rs",
            "use crate::data::Transfer;\nuse tokio::select;\nlet x = Instant::now();",
        ),
        ("session/driver/tests.rs", "use crate::app::App;"),
        ("session/machine/tests.rs", "use rand::Rng;"),
        ("data/ports/tests.rs", "use crate::app::App;"),
        ("listener.rs", "use crate::session::driver::Session;"),
        ("app.rs", "use crate::{config::Config, drain, listener::Listener};"),
        ("cli/run.rs", "use crate::app::App;\nuse super::Args;\nuse crate::say;"),
        ("lib.rs", "pub mod ftp;\npub mod session;\nmod anything;"),
        ("data/relay.rs", "fn f() { crate::limits::get::<u8>(); $crate::net::x(); }"),
    ] {
        assert_eq!(violations(file, source), [""; 0], "{source}");
    }
}
