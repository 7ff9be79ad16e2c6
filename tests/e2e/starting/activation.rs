//! Sockets that a service manager hands over.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::process::Signal;

use super::privileges::program;
use crate::support::ftp::{Control, Mode};
use crate::support::gateway::{Config, Gateway, told};
use crate::support::lab::{Lab, content};
use crate::support::mock::{Mock, polite};
use crate::support::net::{PUBLIC, PUBLIC6};
use crate::support::process::{PATIENCE, Process};
use crate::support::servers::{Kind, Server};

/// The usual configuration, with `bind` replaced.
fn bound(config: &Config, bind: &str) -> String {
    let toml = config.toml();
    let line = toml.lines().find(|line| line.starts_with("bind")).expect("a listener");
    toml.replace(line, &format!("bind = {bind}"))
}

/// What hands the sockets over to what is added to it.
pub(crate) fn manager(lab: &Lab, arguments: &[&str]) -> Command {
    let script = lab.path("hand_over.py");
    fs::write(&script, include_str!("../support/hand_over.py")).expect("own file");
    let mut command = lab.net.gateway.command("/usr/bin/python3");
    command.arg(script).args(arguments).arg("--").arg(program(lab));
    command
}

/// A process without any privilege serves port 21 of both families with two workers, and tells the
/// manager how it is.
#[test]
fn sockets_of_both_families() {
    let lab = Lab::new();
    let file = content(1, 100_000);
    lab.serve("file", &file);
    let server = Server::start(&lab, Kind::Vsftpd);
    let notices = UnixDatagram::bind(lab.path("notify")).expect("own socket");
    notices.set_read_timeout(Some(PATIENCE)).expect("socket");
    fs::set_permissions(lab.path("notify"), Permissions::from_mode(0o666)).expect("chmod");
    let notice = || {
        let mut buffer = [0; 256];
        let read = notices.recv(&mut buffer).expect("a notice");
        String::from_utf8_lossy(&buffer[..read]).trim_end().to_owned()
    };
    let config = Config::to(server.address()).section("[runtime]\nworkers = 2\n");
    let toml = bound(&config, "\"systemd:control\"");
    let sockets = [
        format!("control={PUBLIC}@21"),
        format!("control={PUBLIC6}@21"),
        "spare=127.0.0.1@1".into(),
    ];
    let mut command = manager(&lab, &sockets.each_ref().map(String::as_str));
    command.env("NOTIFY_SOCKET", lab.path("notify"));
    let gateway = Gateway::start_from(&lab, &toml, command);
    assert_eq!(notice(), "READY=1");
    let mut sessions: Vec<_> = (0..10)
        .flat_map(|_| [gateway.address(), gateway.address6()])
        .map(|address| Control::login(&lab.net.client, address))
        .collect();
    for session in &mut sessions {
        for mode in [Mode::Epsv, Mode::Eprt] {
            assert!(session.fetch(mode, "RETR file") == file);
        }
    }
    for mut session in sessions {
        session.expect("QUIT", 221);
    }
    gateway.reload();
    assert!(notice().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(notice(), "READY=1");
    gateway.terminate();
    assert_eq!(notice(), "STOPPING=1");
    let log = gateway.stop();
    assert!(log.contains("\"socket\":\"spare\""), "{log}");
    assert!(log.contains(&format!("\"address\":\"{PUBLIC}:21\"")), "{log}");
}

/// `ListenStream=21` is one socket for both families: its IPv4 clients are IPv4 clients to us.
#[test]
fn one_socket_for_both_families() {
    let lab = Lab::new();
    let file = content(1, 100_000);
    lab.serve("file", &file);
    let server = Server::start(&lab, Kind::Vsftpd);
    let toml = bound(&Config::to(server.address()), "\"systemd\"");
    let toml = toml.replace(&format!("address = \"{PUBLIC}\"\n"), "");
    let gateway = Gateway::start_from(&lab, &toml, manager(&lab, &["ftp=::@21"]));
    for (address, modes) in
        [(gateway.address(), &Mode::ALL[..]), (gateway.address6(), &[Mode::Epsv, Mode::Eprt])]
    {
        let mut session = Control::login(&lab.net.client, address);
        for &mode in modes {
            assert!(session.fetch(mode, "RETR file") == file, "{address} {mode:?}");
        }
        session.expect("QUIT", 221);
    }
    let log = gateway.stop();
    assert!(!log.contains("::ffff:"), "{log}");
}

/// Started when the first client comes, and again after it was stopped: no client is refused.
#[test]
fn on_demand() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let toml = bound(&Config::to(mock.address()), "\"systemd\"");
    let file = lab.path("ftpgate.toml");
    fs::write(&file, toml).expect("own file");
    let mut command = manager(&lab, &["--on-demand", "2", &format!("ftp={PUBLIC}@21")]);
    command.args(["run", "-c"]).arg(&file);
    let mut process = Process::start("hand_over", command, lab.path("ftpgate.log"));
    process.wait_for("it listens", |_| lab.net.gateway.listens(21).then_some(()));
    for round in 1..=2 {
        let mut control = Control::connect(&lab.net.client, (PUBLIC, 21).into());
        control.expect_reply(220);
        control.expect("QUIT", 221);
        control.expect_end();
        process.signal(Signal::TERM);
        let stopped = |p: &Process| p.log().matches("\"stopped\"").count() == round;
        if round == 1 {
            process.wait_for("the gateway stopped", |p| stopped(p).then_some(()));
        }
    }
    assert!(process.exit().success());
}

/// systemd's own tool, which starts the program when the first client comes.
#[test]
fn the_tool_of_systemd() {
    let lab = Lab::new();
    let file = content(1, 100_000);
    lab.serve("file", &file);
    let server = Server::start(&lab, Kind::Vsftpd);
    let toml = bound(&Config::to(server.address()), "\"systemd:control\"");
    let path = lab.path("ftpgate.toml");
    fs::write(&path, toml).expect("own file");
    let mut command = lab.net.gateway.command("systemd-socket-activate");
    command.args(["-l", &format!("{PUBLIC}:21"), "--fdname=control"]);
    command.arg(env!("CARGO_BIN_EXE_ftpgate")).args(["run", "-c"]).arg(path);
    let mut process = Process::start("ftpgate", command, lab.path("ftpgate.log"));
    process.wait_for("it listens", |_| lab.net.gateway.listens(21).then_some(()));
    let mut control = Control::login(&lab.net.client, (PUBLIC, 21).into());
    assert!(control.fetch(Mode::Pasv, "RETR file") == file);
    control.expect("QUIT", 221);
    process.signal(Signal::TERM);
    assert!(process.exit().success());
}

/// Not started by the manager, it says how it is to be started.
#[test]
fn nothing_handed_over() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let toml = bound(&Config::to(mock.address()), "\"systemd:control\"");
    let said = told(&lab, "run", &toml).expect_err("it cannot work");
    assert!(said.contains("takes the socket \"control\" from the service manager"), "{said}");
    assert!(said.contains("start the .socket unit"), "{said}");
    let said = told(&lab, "check", &toml).expect("nothing is wrong");
    assert!(said.contains("takes sockets that the service manager hands over"), "{said}");
}
