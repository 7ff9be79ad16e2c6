//! `ftpgate check`: the configuration, then what only this machine can tell.

mod acme;
mod server;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use rustls_pki_types::UnixTime;

use super::run::background;
use super::{Settings, tell};
use crate::advertise::options::Mapping;
use crate::advertise::{Advertiser, mapping};
use crate::app::privileges::Privileges;
use crate::app::{control_ports, outgoing, transparent, worker_count};
use crate::config::{Config, ListenerConfig};
use crate::data::options::{PortOptions, PortRange};
use crate::data::ports::PortPool;
use crate::limits;
use crate::net::helper::KernelHelper;
use crate::net::socket::{self, is_missing_ipv6};
use crate::net::transparent::Abilities;
use crate::telemetry::xferlog::Xferlog;
use crate::tls::{TlsError, TlsServer};
use server::Trial;

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
        let privileges = self.plan(config);
        for listener in &config.listeners {
            self.privileges(listener);
            self.control_addresses(listener);
            self.certificates(listener).await;
            self.server(listener).await;
        }
        if let Some(privileges) = privileges {
            self.give_up(&privileges, config);
        }
        for listener in &config.listeners {
            self.data_ports(listener);
            self.origins(listener);
            self.advertised(listener).await;
        }
        self.kernel_helper();
        self.xferlog(config);
        self.descriptors(config);
    }

    fn plan(&mut self, config: &Config) -> Option<Privileges> {
        let plan = Privileges::plan(config, &config.listeners);
        let plan = plan.map_err(|error| self.bad(error.to_string())).ok()?;
        if let Some(missing) = plan.missing() {
            self.bad(missing);
        }
        Some(plan)
    }

    /// From here on with no more than the gateway will have.
    fn give_up(&mut self, privileges: &Privileges, config: &Config) {
        match (privileges.give_up(), &config.runtime.run_as) {
            (Err(error), _) => self.bad(error.to_string()),
            (Ok(()), Some(whom)) => self.good(format!("it can run as user {}", whom.user)),
            (Ok(()), None) => {}
        }
        for line in privileges.unreadable(&config.listeners) {
            self.warn(line);
        }
    }

    /// No failure: the service may run as another user, its folder be made when it starts.
    fn xferlog(&mut self, config: &Config) {
        let Some(path) = &config.log.xferlog else { return };
        let shown = path.display();
        match Xferlog::probe(path) {
            Ok(()) => self.good(format!("log.xferlog: {shown} can be written")),
            Err(error) => self.warn(format!(
                "log.xferlog: {shown} cannot be written by this user now: {error}; without it \
                 the gateway does not start"
            )),
        }
    }

    fn control_addresses(&mut self, listener: &ListenerConfig) {
        if !listener.handed.is_empty() {
            let name = &listener.name;
            self.good(format!("{name}: takes sockets that the service manager hands over"));
        }
        for address in &listener.bind {
            match socket::listen_control(*address, false) {
                Ok(_) => self.good(format!("{}: {address} can be bound", listener.name)),
                Err(error) if is_missing_ipv6(address, &error) && listener.bind.len() > 1 => {
                    let name = &listener.name;
                    self.warn(format!("{name}: this machine has no IPv6: {address} is left out"));
                }
                Err(error) => {
                    self.bad(format!("{}: {address} cannot be bound: {error}", listener.name));
                }
            }
        }
    }

    /// Where clients choose the server: what that means, and what it takes.
    fn privileges(&mut self, listener: &ListenerConfig) {
        let (name, may) = (&listener.name, Abilities::probe());
        for lack in transparent::lacking(listener, may) {
            self.bad(format!("{name}: {lack}"));
        }
        let chosen = (listener.mode, &listener.destinations);
        let ports = control_ports(&listener.bind);
        for line in transparent::describe(chosen, &ports, &listener.data.downstream, may.borrow) {
            self.good(format!("{name}: {line}"));
        }
    }

    /// What else rewrites FTP here.
    fn kernel_helper(&mut self) {
        let helper = KernelHelper::look();
        let Some(advice) = helper.advice() else { return };
        match helper {
            KernelHelper::Automatic => self.warn(advice.into()),
            _ => self.good(advice.into()),
        }
    }

    fn data_ports(&mut self, listener: &ListenerConfig) {
        let options = &listener.data.downstream;
        if options.borrowed && options.bind.is_none() {
            // They listen on the servers' addresses, which are not known before.
            return;
        }
        let mut addresses: Vec<IpAddr> = match options.bind {
            Some(ip) => vec![ip],
            None => reached(listener).iter().map(SocketAddr::ip).collect(),
        };
        addresses.sort_unstable();
        addresses.dedup();
        for address in addresses {
            self.range(&listener.name, "client", options, address);
            if let Some(ports) = listener.mirrored() {
                self.mirrored(&listener.name, ports, address);
            }
        }
        if listener.policy.lets_server_in() {
            // Which address the server will see is not known before it is reached.
            let any = IpAddr::from([0, 0, 0, 0]);
            self.range(&listener.name, "server", &listener.data.upstream, any);
        }
    }

    /// All of them are held all the time: one that is taken keeps the gateway from starting.
    fn mirrored(&mut self, listener: &str, ports: PortRange, address: IpAddr) {
        let taken = PortPool::new(PortOptions::new(ports)).probe(address);
        match taken.first() {
            None => {
                self.good(format!("{listener}: forwarded ports {ports} on {address} can be bound"));
            }
            Some((port, error)) if is_missing_ipv6(&SocketAddr::new(address, *port), error) => {}
            Some((port, error)) => self.bad(format!(
                "{listener}: forwarded port {port} on {address} cannot be bound: {error}"
            )),
        }
    }

    /// Every place that connections of ours leave from.
    fn origins(&mut self, listener: &ListenerConfig) {
        let name = &listener.name;
        for trial in outgoing::trials(listener, &reached(listener)) {
            let what = &trial.what;
            match trial.run() {
                Ok(()) => self.good(format!("{name}: {what}")),
                Err((error, remedy)) => self.bad(format!("{name}: {what}: {error}{remedy}")),
            }
        }
    }

    fn range(&mut self, listener: &str, side: &str, options: &PortOptions, bind: IpAddr) {
        let taken = PortPool::new(options.clone()).probe(bind);
        let ports = format!("{listener}: {side} data ports {options} on {bind}");
        let Some((port, error)) = taken.first() else {
            return self.good(format!("{ports}: all can be bound"));
        };
        if is_missing_ipv6(&SocketAddr::new(bind, *port), error) {
            return;
        }
        let named: Vec<String> =
            taken.iter().take(MAX_NAMED_PORTS).map(|(port, _)| port.to_string()).collect();
        let more = if taken.len() > MAX_NAMED_PORTS { ", …" } else { "" };
        self.warn(format!(
            "{ports}: {} cannot be bound ({}{more}): {error}; they are passed over while it stays \
             so",
            taken.len(),
            named.join(", "),
        ));
    }

    async fn advertised(&mut self, listener: &ListenerConfig) {
        let advertiser = Advertiser::new(listener.advertise.clone());
        advertiser.refresh_once().await;
        self.router(listener, &advertiser).await;
        if let Some(line) = advertiser.hidden_sources() {
            self.good(format!("{}: {line}", listener.name));
        }
        for address in &listener.bind {
            for line in advertiser.describe(address.ip()) {
                self.good(format!("{}: {line}", listener.name));
            }
            for line in advertiser.problems(address.ip()) {
                self.bad(format!("{}: {line}", listener.name));
            }
            for line in advertiser.warnings(address.ip()) {
                self.warn(format!("{}: {line}", listener.name));
            }
        }
    }

    /// A router in front is asked who it is, and for no port: it would open one.
    async fn router(&mut self, listener: &ListenerConfig, advertiser: &Advertiser) {
        let (mapping, name) = (advertiser.mapping(), &listener.name);
        if mapping == Mapping::Off {
            return;
        }
        match mapping::probe(mapping).await {
            Ok((line, address)) => {
                self.good(format!("{name}: {line}"));
                if let Some(line) = address.and_then(mapping::behind_another) {
                    self.warn(format!("{name}: {line}"));
                }
                advertiser.set_router(address);
            }
            Err(line) => self.bad(format!("{name}: {line}")),
        }
    }

    /// The certificates for clients.
    async fn certificates(&mut self, listener: &ListenerConfig) {
        let Some(options) = &listener.tls else { return };
        let name = &listener.name;
        if let Some(acme) = &options.acme {
            self.acme(name, acme).await;
        }
        match TlsServer::load(options) {
            // The first one is still to come.
            Err(TlsError::Read { file, .. }) if acme::is_to_come(options, &file) => {}
            Err(error) => self.bad(format!("{name}: TLS towards clients: {error}")),
            Ok(server) => {
                for line in server.describe() {
                    self.good(format!("{name}: {line}"));
                }
                if let Some(due) = server.renewal() {
                    self.good(format!("{name}: {}", acme::renewal(due)));
                }
                for line in server.warnings(UnixTime::now()) {
                    self.warn(format!("{name}: {line}"));
                }
            }
        }
    }

    async fn server(&mut self, listener: &ListenerConfig) {
        let Some(address) = &listener.upstream.address else { return };
        let name = format!("{}: server {address}", listener.name);
        let trial = Trial::new(listener);
        match trial.run().await {
            Ok(found) => {
                self.good(format!("{name} answers: {}", found.greeting));
                if let Some(tls) = &found.tls {
                    self.good(format!("{name} speaks TLS {}, {}", tls.version, tls.cipher));
                }
                if let Some(but) = found.but {
                    self.warn(format!("{name}: {but}"));
                }
                self.pin(&name, found.pin);
            }
            Err(refusal) => {
                self.bad(format!("{name}: {refusal}"));
                self.pin(&name, trial.fingerprint(&refusal).await);
            }
        }
    }

    /// A certificate that nothing here vouches for, but an eye may.
    fn pin(&mut self, name: &str, fingerprint: Option<String>) {
        if let Some(fingerprint) = fingerprint {
            self.warn(format!(
                "{name}: the certificate it shows is pinned with this line, if it is the right \
                 one: fingerprint = \"{fingerprint}\""
            ));
        }
    }

    fn descriptors(&mut self, config: &Config) {
        let Ok(limit) = socket::descriptor_limit() else { return };
        let standing = config.standing(worker_count(config.runtime.workers));
        let sessions = config.listeners.iter().map(|listener| listener.limits.sessions).sum();
        match limits::descriptor_warning(limit, standing, sessions) {
            Some(warning) => self.warn(warning),
            None => self.good(format!("{limit} descriptors are enough for {sessions} sessions")),
        }
    }
}

/// The addresses that clients reach it on; those of sockets to be handed over are not known.
fn reached(listener: &ListenerConfig) -> Vec<SocketAddr> {
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let unknown = (!listener.handed.is_empty()).then_some(any);
    listener.bind.iter().copied().chain(unknown).collect()
}

fn say(line: &str) {
    // Told to nobody is not a reason to stop.
    let _ = writeln!(stdout(), "{line}");
}
