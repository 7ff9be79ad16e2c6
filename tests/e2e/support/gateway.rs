//! The gateway itself, as a process in its namespace.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;

use super::lab::{Lab, PASSWORD};
use super::net::{PUBLIC, PUBLIC6};
use super::process::{Process, run};

/// Set, it makes the clients talk to the servers without the gateway: to tell an oddity of a
/// client or a server from a fault of ours.
const DIRECT: &str = "E2E_DIRECT";

/// A configuration: one listener on the public addresses before one server, unless told more.
pub(crate) struct Config {
    upstream: SocketAddr,
    listener_lines: String,
    upstream_lines: String,
    ports: String,
    advertise_lines: String,
    sections: String,
}

impl Config {
    pub(crate) fn to(upstream: SocketAddr) -> Self {
        Self {
            upstream,
            listener_lines: String::new(),
            upstream_lines: String::new(),
            ports: "60000-60010".into(),
            advertise_lines: String::new(),
            sections: String::new(),
        }
    }

    /// Adds lines to `[[listener]]`.
    pub(crate) fn listener(mut self, lines: &str) -> Self {
        self.listener_lines = lines.into();
        self
    }

    /// Adds lines to `[[upstream]]`.
    pub(crate) fn upstream(mut self, lines: &str) -> Self {
        self.upstream_lines = lines.into();
        self
    }

    /// Another range of data ports than 60000-60010.
    pub(crate) fn ports(mut self, range: &str) -> Self {
        self.ports = range.into();
        self
    }

    /// Adds lines to `[advertise]`.
    pub(crate) fn advertise(mut self, lines: &str) -> Self {
        self.advertise_lines = lines.into();
        self
    }

    /// Adds whole sections.
    pub(crate) fn section(mut self, text: &str) -> Self {
        self.sections.push_str(text);
        self.sections.push('\n');
        self
    }

    /// The file.
    pub(crate) fn toml(&self) -> String {
        let Self { upstream, listener_lines, upstream_lines, .. } = self;
        let Self { ports, advertise_lines, sections, .. } = self;
        format!(
            "[[listener]]\nname = \"public\"\nbind = [\"{PUBLIC}:21\", \"[{PUBLIC6}]:21\"]\n\
             upstream = \"server\"\n{listener_lines}\n\
             [[upstream]]\nname = \"server\"\naddress = \"{upstream}\"\n{upstream_lines}\n\
             [data]\nports = \"{ports}\"\n\
             [advertise]\naddress = \"{PUBLIC}\"\n{advertise_lines}\n\
             {sections}\n"
        )
    }
}

/// What `ftpgate run` or `ftpgate check` says of this configuration file, as it ends: `Err` of what
/// it is not content with.
pub(crate) fn told(lab: &Lab, verb: &str, toml: &str) -> Result<String, String> {
    let mut command = lab.net.gateway.command(env!("CARGO_BIN_EXE_ftpgate"));
    configured(lab, &mut command, verb, toml);
    run(command, "")
}

/// Adds the verb and this configuration file, and nothing of the machine's own settings.
fn configured(lab: &Lab, command: &mut Command, verb: &str, toml: &str) {
    let file = lab.path("ftpgate.toml");
    fs::write(&file, toml).expect("own file");
    command.args([verb, "-c"]).arg(&file);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FTPGATE_")) {
        command.env_remove(name);
    }
}

/// A running gateway; killed when dropped, but a test should [`stop`](Self::stop) it.
pub(crate) struct Gateway {
    process: Option<Process>,
    address: SocketAddr,
    address6: SocketAddr,
}

impl Gateway {
    /// Starts it and waits until it listens.
    pub(crate) fn start(lab: &Lab, config: &Config) -> Self {
        if std::env::var_os(DIRECT).is_some() {
            lab.net.open_route();
            let upstream = config.upstream;
            return Self { process: None, address: upstream, address6: upstream };
        }
        Self::start_with(lab, &config.toml())
    }

    /// Starts it with this very configuration file.
    pub(crate) fn start_with(lab: &Lab, toml: &str) -> Self {
        let command = lab.net.gateway.command(env!("CARGO_BIN_EXE_ftpgate"));
        Self::start_from(lab, toml, command)
    }

    /// The same by way of another program, which is to run the command after its own arguments.
    pub(crate) fn start_by(lab: &Lab, by: &[&str], toml: &str) -> Self {
        let mut command = lab.net.gateway.command(by[0]);
        command.args(&by[1..]).arg(env!("CARGO_BIN_EXE_ftpgate"));
        Self::start_from(lab, toml, command)
    }

    /// The same with no more than so many descriptors.
    pub(crate) fn start_with_descriptors(lab: &Lab, config: &Config, limit: u32) -> Self {
        let mut command = lab.net.gateway.command("prlimit");
        command.arg(format!("--nofile={limit}")).arg(env!("CARGO_BIN_EXE_ftpgate"));
        Self::start_from(lab, &config.toml(), command)
    }

    /// The same, the program and what comes before its own arguments being this command.
    pub(crate) fn start_from(lab: &Lab, toml: &str, mut command: Command) -> Self {
        configured(lab, &mut command, "run", toml);
        let mut process = Process::start("ftpgate", command, lab.path("ftpgate.log"));
        process.wait_for("it is ready", |p| p.log().contains("\"ready\"").then_some(()));
        let (address, address6) =
            (SocketAddr::new(PUBLIC.into(), 21), SocketAddr::new(PUBLIC6.into(), 21));
        Self { process: Some(process), address, address6 }
    }

    /// Its process, which must not have been started through another that stays.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("a gateway in between").pid()
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn address6(&self) -> SocketAddr {
        self.address6
    }

    /// Waits for something in the log.
    pub(crate) fn logs(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let process = self.process.as_mut().expect("a gateway in between");
        process.wait_for(what, |p| p.log().lines().any(&wanted).then_some(()));
    }

    /// Has it read its certificates again.
    pub(crate) fn reload(&self) {
        self.process.as_ref().expect("a gateway in between").signal(Signal::HUP);
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.process.as_ref().expect("a gateway in between").signal(Signal::TERM);
    }

    /// Stops it and fails unless it ends well: soon, with success, and with no secret in its log,
    /// which is returned.
    pub(crate) fn stop(mut self) -> String {
        if self.process.is_some() {
            self.terminate();
            self.ended();
        }
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Waits for its end after [`terminate`](Self::terminate), with the same demands.
    pub(crate) fn ended(&mut self) {
        let status = self.gone();
        assert!(status.success(), "the gateway ended with {status}");
    }

    /// Waits for its end, however it judges it.
    pub(crate) fn gone(&mut self) -> ExitStatus {
        let process = self.process.as_mut().expect("a gateway in between");
        let status = process.exit();
        let log = process.log();
        assert!(!log.contains(PASSWORD), "a password in the log");
        assert!(!log.contains("panicked"), "the gateway panicked");
        status
    }
}
