//! `[[upstream]]`: a server, before it is joined with a listener's settings.

mod origin;
mod tls;

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::host;
use super::item::Item;
use super::problem::{Place, Problem};
use super::proxy;
use super::resolve::Flags;
use super::section::Section;
use super::settings::{DAY, Settings};
use super::value;
use crate::net::device::Device;
use crate::net::proxy_header::Version;
use crate::session::policy::{AborStyle, DataCommand, Policy, UpstreamMode};
use crate::upstream::options::{HostPort, Source, UpstreamOptions};

/// How long a refused EPSV is remembered (P73).
const RETRY_EPSV: Duration = Duration::from_secs(600);

/// An upstream as written.
#[derive(Debug)]
pub(super) struct Server {
    name: String,
    place: Option<Place>,
    /// None, where only clients say which server they want.
    address: Option<HostPort>,
    mode: UpstreamMode,
    ports: RangeInclusive<u16>,
    abor: AborStyle,
    cr_nul: bool,
    retry_epsv: Duration,
    tls: tls::Protection,
    sessions: usize,
    /// On its control connections, on its passive data connections.
    proxy: [Option<Version>; 2],
    source: Source,
    device: Option<Device>,
    mark: Option<u32>,
}

impl Server {
    /// One of which nothing is written.
    pub(super) fn any(name: String) -> Self {
        let Policy { upstream_mode: mode, upstream_ports: ports, abor, cr_nul, .. } =
            Policy::default();
        Self {
            name,
            place: None,
            address: None,
            mode,
            ports,
            abor,
            cr_nul,
            retry_epsv: RETRY_EPSV,
            tls: tls::Protection::none(),
            sessions: 0,
            proxy: [None; 2],
            source: Source::Auto,
            device: None,
            mark: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it stands for whatever server a client chooses.
    pub(super) fn is_any(&self) -> bool {
        self.address.is_none()
    }

    /// That it has no address, where it needs one.
    pub(super) fn without_address(&self) -> Problem {
        let problem = Problem::error("`address` is missing").within(self.place.as_ref());
        problem.about(format!("upstream.{}.address", self.name))
    }

    /// That its certificate could not be verified, as nobody knows its name.
    pub(super) fn nameless(&self) -> Option<Problem> {
        let place = self.tls.wants_name()?;
        let reason = "clients choose the server, so the name in its certificate is not known";
        let problem = Problem::error(reason).within(place.or(self.place.as_ref()));
        let remedy =
            "add the `server_name` that all of them share, a `fingerprint`, or verify = \"off\"";
        Some(problem.about(format!("upstream.{}.tls.verify", self.name)).remedy(remedy))
    }

    /// Gives a listener's settings what depends on the server behind it.
    pub(super) fn instruct(&self, settings: &mut Settings) {
        let policy = &mut settings.policy;
        policy.upstream_mode = self.mode;
        policy.upstream_ports = self.ports.clone();
        policy.abor = self.abor;
        policy.cr_nul = self.cr_nul;
        settings.data.upstream.borrowed = self.source == Source::Client;
        settings.data.upstream.device = self.device;
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
            proxy: self.proxy,
            source: self.source,
            device: self.device,
            mark: self.mark,
        }
    }

    /// Whether our connection to it may be under TLS.
    pub(super) fn is_protected(&self) -> bool {
        self.tls.options().is_some()
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

/// Reads one.
pub(super) fn read(mut s: Section<'_>, flags: &Flags, name: String) -> Option<Server> {
    s.overlay("address", flags.upstream.clone());
    let written = s.written("address");
    let tls = tls::Protection::read(s.section("tls"));
    let address = s.take("address", host::host_port(tls.port()));
    if let Some(address) = &address {
        tls.check_port(&s, address);
    }
    let mut server = Server { place: s.place().cloned(), ..Server::any(name) };
    s.set("data", &mut server.mode, value::choice(MODES));
    s.set("data_ports", &mut server.ports, data_ports);
    s.set("abor", &mut server.abor, value::choice(ABOR));
    s.set("cr_nul", &mut server.cr_nul, Item::boolean);
    s.set("retry_epsv", &mut server.retry_epsv, value::duration(Duration::ZERO..=DAY));
    s.set("sessions", &mut server.sessions, value::integer(0..=1_000_000));
    s.set("source", &mut server.source, origin::source(address.as_ref()));
    s.set("device", &mut server.device, origin::device);
    server.mark = s.take("mark", value::integer(0..=i64::from(u32::MAX)));
    server.proxy = ["proxy_protocol", "proxy_protocol_data"]
        .map(|key| s.take(key, value::choice(proxy::VERSIONS)).flatten());
    server.tls = tls;
    s.finish();
    server.address = address;
    (server.address.is_some() || written.is_none()).then_some(server)
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
