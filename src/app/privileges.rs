//! Which privileges a configuration takes, and giving up all others.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::BuildError;
use crate::config::{Config, ListenerConfig};
use crate::data::options::PortOptions;
use crate::net::tuning::Congestions;
use crate::privileges::{self, Account, Capability, PrivilegeError};
use crate::telemetry::xferlog::Xferlog;
use crate::tls::Verify;
use crate::upstream::options::Source;

/// A capability, and the key that takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    capability: Capability,
    key: String,
    /// To the end, not only until everything is bound.
    lasting: bool,
    /// Kept if it is there; whether it must be is found out by trying (`transparent::lacking`).
    wished: bool,
}

/// What the kernel asks for what.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    /// The first port that anybody may have (`ip_unprivileged_port_start`).
    free_ports: u16,
    /// Naming a link takes a privilege.
    guards_devices: bool,
    /// What it takes to use the addresses of others, and to mark packets.
    borrowing: Capability,
    /// Which congestion controls it has, and for whom.
    congestions: Congestions,
}

impl Kernel {
    /// This one.
    fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let free_ports = read("/proc/sys/net/ipv4/ip_unprivileged_port_start");
        let release = read("/proc/sys/kernel/osrelease");
        let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
        let version = match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
            _ => (u32::MAX, 0),
        };
        // Either does for addresses; for marks the lesser one does since 5.17.
        let raw = privileges::holds(Capability::Raw);
        let admin = privileges::holds(Capability::Admin);
        let lesser = raw && (version >= (5, 17) || !admin);
        Self {
            free_ports: free_ports.trim().parse().unwrap_or(1024),
            guards_devices: version < (5, 7),
            borrowing: if lesser { Capability::Raw } else { Capability::Admin },
            congestions: Congestions::here(),
        }
    }
}

/// Everything that these listeners take.
pub(super) fn needed(listeners: &[ListenerConfig], kernel: &Kernel) -> Vec<Need> {
    let mut needs = Vec::new();
    for listener in listeners {
        let (name, data) = (&listener.name, &listener.data);
        let low = |port: u16| (1..kernel.free_ports).contains(&port);
        let mut port = |key: String, port: u16, lasting| {
            let key = format!("{key} (port {port})");
            let capability = Capability::BindService;
            needs.push(Need { capability, key, lasting, wished: false });
        };
        let fetched = listener.tls.as_ref().and_then(|tls| tls.acme.as_ref());
        let http = fetched.map(|acme| acme.http.as_slice()).unwrap_or_default();
        for (key, addresses, lasting) in
            [("bind", listener.bind.as_slice(), false), ("tls.acme.http", http, true)]
        {
            let mut ports: Vec<_> = addresses.iter().map(SocketAddr::port).collect();
            ports.dedup();
            for number in ports.into_iter().filter(|p| low(*p)) {
                port(format!("listener.{name}.{key}"), number, lasting);
            }
        }
        let mut data_ports = vec![
            ("source_port", data.source_port),
            ("upstream_source_port", data.upstream_source_port),
            ("ports", data.downstream.range.first),
        ];
        if listener.policy.lets_server_in() {
            data_ports.push(("upstream_ports", data.upstream.range.first));
        }
        for (key, number) in data_ports.into_iter().filter(|(_, p)| low(*p)) {
            port(format!("data.{key} of listener {name}"), number, true);
        }
        let guarded = |side: &&PortOptions| {
            let congestion = side.tuning.congestion;
            congestion.is_some_and(|wanted| kernel.congestions.guarding(wanted).is_some())
        };
        if [&data.downstream, &data.upstream].iter().any(guarded) {
            let key = format!("data.congestion of listener {name}");
            needs.push(Need { capability: Capability::Admin, key, lasting: true, wished: false });
        }
        let upstream = &listener.upstream;
        if kernel.guards_devices && upstream.device.is_some() {
            let (key, capability) = (format!("upstream.{}.device", upstream.name), Capability::Raw);
            needs.push(Need { capability, key, lasting: true, wished: false });
        }
        let marked = upstream.mark.is_some_and(|mark| mark != 0);
        if listener.mode.is_transparent() || upstream.source == Source::Client || marked {
            let (key, capability) = (format!("listener.{name}.mode"), kernel.borrowing);
            needs.push(Need { capability, key, lasting: true, wished: true });
        }
    }
    needs
}

/// What is to be done about privileges: looked at before anything is bound, done after.
#[derive(Debug)]
pub(crate) struct Privileges {
    needs: Vec<Need>,
    /// Whom to become.
    account: Option<Account>,
}

impl Privileges {
    /// Of these listeners.
    ///
    /// # Errors
    /// There is nobody of that name, or he cannot be turned into.
    pub(crate) fn plan(
        config: &Config,
        listeners: &[ListenerConfig],
    ) -> Result<Self, PrivilegeError> {
        let account = config.runtime.run_as.as_ref().map(Account::find).transpose()?;
        let account = account.filter(|account| !account.is_ours());
        if let (Some(account), false) = (&account, privileges::is_root()) {
            return Err(PrivilegeError::NotRoot(account.name.clone()));
        }
        Ok(Self { needs: needed(listeners, &Kernel::here()), account })
    }

    /// The same where nothing is to be bound.
    pub(crate) fn lasting(mut self) -> Self {
        self.needs.retain(|need| need.lasting);
        self
    }

    /// What this process cannot do and would have to: which capability, for which key, and how
    /// it is granted.
    pub(crate) fn missing(&self) -> Option<String> {
        let mut missing: BTreeMap<Capability, Vec<&str>> = BTreeMap::new();
        let missing_one = |need: &&Need| !need.wished && !privileges::holds(need.capability);
        for need in self.needs.iter().filter(missing_one) {
            missing.entry(need.capability).or_default().push(&need.key);
        }
        let sentences = missing.into_iter().map(|(capability, keys)| {
            let remedy = capability.remedy();
            format!("{} takes {capability}, which is not there; {remedy}", keys.join(" and "))
        });
        sentences.reduce(|all, next| format!("{all}; {next}"))
    }

    /// Fails when something is missing.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        self.missing().map_or(Ok(()), |missing| Err(BuildError::Capability(missing)))
    }

    /// Gives up what is to be given up, says what that leads to, and opens what must be opened by
    /// the user to whom it will belong.
    pub(super) fn settle(&self, config: &Config) -> Result<Option<Arc<Xferlog>>, BuildError> {
        self.give_up()?;
        for line in self.unreadable(&config.listeners) {
            tracing::warn!("{line}");
        }
        let xferlog = config.log.xferlog.clone().map(Xferlog::open).transpose();
        Ok(xferlog.map_err(BuildError::Xferlog)?.map(Arc::new))
    }

    /// Gives up all that is not needed to the end.
    ///
    /// # Errors
    /// The user cannot be had.
    pub(crate) fn give_up(&self) -> Result<(), PrivilegeError> {
        let lasting = self.needs.iter().filter(|need| need.lasting);
        let mut kept: Vec<_> = lasting.map(|need| need.capability).collect();
        kept.sort_unstable();
        kept.dedup();
        let told: Vec<_> = kept.iter().map(ToString::to_string).collect();
        let told = told.join(", ");
        match &self.account {
            Some(account) => {
                privileges::turn_into(account, &kept)?;
                tracing::info!(user = account.name, kept = told, "privileges given up");
            }
            None if privileges::is_root() => tracing::warn!(
                "running as root: whoever finds a flaw has the whole machine; set [runtime] user, \
                 or start it as a user of its own"
            ),
            None => {
                if let Err(error) = privileges::keep_only(&kept) {
                    tracing::warn!(%error, "capabilities cannot be given up");
                }
            }
        }
        Ok(())
    }

    /// Says which files cannot be read again, now that the user is another.
    pub(crate) fn unreadable(&self, listeners: &[ListenerConfig]) -> Vec<String> {
        let Some(Account { name, .. }) = &self.account else { return Vec::new() };
        let refused = |file: &&Path| {
            File::open(file).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        let tell = |file: &Path| {
            let file = file.display();
            format!(
                "{file} cannot be read by user {name}: what was read as root is used until the \
                 end, changes to it are not seen; give the file a group of that user: chgrp GROUP \
                 {file} && chmod g+r {file}"
            )
        };
        let mut files: Vec<_> = listeners.iter().flat_map(reread).filter(refused).collect();
        files.sort_unstable();
        files.dedup();
        files.into_iter().map(tell).collect()
    }
}

/// The files that are looked at again while the gateway runs.
fn reread(listener: &ListenerConfig) -> Vec<&Path> {
    let mut files: Vec<&Path> = listener.advertise.file.iter().map(|file| &**file).collect();
    if let Some(tls) = &listener.tls {
        files.extend(tls.certificates.iter().flat_map(|c| [&*c.chain, &*c.key]));
        files.extend(tls.client_ca.iter().map(|file| &**file));
    }
    if let Some(tls) = &listener.upstream.tls {
        files.extend(tls.certificate.iter().flat_map(|c| [&*c.chain, &*c.key]));
        if let Verify::CaFile(file) = &tls.verify {
            files.push(file);
        }
    }
    files
}

#[cfg(test)]
mod tests;
