//! `[[listener]]`: each door, joined with its upstream and its settings.

mod binds;
mod target;
mod tls;

use super::item::Item;
use super::problem::{Place, Problem};
use super::proxy::Balanced;
use super::read::Reader;
use super::resolve::Flags;
use super::section::Section;
use super::server::Server;
use super::servers::{Names, Servers};
use super::settings::{Places, Settings};
use super::suggest;
use super::types::ListenerConfig;
use super::value;
use crate::data::options::PortOptions;
use crate::limits::AccessList;
use crate::session::policy::Rfc6384;
use crate::upstream::destinations::Mode;

/// Longest greeting, bytes: with its code it stays below every client's line limit.
const GREETING: usize = 200;

/// A listener in run form, with the places that the checks point at.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) config: ListenerConfig,
    pub(super) place: Option<Place>,
    /// The place of each address of `config.bind`; the implied ones have none.
    pub(super) binds: Vec<Option<Place>>,
    pub(super) places: Places,
}

/// What is needed to read listeners.
pub(super) struct Doors<'a> {
    pub(super) reader: &'a Reader,
    pub(super) flags: &'a Flags,
    pub(super) base: &'a Settings,
    pub(super) servers: &'a Servers,
}

impl Doors<'_> {
    /// All of them; `None` is one that is wrong, which has been reported, as it has when there is
    /// none at all.
    pub(super) fn read(&self, root: &mut Section<'_>, from_file: bool) -> Vec<Option<Door>> {
        let mut sections = root.sections("listener");
        if sections.is_empty() {
            let named =
                self.flags.listen.is_some() || self.reader.any_variable("FTPGATE_LISTENER_");
            if from_file && !named {
                root.missed(
                    "listener",
                    Problem::error("there is no [[listener]]: nothing for clients to connect to")
                        .remedy("add [[listener]] with bind = \"*:21\", or give --listen"),
                );
                return Vec::new();
            }
            sections.push(root.implied("listener"));
        }
        if let (Some(flag), 2..) = (&self.flags.listen, sections.len()) {
            self.reader.report(
                flag.problem("can stand for the only listener, and the file has several")
                    .remedy("set FTPGATE_LISTENER_NAME_BIND for the one that is meant"),
            );
        }
        let none = Flags::default();
        let flags = if sections.len() == 1 { self.flags } else { &none };
        let mut names = Names::default();
        sections.into_iter().map(|s| self.door(s, flags, &mut names)).collect()
    }

    fn door(&self, mut s: Section<'_>, flags: &Flags, names: &mut Names) -> Option<Door> {
        let name = names.take(&mut s, "listener");
        s.overlay("bind", flags.listen.clone());
        let binds = binds::read(&mut s);
        let mode = target::mode(&mut s);
        let destinations = target::destinations(&mut s, mode);
        let server = self.server(&mut s, mode);
        let access = access(&mut s, mode);
        let balanced = Balanced::read(&mut s, mode);
        let greeting = s.take("greeting", greeting);
        let mut settings = self.base.clone();
        settings.read(&mut s, flags, |_| ());
        let silent = mode.is_transparent() || settings.policy.rfc6384 != Rfc6384::Off;
        let plain = server.is_some_and(|server| !server.is_protected());
        let tls = tls::Protection::read(s.section("tls"), silent && plain);
        if let Some(binds) = &binds {
            tls.check_ports(&s, &binds.addresses);
        }
        if let (true, Some(server)) = (tls.is_off(), server) {
            server.never_protected(&name).into_iter().for_each(|p| self.reader.report(p));
        }
        if let Some(server) = server {
            tls.check_passthrough(&s, server, &settings);
        }
        let proxy = balanced.instruct(&mut settings);
        let PortOptions { range, peers, .. } = &settings.data.downstream;
        let expose = settings.expose.resolve(*range, peers);
        let place = s.place().cloned();
        let expose = expose.map_err(|problem| {
            s.report("data.expose", problem.within(settings.places.expose.as_ref()));
        });
        s.finish();

        let (server, binds) = (server?, binds?);
        settings.data.downstream.expose = expose.ok()?;
        settings.policy.greeting = greeting;
        target::instruct(mode, &mut settings);
        settings.data.downstream.borrowed = mode == Mode::Tproxy;
        settings.advertise.original = mode.is_transparent();
        server.instruct(&mut settings);
        let tls = tls.instruct(&mut settings);
        let config = ListenerConfig {
            name,
            bind: binds.addresses,
            handed: binds.handed,
            mode,
            destinations: destinations?,
            upstream: server.options(),
            connect: settings.connect,
            access: access?,
            policy: settings.policy,
            data: settings.data,
            advertise: settings.advertise,
            limits: settings.limits,
            keepalive: settings.keepalive,
            tls,
            proxy,
        };
        Some(Door { config, place, binds: binds.places, places: settings.places })
    }

    /// The server it leads to; when there is only one, it need not be named. Where clients choose
    /// the server, what is known of all of them: one without address, or the defaults.
    fn server(&self, s: &mut Section<'_>, mode: Mode) -> Option<&Server> {
        let named = s.take("upstream", |item| Ok((item.text()?, item.clone())));
        let Some((name, item)) = named else {
            let meant = self.servers.meant(mode);
            return match meant.as_slice() {
                [] => self.servers.any(mode),
                [only] => self.servers.named(only, mode),
                _ if s.place_of("upstream").is_some() => None,
                _ => {
                    let problem = "several upstreams are there, and which one is meant is not said";
                    let remedy = format!("add upstream = NAME, one of {}", meant.join(", "));
                    s.missed("upstream", Problem::error(problem).remedy(remedy));
                    None
                }
            };
        };
        let names = || self.servers.names();
        let list = names().collect::<Vec<_>>().join(", ");
        if !list.is_empty() && names().all(|known| known != name) {
            let problem = item.problem("there is no upstream of this name");
            s.report(
                "upstream",
                match suggest::nearest(&name, names()) {
                    Some(meant) => problem.remedy(format!("did you mean \"{meant}\"?")),
                    None => problem.remedy(format!("there is {list}")),
                },
            );
        }
        self.servers.named(&name, mode)
    }
}

/// Who may connect; nobody is let in by an empty list (S36).
fn access(s: &mut Section<'_>, mode: Mode) -> Option<AccessList> {
    let place = s.place_of("clients");
    let allow = match &place {
        Some(_) => s.list("clients", value::network),
        None => Some(target::clients(mode)),
    };
    let deny = match s.place_of("deny_clients") {
        Some(_) => s.list("deny_clients", value::network),
        None => Some(Vec::new()),
    };
    let (allow, deny) = (allow?, deny?);
    if allow.is_empty() {
        s.report(
            "clients",
            Problem::error("the list is empty: nobody would be let in")
                .within(place.as_ref())
                .remedy("name the networks, or leave the key out to let everybody in"),
        );
        return None;
    }
    Some(AccessList { allow, deny })
}

fn greeting(item: &Item) -> Result<String, Problem> {
    let text = item.text()?;
    if text.is_empty() || text.len() > GREETING {
        return Err(item.problem(format!("must have from 1 to {GREETING} characters")));
    }
    if !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Err(item.problem("must be one line of printable ASCII (RFC 959)"));
    }
    Ok(text)
}
