//! One process a session, on a connection that another program accepted.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use crate::support::ftp::{Control, Mode};
use crate::support::gateway::Config;
use crate::support::lab::{Lab, PASSWORD, content, peers};
use crate::support::net::PUBLIC;
use crate::support::process::{PATIENCE, Process, run};
use crate::support::servers::{Kind, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ftpgate");

/// The machine's log, as the gateway's machine sees it.
struct SystemLog(UnixDatagram);

impl SystemLog {
    fn new(lab: &Lab) -> Self {
        let dev = lab.path("dev");
        fs::create_dir(&dev).expect("own directory");
        fs::write(dev.join("null"), "").expect("own file");
        let socket = UnixDatagram::bind(dev.join("log")).expect("own socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("socket");
        // As everywhere: whoever runs may log.
        fs::set_permissions(dev.join("log"), Permissions::from_mode(0o666)).expect("chmod");
        Self(socket)
    }

    /// Waits for something to be logged by us.
    fn wait_for(&self, wanted: &str) {
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = self.0.recv(&mut buffer).unwrap_or_else(|e| panic!("no {wanted:?}: {e}"));
            let line = String::from_utf8_lossy(&buffer[..read]).into_owned();
            assert!(!line.contains(PASSWORD), "a password in the log");
            if line.starts_with("<94>ftpgate[") && line.contains(wanted) {
                return;
            }
        }
    }

    /// A command of the gateway's machine that has this log.
    fn command(lab: &Lab, program: &Path) -> Command {
        let mut command = lab.net.gateway.command("sh");
        let mount = "mount --bind /dev/null \"$1/null\" && mount --bind \"$1\" /dev || exit";
        command.args(["-c", &format!("{mount}; shift; exec \"$@\""), "sh"]);
        command.arg(lab.path("dev")).arg(program);
        command
    }
}

fn write(lab: &Lab, name: &str, text: &str) -> String {
    let path = lab.path(name);
    fs::write(&path, text).expect("own file");
    path.display().to_string()
}

/// Starts an inetd and waits until it listens.
fn start(lab: &Lab, name: &str, command: Command) -> Process {
    let mut process = Process::start(name, command, lab.path(&format!("{name}.log")));
    process.wait_for("it listens", |_| lab.net.gateway.listens(21).then_some(()));
    process
}

/// Two sessions at a time, transfers in every mode.
fn two_sessions(lab: &Lab, file: &[u8]) {
    let login = || Control::login(&lab.net.client, (PUBLIC, 21).into());
    let (mut first, mut second) = (login(), login());
    for mode in Mode::ALL {
        for session in [&mut first, &mut second] {
            assert!(session.fetch(mode, "RETR file") == file, "{mode:?}");
        }
    }
    first.store(Mode::Pasv, "STOR stored", file);
    for mut session in [first, second] {
        session.expect("QUIT", 221);
        assert_eq!(session.expect_end(), "");
    }
    assert!(fs::read(lab.home().join("stored")).expect("stored file") == file);
}

/// As systemd does it with Accept=yes and StandardInput=socket: the error stream is ours.
#[test]
fn systemd_with_accept() {
    let lab = Lab::new();
    let file = content(1, 100_000);
    lab.serve("file", &file);
    let server = Server::start(&lab, Kind::Vsftpd);
    let toml = write(&lab, "ftpgate.toml", &Config::to(server.address()).toml());
    let mut command = lab.net.gateway.command("systemd-socket-activate");
    command.args(["--inetd", "--accept", "-l", &format!("{PUBLIC}:21"), PROGRAM]);
    command.args(["inetd", "-c", &toml]);
    let mut process = start(&lab, "systemd-socket-activate", command);
    two_sessions(&lab, &file);
    process.wait_for("both sessions are logged", |p| {
        (p.log().matches("\"path\":\"file\"").count() == 8).then_some(())
    });
    assert!(!process.log().contains(PASSWORD), "a password in the log");
}

/// The classic: input, output and errors are the client's. Root's privileges are given up.
fn classic(lab: &Lab, name: &str, command: impl FnOnce(&str) -> Command) {
    let file = content(1, 100_000);
    lab.serve("file", &file);
    let server = Server::start(lab, Kind::Vsftpd);
    let log = SystemLog::new(lab);
    let config = Config::to(server.address()).section("[runtime]\nuser = \"nobody\"\n");
    let toml = write(lab, "ftpgate.toml", &config.toml());
    let _inetd = start(lab, name, command(&toml));
    two_sessions(lab, &file);
    log.wait_for("privileges given up");
    log.wait_for("\"path\":\"stored\"");

    // Told to the machine's log, and to the client no more than it may know.
    write(lab, "ftpgate.toml", "[[listener]]\nbnid = \"*:21\"\n");
    let mut refused = Control::connect(&lab.net.client, (PUBLIC, 21).into());
    let told = refused.expect_reply(421);
    assert_eq!(told.lines.len(), 1, "{}", told.text());
    assert_eq!(refused.expect_end(), "");
    log.wait_for("did you mean `bind`?");
}

#[test]
fn openbsd_inetd() {
    let lab = Lab::new();
    classic(&lab, "inetd", |toml| {
        let line =
            format!("{PUBLIC}:21 stream tcp nowait root {PROGRAM} ftpgate inetd -c {toml}\n");
        let mut command = SystemLog::command(&lab, &peers().join("usr/sbin/inetd"));
        command.args(["-i", &write(&lab, "inetd.conf", &line)]);
        command
    });
}

#[test]
fn xinetd() {
    let lab = Lab::new();
    classic(&lab, "xinetd", |toml| {
        let text = format!(
            "defaults\n{{\n}}\nservice ftpgate\n{{\n type = UNLISTED\n port = 21\n bind = {PUBLIC}\n \
             socket_type = stream\n protocol = tcp\n wait = no\n user = root\n \
             server = {PROGRAM}\n server_args = inetd -c {toml}\n}}\n"
        );
        let mut command = SystemLog::command(&lab, &peers().join("usr/sbin/xinetd"));
        command.args(["-dontfork", "-f", &write(&lab, "xinetd.conf", &text)]);
        command.args(["-pidfile", &lab.path("xinetd.pid").display().to_string()]);
        command
    });
}

/// At a terminal it says what it is for.
#[test]
fn without_a_connection() {
    let lab = Lab::new();
    let mut command = lab.net.gateway.command(PROGRAM);
    command.args(["inetd", "--upstream", "10.0.0.2"]);
    let said = run(command, "").expect_err("there is nobody");
    assert!(said.contains("standard input is no TCP connection"), "{said}");
}
