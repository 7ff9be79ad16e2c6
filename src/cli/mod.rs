//! The command line: one file a subcommand.

mod cert;
mod check;
#[cfg(feature = "demo")]
mod demo;
mod firewall;
mod inetd;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, Overrides, Problem, Problems};

/// sysexits' EX_CONFIG: the configuration is at fault, starting again will not help.
const EXIT_CONFIG: u8 = 78;

/// An FTP gateway for NAT, firewalls and containers.
#[derive(Debug, Parser)]
#[command(name = "ftpgate", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway in the foreground.
    ///
    /// With a file, or without one: `ftpgate run --upstream ftp.internal` listens on port 2121.
    Run(Settings),
    /// Carry one session on standard input, for inetd, xinetd and systemd's Accept=yes.
    ///
    /// The connection is accepted elsewhere: `bind` is not looked at, and limits and data ports are
    /// not shared between sessions. The log goes to the error stream, or to the system's log where
    /// that stream is the client's.
    Inetd {
        #[command(flatten)]
        settings: Settings,
        /// The listener whose settings hold; may be left out when there is only one.
        #[arg(long, value_name = "NAME")]
        listener: Option<String>,
    },
    /// Tell everything that is wrong with a configuration, then try what only this machine knows.
    ///
    /// Binds the control addresses, reaches the servers, resolves names and tries every data port.
    /// Ends with 0 when the gateway would work, 1 when not.
    Check(Settings),
    /// Print the firewall rules that a configuration needs.
    ///
    /// Nothing is changed: read them, then load them.
    Firewall(firewall::Command),
    /// Make a certificate for TLS towards clients.
    #[command(subcommand)]
    Cert(cert::Command),
    /// Show it: an FTP server and a gateway in this process, a file carried each way.
    #[cfg(feature = "demo")]
    Demo,
}

/// Where the configuration comes from. A flag wins over the environment, which wins over the file.
#[derive(Debug, Args)]
struct Settings {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", env = "FTPGATE_CONFIG")]
    config: Option<PathBuf>,
    /// The FTP server behind the gateway; port 21 unless given.
    #[arg(short, long, value_name = "HOST[:PORT]", env = "FTPGATE_UPSTREAM")]
    upstream: Option<String>,
    /// Where clients connect to; may be given more than once.
    #[arg(short, long, value_name = "IP:PORT", env = "FTPGATE_LISTEN", value_delimiter = ',')]
    listen: Vec<String>,
    /// The address that clients are told in 227: an IP address, a DNS name, or `auto`.
    #[arg(short, long, value_name = "ADDRESS", env = "FTPGATE_PUBLIC_ADDRESS")]
    public: Option<String>,
    /// Data ports that clients connect to.
    #[arg(long, value_name = "FIRST-LAST", env = "FTPGATE_PORTS")]
    ports: Option<String>,
    /// error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", env = "FTPGATE_LOG")]
    log: Option<String>,
    /// text, json, or auto: text on a terminal.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Settings {
    fn load(self) -> Result<(Config, Vec<Problem>), Problems> {
        let overrides = Overrides {
            listen: self.listen,
            upstream: self.upstream,
            public: self.public,
            ports: self.ports,
            log: self.log,
            log_format: self.log_format,
        };
        config::load(self.config.as_deref(), config::environment(), overrides)
    }
}

/// What `main` does.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(settings) => run::run(settings),
        Command::Inetd { settings, listener } => inetd::run(settings, listener.as_deref()),
        Command::Check(settings) => check::run(settings),
        Command::Firewall(command) => firewall::run(command),
        Command::Cert(command) => cert::run(&command),
        #[cfg(feature = "demo")]
        Command::Demo => run::demo(),
    };
    result.unwrap_or_else(|error| {
        tell(&format!("ftpgate: {error:#}"));
        ExitCode::FAILURE
    })
}

/// To the person at the terminal.
fn tell(line: &str) {
    use std::io::Write as _;
    // With nobody to tell it to, there is nothing to do about it.
    let _ = writeln!(std::io::stderr(), "{line}");
}
