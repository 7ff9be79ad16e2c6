//! `[[upstream]]`: the servers, before they are joined with a listener's settings.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::host;
use super::item::Item;
use super::problem::{Place, Problem};
use super::read::{Reader, Section};
use super::resolve::Flags;
use super::settings::{DAY, Settings};
use super::value;
use crate::session::policy::{AborStyle, DataCommand, Policy, UpstreamMode};
use crate::upstream::options::{HostPort, UpstreamOptions};

/// How long a refused EPSV is remembered (P73).
const RETRY_EPSV: Duration = Duration::from_secs(600);

/// An upstream as written.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    address: HostPort,
    mode: UpstreamMode,
    ports: RangeInclusive<u16>,
    abor: AborStyle,
    cr_nul: bool,
    retry_epsv: Duration,
}

impl Server {
    /// Gives a listener's policy what depends on the server behind it.
    pub(super) fn instruct(&self, policy: &mut Policy) {
        policy.upstream_mode = self.mode;
        policy.upstream_ports = self.ports.clone();
        policy.abor = self.abor;
        policy.cr_nul = self.cr_nul;
    }

    /// Its run form behind a listener with these settings.
    pub(super) fn options(&self, settings: &Settings) -> UpstreamOptions {
        UpstreamOptions {
            name: self.name.clone(),
            address: self.address.clone(),
            dial: settings.connect,
            retry_epsv: self.retry_epsv,
        }
    }
}

/// All of them; `None` when there is none or one is wrong, which has been reported.
pub(super) fn servers(
    reader: &Reader,
    root: &mut Section<'_>,
    flags: &Flags,
) -> Option<Vec<Server>> {
    let mut sections = root.sections("upstream");
    if sections.is_empty() {
        if flags.upstream.is_none() && !reader.any_variable("FTPGATE_UPSTREAM_") {
            reader.report(
                Problem::error("there is no [[upstream]]: no server to carry sessions to")
                    .remedy("add [[upstream]] with address = \"HOST:21\", or give --upstream HOST"),
            );
            return None;
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
    let read: Vec<_> = sections.into_iter().map(|s| server(s, flags, &mut names)).collect();
    read.into_iter().collect()
}

fn server(mut s: Section<'_>, flags: &Flags, names: &mut Names) -> Option<Server> {
    let name = names.take(&mut s, "upstream");
    s.overlay("address", flags.upstream.clone());
    let address = s.require("address", host::host_port);
    let policy = Policy::default();
    let mut server = Server {
        name: name?,
        address: address?,
        mode: policy.upstream_mode,
        ports: policy.upstream_ports,
        abor: policy.abor,
        cr_nul: policy.cr_nul,
        retry_epsv: RETRY_EPSV,
    };
    s.set("data", &mut server.mode, value::choice(MODES));
    s.set("data_ports", &mut server.ports, data_ports);
    s.set("abor", &mut server.abor, value::choice(ABOR));
    s.set("cr_nul", &mut server.cr_nul, Item::boolean);
    s.set("retry_epsv", &mut server.retry_epsv, value::duration(Duration::ZERO..=DAY));
    s.finish();
    Some(server)
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
    pub(super) fn take(&mut self, s: &mut Section<'_>, kind: &str) -> Option<String> {
        let mut place = None;
        let given = s.take("name", |item| {
            place = Some(item.place.clone());
            value::name(item)
        });
        let wrong = place.is_some() && given.is_none();
        let name = given.unwrap_or_else(|| match s.place() {
            Some(_) => format!("{kind}-{}", self.0.len()),
            None => "default".into(),
        });
        s.named(&name);
        let key = name.to_ascii_uppercase().replace(['-', '.'], "_");
        let first = self.0.iter().find(|(taken, _)| *taken == key).map(|(_, place)| place.clone());
        self.0.push((key, place.clone()));
        if let Some(first) = first {
            let mut problem = Problem::error(format!("the name `{name}` is taken"))
                .within(place.as_ref().or(s.place()));
            if let Some(first) = first {
                problem = problem.context(&first, "by this one");
            }
            s.report("name", problem);
            return None;
        }
        (!wrong).then_some(name)
    }
}
