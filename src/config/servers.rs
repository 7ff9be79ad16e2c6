//! All `[[upstream]]` together, and which listeners lead to each.

use std::cell::RefCell;

use super::problem::{Place, Problem};
use super::read::Reader;
use super::resolve::Flags;
use super::section::Section;
use super::server::{self, Server};
use super::value;
use crate::upstream::destinations::Mode;

/// The name of what no section describes; none can have it.
const ANY: &str = "*";

/// All of them.
#[derive(Debug)]
pub(super) struct Servers {
    /// Of a wrong one only the name, so that a reference to it is no second problem.
    list: Vec<(String, Option<Server>)>,
    /// What is known of servers that clients choose, when nothing is written.
    any: Server,
    /// Which listeners lead where, so far.
    led: RefCell<Vec<(String, Mode)>>,
}

impl Servers {
    /// Reads them; whether one is missing is known in [`finish`](Self::finish).
    pub(super) fn read(reader: &Reader, root: &mut Section<'_>, flags: &Flags) -> Self {
        let mut sections = root.sections("upstream");
        let named = flags.upstream.is_some() || reader.any_variable("FTPGATE_UPSTREAM_");
        if sections.is_empty() && named {
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
            (name.clone(), server::read(s, flags, name))
        });
        Self { list: read.collect(), any: Server::any(ANY.into()), led: RefCell::default() }
    }

    /// The names of all.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(name, _)| name.as_str())
    }

    /// Those that a listener can mean that names none: where the configuration chooses the server,
    /// one with an address; where clients do, one without.
    pub(super) fn meant(&self, mode: Mode) -> Vec<&str> {
        let any = |server: &Option<Server>| server.as_ref().is_some_and(Server::is_any);
        let fits = |any: bool| any == (mode != Mode::Gateway);
        let fitting = self.list.iter().filter(|(_, server)| fits(any(server)));
        let fitting: Vec<_> = fitting.map(|(name, _)| name.as_str()).collect();
        match mode {
            Mode::Gateway if fitting.is_empty() => self.names().collect(),
            _ => fitting,
        }
    }

    /// The one of this name, for a listener of this mode.
    pub(super) fn named(&self, wanted: &str, mode: Mode) -> Option<&Server> {
        self.led.borrow_mut().push((wanted.to_owned(), mode));
        let server = self.list.iter().find(|(name, _)| name == wanted)?.1.as_ref()?;
        (mode != Mode::Gateway || !server.is_any()).then_some(server)
    }

    /// What is known of every server, where it is the clients who choose.
    pub(super) fn any(&self, mode: Mode) -> Option<&Server> {
        self.led.borrow_mut().push((ANY.into(), mode));
        (mode != Mode::Gateway).then_some(&self.any)
    }

    /// Reports what listeners need and is not there.
    pub(super) fn finish(self, reader: &Reader, root: &Section<'_>) {
        let led = self.led.into_inner();
        let fixed = led.iter().any(|(_, mode)| *mode == Mode::Gateway);
        if self.list.is_empty() && (fixed || led.is_empty()) {
            root.missed(
                "upstream",
                Problem::error("there is no [[upstream]]: no server to carry sessions to")
                    .remedy("add [[upstream]] with address = \"HOST:21\", or give --upstream HOST"),
            );
        }
        for server in self.list.iter().filter_map(|(_, server)| server.as_ref()) {
            if !server.is_any() || reader.incomplete {
                continue;
            }
            let uses = led.iter().filter(|(name, _)| name == server.name());
            let uses: Vec<Mode> = uses.map(|(_, mode)| *mode).collect();
            let problem = if uses.is_empty() || uses.contains(&Mode::Gateway) {
                Some(server.without_address())
            } else {
                // In forward mode the client tells the name.
                server.nameless().filter(|_| uses.iter().any(|mode| mode.is_transparent()))
            };
            problem.into_iter().for_each(|problem| reader.report(problem));
        }
    }
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
