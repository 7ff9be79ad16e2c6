//! The sections that a listener may overlay key by key: data, advertise, limits, timeouts, policy.

use std::net::IpAddr;
use std::time::Duration;

use super::expose;
use super::host::{Family, STUN_PORT, advertised, host_port};
use super::item::Item;
use super::problem::{Place, Problem};
use super::proxy;
use super::resolve::Flags;
use super::section::Section;
use super::tuning;
use super::value;
use crate::advertise::options::{AdvertiseOptions, CloudOptions, Mapping, Rule, Source};
use crate::data::options::{DataOptions, PortRange};
use crate::limits::LimitOptions;
use crate::session::policy::{Policy, PortCommand, Rfc6384, UnknownVerbs};

/// Ports that are held all the time.
const FORWARDED: u16 = 1000;
const ZERO: Duration = Duration::ZERO;
const MOMENT: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
/// A lost packet is sent again after one second, and once more after three (P161).
const PROXY_HEADER: Duration = Duration::from_secs(3);
/// Linux takes no more than 32767 s for `TCP_KEEPIDLE`.
const KEEPALIVE: Duration = Duration::from_secs(9 * 3600);

/// Everything that may differ from listener to listener.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) data: DataOptions,
    pub(super) advertise: AdvertiseOptions,
    pub(super) limits: LimitOptions,
    pub(super) policy: Policy,
    /// `T_dial` of the upstream's control connection.
    pub(super) connect: Duration,
    pub(super) keepalive: Duration,
    /// How long a balancer's PROXY header may take.
    pub(super) proxy_header: Duration,
    pub(super) places: Places,
    /// Judged against the range when that is final.
    pub(super) expose: expose::Form,
}

/// Where the values stand that are judged together with others.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub(super) ports: Option<Place>,
    pub(super) upstream_ports: Option<Place>,
    pub(super) forwarded: Option<Place>,
    pub(super) expose: Option<Place>,
    /// Towards clients, towards servers.
    pub(super) tuning: [tuning::Places; 2],
    pub(super) address: Option<Place>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: DataOptions::default(),
            advertise: AdvertiseOptions::default(),
            limits: LimitOptions::default(),
            policy: Policy::default(),
            connect: Duration::from_secs(10),
            keepalive: Duration::from_secs(60),
            proxy_header: Duration::from_secs(5),
            places: Places::default(),
            expose: expose::Form::Same,
        }
    }
}

impl Settings {
    /// Reads the sections below a parent, the root or a listener, over what is there already;
    /// `more` reads what else there is in its timeouts.
    pub(super) fn read(
        &mut self,
        parent: &mut Section<'_>,
        flags: &Flags,
        more: impl FnOnce(&mut Section<'_>),
    ) {
        let mut data = parent.section("data");
        data.overlay("ports", flags.ports.clone());
        self.data(data);
        let mut advertise = parent.section("advertise");
        advertise.overlay("address", flags.public.clone());
        self.advertise(advertise);
        self.limits(parent.section("limits"));
        let mut timeouts = parent.section("timeouts");
        self.timeouts(&mut timeouts);
        more(&mut timeouts);
        timeouts.finish();
        self.policy(parent.section("policy"));
    }

    fn data(&mut self, mut s: Section<'_>) {
        let places = &mut self.places;
        s.set(
            "ports",
            &mut self.data.downstream.range,
            located(&mut places.ports, value::port_range),
        );
        s.set(
            "upstream_ports",
            &mut self.data.upstream.range,
            located(&mut places.upstream_ports, value::port_range),
        );
        if let Some(avoid) = s.list("avoid", value::port) {
            self.data.downstream.avoid = avoid;
        }
        if let Some(avoid) = s.list("upstream_avoid", value::port) {
            self.data.upstream.avoid = avoid;
        }
        s.set(
            "passthrough_ports",
            &mut self.data.forwarded,
            located(&mut places.forwarded, forwarded),
        );
        s.set("expose", &mut self.expose, located(&mut places.expose, expose::parse));
        s.set("bind", &mut self.data.downstream.bind, bind);
        s.set("port_command", &mut self.policy.port_command, value::choice(PORT_COMMAND));
        s.set("source_port", &mut self.data.source_port, any_port);
        s.set("upstream_source_port", &mut self.data.upstream_source_port, any_port);
        s.set("pipe", &mut self.data.pipe, pipe);
        tuning::read(&mut s, &mut self.data, &mut places.tuning);
        let rates = &mut self.data.rates;
        s.set("download_per_session", &mut rates.session_download, value::rate);
        s.set("upload_per_session", &mut rates.session_upload, value::rate);
        s.set("download_per_listener", &mut rates.listener_download, value::rate);
        s.set("upload_per_listener", &mut rates.listener_upload, value::rate);
        s.finish();
    }

    fn advertise(&mut self, mut s: Section<'_>) {
        let into = &mut self.advertise;
        let place = &mut self.places.address;
        s.set("address", &mut into.address, located(place, advertised(Family::V4, "auto")));
        s.set("address6", &mut into.address6, advertised(Family::V6, "auto"));
        s.set("file", &mut into.file, |item| value::path(item).map(Some));
        s.set(
            "lan",
            &mut into.lan,
            value::choice(&[("auto", None), ("on", Some(true)), ("off", Some(false))]),
        );
        s.set("cloud", &mut into.cloud, |item| {
            let looked_for = value::choice(&[("auto", true), ("off", false)])(item)?;
            Ok(looked_for.then(CloudOptions::default))
        });
        s.set("mapping", &mut into.mapping, value::choice(MAPPING));
        s.set("stun", &mut into.stun, |item| host_port(STUN_PORT)(item).map(Some));
        s.set("refresh", &mut into.refresh, value::duration(SECOND..=DAY));
        s.set("proxy_map", &mut into.proxy_map, proxy::map);
        if let Some(rules) = s.tables("rules", rule) {
            into.rules = rules;
        }
        s.finish();
    }

    fn limits(&mut self, mut s: Section<'_>) {
        let (limits, policy) = (&mut self.limits, &mut self.policy);
        s.set("sessions", &mut limits.sessions, value::integer(1..=1_000_000));
        s.set(
            "sessions_per_client",
            &mut limits.sessions_per_client,
            value::integer(1..=1_000_000),
        );
        s.set("logins_pending", &mut limits.logins_pending, value::integer(1..=1_000_000));
        s.set(
            "connections_per_minute",
            &mut limits.connections_per_minute,
            value::integer(0..=1_000_000),
        );
        s.set(
            "handshakes_per_minute",
            &mut limits.handshakes_per_minute,
            value::integer(0..=1_000_000),
        );
        s.set("command_line", &mut policy.command_line, value::integer(256..=65_536));
        s.set("reply_line", &mut policy.reply_line, value::integer(512..=65_536));
        s.set("queued_commands", &mut policy.queued_commands, value::integer(1..=4096));
        s.set("bad_commands", &mut policy.bad_commands, value::integer(1..=1_000_000));
        s.set("login_failures", &mut policy.login_failures, value::integer(1..=1_000_000));
        s.finish();
    }

    /// The caller finishes the section: the global one has a key more.
    fn timeouts(&mut self, s: &mut Section<'_>) {
        let (wait, data) = (&mut self.policy.timeouts, &mut self.data);
        s.set("login", &mut wait.login, value::duration(SECOND..=DAY));
        s.set("idle", &mut wait.idle, value::duration(SECOND..=7 * DAY));
        s.set("connect", &mut self.connect, value::duration(MOMENT..=HOUR));
        s.set("reply", &mut wait.reply, value::duration(SECOND..=DAY));
        s.set("reply_long", &mut wait.reply_long, value::duration(SECOND..=DAY));
        s.set("preliminary", &mut wait.preliminary, value::duration(SECOND..=DAY));
        s.set("grace", &mut wait.grace, value::duration(ZERO..=MINUTE));
        data.grace = wait.grace;
        s.set("tls", &mut wait.tls, value::duration(SECOND..=HOUR));
        data.tls.handshake = wait.tls;
        s.set("abort", &mut wait.abort, value::duration(MOMENT..=HOUR));
        s.set("lease_wait", &mut wait.lease_wait, value::duration(ZERO..=MINUTE));
        s.set("data_accept", &mut data.accept, value::duration(SECOND..=HOUR));
        s.set("data_connect", &mut data.dial, value::duration(MOMENT..=HOUR));
        s.set("data_stall", &mut data.stall, value::duration(SECOND..=DAY));
        s.set("drain", &mut data.drain, value::duration(MOMENT..=DAY));
        s.set("close", &mut data.close, value::duration(ZERO..=HOUR));
        s.set("proxy_header", &mut self.proxy_header, value::duration(PROXY_HEADER..=MINUTE));
        s.set("keepalive", &mut self.keepalive, value::duration(SECOND..=KEEPALIVE));
    }

    fn policy(&mut self, mut s: Section<'_>) {
        let policy = &mut self.policy;
        if let Some(deny) = s.list("deny", command) {
            policy.deny = deny;
        }
        s.set("unknown_verbs", &mut policy.unknown_verbs, value::choice(UNKNOWN_VERBS));
        if let Some(verbs) = s.list("transfer_verbs", verb) {
            policy.transfer_verbs = verbs;
        }
        if let Some(verbs) = s.list("slow_verbs", verb) {
            policy.slow_verbs = verbs;
        }
        s.set("rfc6384", &mut policy.rfc6384, value::choice(RFC6384));
        s.set("hide_addresses", &mut policy.hide_addresses, Item::boolean);
        s.set("bare_lf", &mut policy.bare_lf, Item::boolean);
        s.finish();
    }
}

const MAPPING: &[(&str, Mapping)] = &[
    ("off", Mapping::Off),
    ("auto", Mapping::Auto),
    ("pcp", Mapping::Pcp),
    ("nat-pmp", Mapping::NatPmp),
    ("upnp", Mapping::Upnp),
];

const PORT_COMMAND: &[(&str, PortCommand)] =
    &[("strict", PortCommand::Strict), ("replace", PortCommand::Replace)];

const UNKNOWN_VERBS: &[(&str, UnknownVerbs)] =
    &[("pass", UnknownVerbs::Pass), ("refuse", UnknownVerbs::Refuse)];

const RFC6384: &[(&str, Rfc6384)] =
    &[("off", Rfc6384::Off), ("on", Rfc6384::On), ("strict", Rfc6384::Strict)];

/// Remembers where the value of a parser stands.
pub(super) fn located<T>(
    place: &mut Option<Place>,
    parse: impl FnOnce(&Item) -> Result<T, Problem>,
) -> impl FnOnce(&Item) -> Result<T, Problem> {
    move |item| {
        *place = Some(item.place.clone());
        parse(item)
    }
}

/// `auto` is the address the client's control connection arrived at.
fn bind(item: &Item) -> Result<Option<IpAddr>, Problem> {
    if item.text()?.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    value::address(item).map(Some)
}

/// 0 is any.
fn any_port(item: &Item) -> Result<u16, Problem> {
    value::integer(0..=65535)(item)
}

/// Never below 1024: services of the server's own machine are there (S2). Each of them takes a
/// descriptor all the time.
fn forwarded(item: &Item) -> Result<Option<PortRange>, Problem> {
    let range = value::port_range(item)?;
    if range.first < 1024 {
        return Err(item.problem("ports below 1024 are never dialled"));
    }
    if range.last - range.first >= FORWARDED {
        return Err(item.problem(format!("must not have more than {FORWARDED} ports")));
    }
    Ok(Some(range))
}

fn pipe(item: &Item) -> Result<usize, Problem> {
    let bytes = value::bytes(4096..=16 << 20)(item)?;
    usize::try_from(bytes).map_err(|_| item.problem("too large for this machine"))
}

/// One of `rules`: both keys are needed, and of one family.
fn rule(s: &mut Section<'_>) -> Option<Rule> {
    let clients = s.require("clients", value::network);
    let family = clients.map_or(Family::V4, |network| Family::of(network.addr()));
    let address = s.require("address", advertised(family, "local"));
    Some(Rule { clients: clients?, address: address?.unwrap_or(Source::Local) })
}

/// A verb: letters and digits, compared in capitals.
fn verb(item: &Item) -> Result<String, Problem> {
    let text = item.text()?.to_ascii_uppercase();
    if is_verb(&text) {
        return Ok(text);
    }
    Err(item.problem("not an FTP command").remedy("write its name alone, as in \"XSHA256\""))
}

/// A verb, or a verb and its first word.
fn command(item: &Item) -> Result<String, Problem> {
    let text = item.text()?.to_ascii_uppercase();
    let (name, word) = text.split_once(' ').unwrap_or((&text, "X"));
    if is_verb(name) && !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(item
        .problem("not an FTP command")
        .remedy("write a command or a command and its first word, as in \"DELE\" or \"SITE EXEC\""))
}

fn is_verb(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
