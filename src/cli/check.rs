//! `ftpgate check`: the configuration, then what only this machine can tell.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

use super::run::background;
use super::{Settings, tell};
use crate::advertise::Advertiser;
use crate::config::{Config, ListenerConfig};
use crate::data::options::PortOptions;
use crate::data::ports::PortPool;
use crate::limits;
use crate::net::socket;
use crate::upstream::Upstream;

/// How long a server may take to greet us.
const GREETING: Duration = Duration::from_secs(10);

/// The longest greeting line that is looked at, bytes.
const MAX_GREETING: u64 = 4096;

/// Taken ports that are named one by one.
const MAX_NAMED_PORTS: usize = 5;

pub(super) fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let colour = stderr().is_terminal();
    let (config, warnings) = match settings.load() {
        Ok(loaded) => loaded,
        Err(problems) => {
            tell(&problems.render(colour));
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &warnings {
        tell(&warning.render(colour));
    }
    let mut report = Report::default();
    report.good(format!("configuration: {} listener(s)", config.listeners.len()));
    background()?.block_on(report.machine(&config));
    report.verdict()
}

/// What was found, told as it is found.
#[derive(Default)]
struct Report {
    failures: usize,
}

impl Report {
    fn good(&mut self, line: String) {
        say(&format!("ok    {line}"));
    }

    fn warn(&mut self, line: String) {
        say(&format!("warn  {line}"));
    }

    fn bad(&mut self, line: String) {
        self.failures += 1;
        say(&format!("FAIL  {line}"));
    }

    fn verdict(self) -> anyhow::Result<ExitCode> {
        stdout().flush()?;
        Ok(if self.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn machine(&mut self, config: &Config) {
        for listener in &config.listeners {
            self.control_addresses(listener);
            self.data_ports(listener);
            self.advertised(listener).await;
            self.server(listener).await;
        }
        self.descriptors(config);
    }

    fn control_addresses(&mut self, listener: &ListenerConfig) {
        for address in &listener.bind {
            match socket::listen_control(*address, false) {
                Ok(_) => self.good(format!("{}: {address} can be bound", listener.name)),
                Err(error) => {
                    self.bad(format!("{}: {address} cannot be bound: {error}", listener.name));
                }
            }
        }
    }

    fn data_ports(&mut self, listener: &ListenerConfig) {
        let local = listener.bind.first().map(SocketAddr::ip);
        let sides = [("client", &listener.data.downstream), ("server", &listener.data.upstream)];
        for (side, options) in sides {
            let bind = options.bind.or(local).unwrap_or(IpAddr::from([0, 0, 0, 0]));
            self.range(&listener.name, side, options, bind);
        }
    }

    fn range(&mut self, listener: &str, side: &str, options: &PortOptions, bind: IpAddr) {
        let taken = PortPool::new(options.clone()).probe(bind);
        let range = options.range;
        let Some((_, error)) = taken.first() else {
            return self.good(format!("{listener}: {side} data ports {range}: all can be bound"));
        };
        let named: Vec<String> =
            taken.iter().take(MAX_NAMED_PORTS).map(|(port, _)| port.to_string()).collect();
        let more = if taken.len() > MAX_NAMED_PORTS { ", …" } else { "" };
        self.warn(format!(
            "{listener}: {side} data ports {range}: {} cannot be bound ({}{more}): {error}; they \
             are passed over while it stays so",
            taken.len(),
            named.join(", "),
        ));
    }

    async fn advertised(&mut self, listener: &ListenerConfig) {
        let advertiser = Advertiser::new(listener.advertise.clone());
        advertiser.refresh_once().await;
        for address in &listener.bind {
            for line in advertiser.describe(address.ip()) {
                self.good(format!("{}: {line}", listener.name));
            }
            for line in advertiser.warnings(address.ip()) {
                self.warn(format!("{}: {line}", listener.name));
            }
        }
    }

    async fn server(&mut self, listener: &ListenerConfig) {
        let upstream = Upstream::new(listener.upstream.clone(), Vec::new());
        let options = upstream.options();
        let name = format!("{}: server {}", listener.name, options.address);
        match upstream.connect(listener.connect).await {
            Err(error) => self.bad(format!("{name}: {error}")),
            Ok(stream) => match greeting(stream).await {
                Some(line) if line.starts_with('2') || line.starts_with("120") => {
                    self.good(format!("{name} answers: {line}"));
                }
                Some(line) => self.bad(format!("{name} refuses us: {line}")),
                None => self.bad(format!("{name} accepts but does not greet: is it FTP?")),
            },
        }
    }

    fn descriptors(&mut self, config: &Config) {
        let Ok(limit) = socket::descriptor_limit() else { return };
        let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
        let sessions = config.listeners.iter().map(|listener| listener.limits.sessions).sum();
        match limits::descriptor_warning(limit, workers, sessions) {
            Some(warning) => self.warn(warning),
            None => self.good(format!("{limit} descriptors are enough for {sessions} sessions")),
        }
    }
}

/// The first line, with whatever is not printable replaced.
async fn greeting(stream: TcpStream) -> Option<String> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream).take(MAX_GREETING);
    let read = tokio::time::timeout(GREETING, reader.read_until(b'\n', &mut line)).await;
    let text = String::from_utf8_lossy(&line).trim_end().replace(char::is_control, "?");
    matches!(read, Ok(Ok(n)) if n > 0).then_some(text)
}

fn say(line: &str) {
    // Told to nobody is not a reason to stop.
    let _ = writeln!(stdout(), "{line}");
}
