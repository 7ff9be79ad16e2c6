//! `[[upstream]]`: the servers, before they are joined with a listener's settings.

mod tls;

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::host;
use super::item::Item;
use super::problem::{Place, Problem};
use super::read::Reader;
use super::resolve::Flags;
use super::section::Section;
use super::settings::{DAY, Settings};
use super::value;
use crate::session::policy::{AborStyle, DataCommand, Policy, UpstreamMode};
use crate::upstream::options::{HostPort, UpstreamOptions};

/// How long a refused EPSV is remembered (P73).
const RETRY_EPSV: Duration = Duration::from_secs(600);

/// An upstream as written.
#[derive(Debug)]
pub(super) struct Server {
    name: String,
    address: HostPort,
    mode: UpstreamMode,
    ports: RangeInclusive<u16>,
    abor: AborStyle,
    cr_nul: bool,
    retry_epsv: Duration,
    tls: tls::Protection,
    sessions: usize,
}

impl Server {
    /// Gives a listener's settings what depends on the server behind it.
    pub(super) fn instruct(&self, settings: &mut Settings) {
        let policy = &mut settings.policy;
        policy.upstream_mode = self.mode;
        policy.upstream_ports = self.ports.clone();
        policy.abor = self.abor;
        policy.cr_nul = self.cr_nul;
        self.tls.instruct(settings);
    }

    /// Its run form.
    pub(super) fn options(&self) -> UpstreamOptions {
        UpstreamOptions {
            name: self.name.clone(),
            address: self.address.clone(),
            tls: self.tls.options(),
            sessions: NonZeroUsize::new(self.sessions),
            retry_epsv: self.retry_epsv,
        }
    }

    /// What a listener without TLS makes of a server that is to be protected as the client is.
    pub(super) fn never_protected(&self, listener: &str) -> Option<Problem> {
        let place = self.tls.follows_client()?;
        let reason = format!(
            "listener `{listener}` has no TLS, so its sessions reach the server in the clear"
        );
        let remedy = "mode = \"explicit\" protects the server's side whatever the client does";
        let problem = Problem::warning(reason).within(place).remedy(remedy);
        Some(problem.about(format!("upstream.{}.tls.mode", self.name)))
    }
}

/// All of them, the wrong ones by name only, so that a reference to one is no second problem.
#[derive(Debug, Default)]
pub(super) struct Servers(Vec<(String, Option<Server>)>);

impl Servers {
    /// Reads them; that there is none has then been reported.
    pub(super) fn read(reader: &Reader, root: &mut Section<'_>, flags: &Flags) -> Self {
        let mut sections = root.sections("upstream");
        if sections.is_empty() {
            if flags.upstream.is_none() && !reader.any_variable("FTPGATE_UPSTREAM_") {
                root.missed(
                    "upstream",
                    Problem::error("there is no [[upstream]]: no server to carry sessions to")
                        .remedy(
                            "add [[upstream]] with address = \"HOST:21\", or give --upstream HOST",
                        ),
                );
                return Self::default();
            }
            sections.push(root.implied("upstream"));
        }
        if let (Some(flag), 2..) = (&flags.upstream, sections.len()) {
            reader.report(
                flag.problem("can stand for the only upstream, and the file has several")
                    .remedy("set FTPGATE_UPSTREAM_NAME_ADDRESS for the one that is meant"),
            );
        }
        let mut names = Names::default();
        let read = sections.into_iter().map(|mut s| {
            let name = names.take(&mut s, "upstream");
            (name.clone(), server(s, flags, name))
        });
        Self(read.collect())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn named(&self, wanted: &str) -> Option<&Server> {
        self.0.iter().find(|(name, _)| name == wanted)?.1.as_ref()
    }
}

fn server(mut s: Section<'_>, flags: &Flags, name: String) -> Option<Server> {
    s.overlay("address", flags.upstream.clone());
    let address = s.require("address", |item| host::host_port(item, host::FTP_PORT));
    let Policy { mut upstream_mode, mut upstream_ports, mut abor, mut cr_nul, .. } =
        Policy::default();
    let (mut retry_epsv, mut sessions) = (RETRY_EPSV, 0);
    s.set("data", &mut upstream_mode, value::choice(MODES));
    s.set("data_ports", &mut upstream_ports, data_ports);
    s.set("abor", &mut abor, value::choice(ABOR));
    s.set("cr_nul", &mut cr_nul, Item::boolean);
    s.set("retry_epsv", &mut retry_epsv, value::duration(Duration::ZERO..=DAY));
    s.set("sessions", &mut sessions, value::integer(0..=1_000_000));
    let tls = tls::Protection::read(s.section("tls"), address.as_ref());
    s.finish();
    let (mode, ports) = (upstream_mode, upstream_ports);
    Some(Server { name, address: address?, mode, ports, abor, cr_nul, retry_epsv, sessions, tls })
}

const MODES: &[(&str, UpstreamMode)] = &[
    ("same", UpstreamMode::Same),
    ("passive", UpstreamMode::Passive),
    ("active", UpstreamMode::Active),
    ("PASV", UpstreamMode::Command(DataCommand::Pasv)),
    ("EPSV", UpstreamMode::Command(DataCommand::Epsv)),
    ("PORT", UpstreamMode::Command(DataCommand::Port)),
    ("EPRT", UpstreamMode::Command(DataCommand::Eprt)),
];

const ABOR: &[(&str, AborStyle)] = &[("plain", AborStyle::Plain), ("urgent", AborStyle::Urgent)];

/// Never below 1024: a server could name a service's port of its own machine (S2).
fn data_ports(item: &Item) -> Result<RangeInclusive<u16>, Problem> {
    let range = value::port_range(item)?;
    if range.first < 1024 {
        return Err(item.problem("ports below 1024 belong to services and are never dialled"));
    }
    Ok(range.first..=range.last)
}

/// Names given so far, as they appear in variables, and where.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<(String, Option<Place>)>);

impl Names {
    /// Reads the name of the next element of an array, or makes one up from its index.
    pub(super) fn take(&mut self, s: &mut Section<'_>, kind: &str) -> String {
        let place = s.place_of("name");
        let name = s.take("name", value::name).unwrap_or_else(|| match s.place() {
            Some(_) => format!("{kind}-{}", self.0.len()),
            None => "default".into(),
        });
        s.named(&name);
        let key = name.to_ascii_uppercase().replace(['-', '.'], "_");
        if let Some((_, first)) = self.0.iter().find(|(taken, _)| *taken == key) {
            let problem = Problem::error(format!("the name `{name}` is taken"))
                .within(place.as_ref().or(s.place()));
            let problem = match first {
                Some(first) => problem.context(first, "by this one"),
                None => problem,
            };
            s.report("name", problem);
        }
        self.0.push((key, place));
        name
    }
}
