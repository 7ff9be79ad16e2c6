//! What the process is allowed, and what it gives up.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use crate::support::ftp::{Control, Mode, Security};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::mock::{Mock, polite};
use crate::support::net::PUBLIC;
use crate::support::pki::Pki;
use crate::support::process::run;
use crate::support::servers::{Kind, Server};
use crate::support::wire::{TlsClient, Version};

const NOBODY: u32 = 65534;
/// CAP_NET_BIND_SERVICE, as /proc shows it.
const BIND_SERVICE: &str = "0000000000000400";
const NONE: &str = "0000000000000000";

/// What the kernel says of every thread of a process: each value that there is.
pub(super) fn status(pid: u32, key: &str) -> BTreeSet<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    tasks.map(|task| status_of(&task.expect("a thread").path(), key)).collect()
}

/// What it says of one of them.
pub(super) fn status_of(thread: &Path, key: &str) -> String {
    let text = fs::read_to_string(thread.join("status")).expect("a thread");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}:")));
    line.expect("a value").split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn all(value: &str) -> BTreeSet<String> {
    BTreeSet::from([value.to_owned()])
}

/// The program where everybody may execute it. Copied by a process of its own: what a test has open
/// for writing is open in whatever another test is about to execute, and is "busy" as long.
pub(super) fn program(lab: &Lab) -> String {
    let program = lab.path("ftpgate").display().to_string();
    let mut copy = Command::new("cp");
    copy.args([env!("CARGO_BIN_EXE_ftpgate"), &program]);
    run(copy, "").expect("own file");
    program
}

/// The gateway as nobody, with options of setpriv.
fn as_nobody(lab: &Lab, options: &[&str]) -> Command {
    let mut command = lab.net.gateway.command("setpriv");
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]).args(options);
    command.arg(program(lab));
    command
}

/// Started as root, it becomes somebody else in all of its threads and keeps what port 20 takes;
/// transfers of both kinds work, and it can still read its certificates and write its log.
#[test]
fn root_turns_into_a_user() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let file = content(1, 200_000);
    lab.serve("file", &file);
    let server = Server::start(&lab, Kind::Vsftpd);
    let identity = pki.gateway();
    chown(&identity.key, None, Some(NOBODY)).expect("chown");
    fs::set_permissions(&identity.key, Permissions::from_mode(0o640)).expect("chmod");
    let logs = lab.path("logs");
    fs::create_dir(&logs).expect("own directory");
    chown(&logs, Some(NOBODY), None).expect("chown");
    let xferlog = logs.join("xferlog");
    let config = Config::to(server.address())
        .listener(&pki.listener("optional", ""))
        .section("[listener.data]\nsource_port = 20\n")
        .section("[runtime]\nuser = \"nobody\"\nworkers = 2\n")
        .section(&format!("[log]\nxferlog = \"{}\"\n", xferlog.display()));
    let mut gateway = Gateway::start(&lab, &config);

    let pid = gateway.pid();
    let whom = format!("{NOBODY} {NOBODY} {NOBODY} {NOBODY}");
    assert_eq!(status(pid, "Uid"), all(&whom));
    assert_eq!(status(pid, "Gid"), all(&whom));
    assert_eq!(status(pid, "Groups"), all(&NOBODY.to_string()));
    assert_eq!(status(pid, "NoNewPrivs"), all("1"));
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(status(pid, set), all(NONE), "{set}");
    }
    for set in ["CapEff", "CapPrm"] {
        // The writer of the log, older than the rest, needs none.
        let (found, most) = (status(pid, set), BTreeSet::from([NONE.into(), BIND_SERVICE.into()]));
        assert!(found.contains(BIND_SERVICE) && found.is_subset(&most), "{set}: {found:?}");
    }
    let main = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    assert!(main.contains(&format!("CapBnd:\t{NONE}")), "{main}");
    let owner = fs::metadata(format!("/proc/{pid}/environ")).expect("a process").uid();
    assert_eq!(owner, 0, "others of its user could look into its memory");

    let mut control = Control::login(&lab.net.client, gateway.address());
    for mode in Mode::ALL {
        assert!(control.fetch(mode, "RETR file") == file, "{mode:?}");
    }
    assert_eq!(fs::metadata(&xferlog).expect("a log").uid(), NOBODY);
    // A log that was moved away is made anew.
    fs::rename(&xferlog, logs.join("old")).expect("own file");
    control.fetch(Mode::Pasv, "RETR file");
    control.expect("QUIT", 221);
    gateway.logs("a new transfer log", |_| xferlog.exists());

    let renewed = pki.issue("renewed", &["203.0.113.1"]);
    fs::copy(&renewed.chain, &identity.chain).expect("own file");
    fs::write(&identity.key, fs::read(&renewed.key).expect("own file")).expect("own file");
    gateway.reload();
    gateway.logs("new certificates", |line| line.contains("new certificates are in use"));
    let security = Security::Explicit(TlsClient::new(&pki.ca(), Version::Tls13));
    let mut control = Control::login_secure(&lab.net.client, gateway.address(), &security);
    assert!(control.fetch(Mode::Epsv, "RETR file") == file);
    control.expect("QUIT", 221);
    let log = gateway.stop();
    assert!(log.contains("privileges given up"), "{log}");
    assert!(!log.contains("running as root"), "{log}");
    assert!(!log.contains("cannot be read by user"), "{log}");
}

/// Nothing kept where nothing is needed; what only root can read is read, and its end told.
#[test]
fn a_key_of_roots() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let mock = Mock::start(&lab, polite);
    let identity = pki.gateway();
    fs::set_permissions(&identity.key, Permissions::from_mode(0o600)).expect("chmod");
    let config = Config::to(mock.address())
        .listener(&pki.listener("optional", ""))
        .section("[runtime]\nuser = \"nobody\"\n");
    let mut gateway = Gateway::start(&lab, &config);
    assert_eq!(status(gateway.pid(), "CapEff"), all(NONE));
    assert_eq!(status(gateway.pid(), "CapPrm"), all(NONE));
    let told = format!("{} cannot be read by user nobody", identity.key.display());
    gateway.logs("what cannot be read again", |line| line.contains(&told));
    let security = Security::Explicit(TlsClient::new(&pki.ca(), Version::Tls13));
    Control::login_secure(&lab.net.client, gateway.address(), &security).expect("QUIT", 221);
    gateway.stop();
}

/// It works, and says that it should not be so.
#[test]
fn root_that_stays() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let gateway = Gateway::start(&lab, &Config::to(mock.address()));
    assert_eq!(status(gateway.pid(), "NoNewPrivs"), all("1"));
    let log = gateway.stop();
    assert!(log.contains("running as root"), "{log}");
}

/// Who may not bind is told what is missing, for which keys, and how to grant it.
#[test]
fn a_capability_that_is_missing() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let config = Config::to(mock.address()).section("[listener.data]\nsource_port = 20\n");
    let file = lab.path("ftpgate.toml");
    fs::write(&file, config.toml()).expect("own file");
    for verb in ["run", "check"] {
        let mut command = as_nobody(&lab, &[]);
        command.args([verb, "-c"]).arg(&file);
        let said = run(command, "").expect_err("it cannot work");
        for part in [
            "listener.public.bind (port 21) and data.source_port of listener public (port 20) takes \
             CAP_NET_BIND_SERVICE",
            "AmbientCapabilities=CAP_NET_BIND_SERVICE",
            "setcap cap_net_bind_service=+ep",
            "--cap-add NET_BIND_SERVICE",
        ] {
            assert!(said.contains(part), "{verb}: no {part:?} in:\n{said}");
        }
    }
}

/// The one capability is enough for port 21, and given up once that is bound; where port 20 needs
/// it, it is kept, and active transfers leave from there.
#[test]
fn an_ambient_capability() {
    let lab = Lab::new();
    let file = content(1, 100_000);
    lab.serve("file", &file);
    let server = Server::start(&lab, Kind::Vsftpd);
    let config = Config::to(server.address());
    let ambient = ["--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service"];
    let gateway = Gateway::start_from(&lab, &config.toml(), as_nobody(&lab, &ambient));
    for set in ["CapEff", "CapPrm", "CapAmb", "CapInh"] {
        assert_eq!(status(gateway.pid(), set), all(NONE), "{set}");
    }
    let mut control = Control::login(&lab.net.client, gateway.address());
    assert!(control.fetch(Mode::Pasv, "RETR file") == file);
    control.expect("QUIT", 221);
    let log = gateway.stop();
    assert!(!log.contains("running as root"), "{log}");

    let config = config.section("[listener.data]\nsource_port = 20\n");
    let gateway = Gateway::start_from(&lab, &config.toml(), as_nobody(&lab, &ambient));
    let mut control = Control::login(&lab.net.client, gateway.address());
    assert!(control.fetch(Mode::Port, "RETR file") == file);
    gateway.stop();
}

/// Only root can become somebody else, and only somebody whom there is.
#[test]
fn a_user_that_cannot_be_had() {
    let lab = Lab::new();
    let attempt = |mut command: Command, user: &str| {
        let file = lab.path("ftpgate.toml");
        let toml = format!(
            "[[listener]]\nbind = \"{PUBLIC}:2121\"\n[[upstream]]\naddress = \"10.0.0.2\"\n\
             [runtime]\nuser = \"{user}\"\n"
        );
        fs::write(&file, toml).expect("own file");
        command.args(["run", "-c"]).arg(&file);
        run(command, "").expect_err("it cannot work")
    };
    let root = || lab.net.gateway.command(env!("CARGO_BIN_EXE_ftpgate"));
    let said = attempt(as_nobody(&lab, &[]), "daemon");
    assert!(said.contains("only root can turn into another user"), "{said}");
    let said = attempt(root(), "no-such-user");
    assert!(said.contains("useradd --system no-such-user"), "{said}");
    let mut bounded = lab.net.gateway.command("setpriv");
    bounded.args(["--bounding-set", "-setuid,-setgid", env!("CARGO_BIN_EXE_ftpgate")]);
    let said = attempt(bounded, "nobody");
    assert!(said.contains("--cap-add SETUID --cap-add SETGID"), "{said}");
}

/// The self-check looks with the eyes of the user that the gateway will be.
#[test]
fn checked_as_that_user() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let mock = Mock::start(&lab, polite);
    let identity = pki.gateway();
    fs::set_permissions(&identity.key, Permissions::from_mode(0o600)).expect("chmod");
    let config = Config::to(mock.address())
        .listener(&pki.listener("optional", ""))
        .section("[log]\nxferlog = \"/var/log/ftpgate-e2e-xferlog\"\n")
        .section("[runtime]\nuser = \"nobody\"\n");
    let file = lab.path("ftpgate.toml");
    fs::write(&file, config.toml()).expect("own file");
    let mut command = lab.net.gateway.command(env!("CARGO_BIN_EXE_ftpgate"));
    command.args(["check", "-c"]).arg(&file);
    let said = run(command, "").unwrap_or_else(|said| said);
    let key = identity.key.display();
    for line in [
        format!("ok    public: {PUBLIC}:21 can be bound"),
        "ok    it can run as user nobody".into(),
        format!("warn  {key} cannot be read by user nobody"),
        "warn  log.xferlog: /var/log/ftpgate-e2e-xferlog cannot be written".into(),
    ] {
        assert!(said.contains(&line), "no {line:?} in:\n{said}");
    }
}
