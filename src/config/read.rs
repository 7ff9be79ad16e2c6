//! The reader: a cursor over a section that knows its path and its variables, records every
//! problem and goes on, so that all of them are found in one pass.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::item::{Item, Table, Value};
use super::problem::{Place, Problem};
use super::suggest;

/// Variables that only the command line reads.
const COMMAND_LINE: &[&str] = &["FTPGATE_CONFIG"];

/// What all sections share: the environment, what was found wrong, and which keys exist.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The file has syntax errors: what seems missing may be there.
    incomplete: bool,
    environment: BTreeMap<String, String>,
    problems: RefCell<Vec<Problem>>,
    /// Variables that would have been read.
    variables: RefCell<BTreeSet<String>>,
    /// Keys that would have been read, `data.ports`; of arrays without index, `listener.bind`.
    keys: RefCell<BTreeSet<String>>,
    unknown: RefCell<Vec<Unknown>>,
}

/// A key that no one asked for; judged at the end, when all keys are known.
#[derive(Debug)]
struct Unknown {
    key: String,
    place: Place,
    section: String,
    siblings: Vec<&'static str>,
}

impl Reader {
    pub(super) fn new(
        environment: impl IntoIterator<Item = (String, String)>,
        incomplete: bool,
    ) -> Self {
        let ours = |(name, value): &(String, String)| {
            name.starts_with("FTPGATE_") && !is_service_link(name, value)
        };
        let environment = environment.into_iter().filter(ours).collect();
        Self { environment, incomplete, ..Self::default() }
    }

    pub(super) fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn variable(&self, name: &str) -> Option<Item> {
        self.variables.borrow_mut().insert(name.to_owned());
        self.environment.get(name).map(|value| Item::variable(name, value))
    }

    /// Whether a variable's name begins like this.
    pub(super) fn any_variable(&self, prefix: &str) -> bool {
        self.environment.keys().any(|name| name.starts_with(prefix))
    }

    /// What a flag says, or the variable that stands for it; empty is not given. The command
    /// line hands over either, so an equal variable is named as the culprit.
    pub(super) fn flag(&self, flag: &str, variable: &str, given: Option<&str>) -> Option<Item> {
        let from_environment = self.variable(variable);
        match (given, from_environment) {
            (Some(given), Some(item)) if item.is(given) => Some(item),
            (Some(given), _) => Some(Item::flag(flag, given)),
            (None, item) => item.filter(|item| !item.is_blank()),
        }
    }

    pub(super) fn root(&self, table: Arc<Table>) -> Section<'_> {
        Section {
            reader: self,
            path: String::new(),
            generic: String::new(),
            variables: vec!["FTPGATE".into()],
            table,
            place: None,
            keys: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// All that was found wrong, unknown keys and variables with it.
    pub(super) fn finish(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        let keys = self.keys.into_inner();
        problems.extend(self.unknown.into_inner().iter().map(|unknown| unknown.problem(&keys)));
        let known = self.variables.into_inner();
        for (name, value) in &self.environment {
            if !known.contains(name) && !COMMAND_LINE.contains(&name.as_str()) {
                problems.push(unknown_variable(name, value, &known));
            }
        }
        problems
    }

    /// Every key that was asked for.
    #[cfg(test)]
    pub(super) fn keys(&self) -> BTreeSet<String> {
        self.keys.borrow().clone()
    }
}

impl Unknown {
    fn problem(&self, keys: &BTreeSet<String>) -> Problem {
        let Self { key, section, siblings, .. } = self;
        let within =
            if section.is_empty() { String::new() } else { format!(" in {}", heading(section)) };
        let problem = Problem::error(format!("unknown key `{key}`{within}")).at(&self.place);
        if let Some(meant) = suggest::nearest(key, siblings.iter().copied()) {
            return problem.remedy(format!("did you mean `{meant}`?"));
        }
        if let Some(ours) = suggest::classic(key) {
            return problem.remedy(format!("here it is {ours}"));
        }
        let elsewhere = keys.iter().filter_map(|path| path.rsplit_once('.'));
        match elsewhere.filter(|(_, last)| last == key).min_by_key(|(home, _)| home.len()) {
            Some((home, _)) => problem.remedy(format!("`{key}` belongs in {}", heading(home))),
            None => problem.remedy(format!("known here: {}", siblings.join(", "))),
        }
    }
}

/// How a section's heading is written in the file.
fn heading(section: &str) -> String {
    match section {
        "listener" | "upstream" => format!("[[{section}]]"),
        _ => format!("[{section}]"),
    }
}

fn unknown_variable(name: &str, value: &str, known: &BTreeSet<String>) -> Problem {
    let item = Item::variable(name, value);
    let span = 0..name.len();
    let problem =
        Problem::error("stands for no key").at(&Place { source: item.place.source.clone(), span });
    match suggest::nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => problem.remedy(format!("did you mean {meant}?")),
        None => problem.remedy(
            "a key is written FTPGATE_SECTION_KEY, one of a listener FTPGATE_LISTENER_0_KEY or FTPGATE_LISTENER_NAME_KEY",
        ),
    }
}

/// Kubernetes (and Docker links) put variables like these into every container when a service is
/// called `ftpgate` or `ftpgate-…`; they are none of ours.
fn is_service_link(name: &str, value: &str) -> bool {
    let scheme = ["tcp://", "udp://", "sctp://"].iter().any(|s| value.starts_with(s));
    let port = name.split_once("_PORT_").is_some_and(|(_, rest)| {
        let (number, protocol) = rest.split_once('_').unwrap_or((rest, ""));
        let known = ["TCP", "UDP", "SCTP"].iter().any(|p| protocol.starts_with(p));
        number.bytes().all(|b| b.is_ascii_digit()) && known
    });
    scheme || port || name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
}

/// A cursor over one table.
pub(super) struct Section<'a> {
    reader: &'a Reader,
    /// For people: `listener.public.data`.
    path: String,
    /// The same without names: `listener.data`.
    generic: String,
    /// What the variables of its keys begin with, without the last underscore.
    variables: Vec<String>,
    table: Arc<Table>,
    place: Option<Place>,
    keys: Vec<&'static str>,
    flags: Vec<(&'static str, Item)>,
}

impl<'a> Section<'a> {
    /// Where it begins, if it was written down.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Gives a key the value of a flag, above variable and file.
    pub(super) fn overlay(&mut self, key: &'static str, item: Option<Item>) {
        self.flags.extend(item.map(|item| (key, item)));
    }

    /// Names an element of an array: its variables can be written with the name too.
    pub(super) fn named(&mut self, name: &str) {
        let upper = name.to_ascii_uppercase().replace(['-', '.'], "_");
        self.variables.push(format!("FTPGATE_{}_{upper}", self.generic.to_ascii_uppercase()));
        self.path = format!("{}.{name}", self.generic);
    }

    /// Reads a key. `None`: it is absent, or wrong and reported. An empty variable is absent.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Item) -> Result<T, Problem>,
    ) -> Option<T> {
        let item = self.find(key, |variable| !variable.is_blank())?;
        self.judge(key, parse(&item))
    }

    /// Reads a key over its default.
    pub(super) fn set<T>(
        &mut self,
        key: &'static str,
        into: &mut T,
        parse: impl FnOnce(&Item) -> Result<T, Problem>,
    ) {
        if let Some(value) = self.take(key, parse) {
            *into = value;
        }
    }

    /// Reads every element of a list; `None` as well when one of them is wrong. An empty variable
    /// is an empty list.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&Item) -> Result<T, Problem>,
    ) -> Option<Vec<T>> {
        let item = self.find(key, |_| true)?;
        let items = self.judge(key, item.list())?;
        let read: Vec<_> = items.iter().map(|item| self.judge(key, parse(item))).collect();
        read.into_iter().collect()
    }

    /// Reads a key that has no default.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Item) -> Result<T, Problem>,
    ) -> Option<T> {
        let Some(item) = self.find(key, |variable| !variable.is_blank()) else {
            self.missing(key);
            return None;
        };
        self.judge(key, parse(&item))
    }

    /// Whether nobody gave the key a value; an empty variable is one here, as for a list.
    pub(super) fn is_absent(&mut self, key: &'static str) -> bool {
        self.find(key, |_| true).is_none()
    }

    /// Says that a key without a default is absent.
    pub(super) fn missing(&self, key: &str) {
        self.missed(key, Problem::error(format!("`{key}` is missing")));
    }

    /// The same in other words.
    pub(super) fn missed(&self, key: &str, problem: Problem) {
        if !self.reader.incomplete {
            self.report(key, problem.within(self.place()));
        }
    }

    /// Reads every table of a list that is a value; `None` as well when one of them is wrong.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Section<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.list(key, |item| Ok((item.table()?, item.place.clone())))?;
        let read: Vec<_> = items
            .into_iter()
            .map(|(table, place)| {
                let mut section = self.elsewhere(key, table, Some(place), Vec::new());
                let value = read(&mut section);
                section.finish();
                value
            })
            .collect();
        read.into_iter().collect()
    }

    /// A table inside of this one, empty when it is absent.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        self.keys.push(key);
        let entry = self.table.entries.get(key);
        let table = entry.and_then(|entry| match &entry.item.value {
            Value::Table(table) => Some(table.clone()),
            _ => {
                let reason = format!("is a section: write [{}]", self.dotted(key));
                self.report(key, entry.item.problem(reason));
                None
            }
        });
        let place = entry.map(|entry| entry.item.place.clone());
        let variables =
            self.variables.iter().map(|v| format!("{v}_{}", key.to_ascii_uppercase())).collect();
        Section {
            reader: self.reader,
            path: self.dotted(key),
            generic: join(&self.generic, key),
            variables,
            table: table.unwrap_or_default(),
            place,
            keys: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// The elements of an array of tables.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        self.keys.push(key);
        let Some(entry) = self.table.entries.get(key) else { return Vec::new() };
        let hint = format!("must be written with two brackets: [[{key}]]");
        let items = match &entry.item.value {
            Value::List(items) => items.as_slice(),
            Value::Table(_) => {
                self.report(key, Problem::error(hint).at(&entry.key));
                std::slice::from_ref(&entry.item)
            }
            _ => {
                self.report(key, entry.item.problem(hint));
                return Vec::new();
            }
        };
        let elements = items.iter().enumerate();
        elements.filter_map(|(n, item)| self.element(key, n, item)).collect()
    }

    /// One element of an array of tables that stands in no array: the implied one.
    pub(super) fn implied(&self, key: &'static str) -> Section<'a> {
        let variables = vec![format!("FTPGATE_{}_0", key.to_ascii_uppercase())];
        self.elsewhere(key, Arc::default(), None, variables)
    }

    fn element(&self, key: &'static str, n: usize, item: &Item) -> Option<Section<'a>> {
        let table = self.judge(key, item.table())?;
        let variables = vec![format!("FTPGATE_{}_{n}", key.to_ascii_uppercase())];
        Some(self.elsewhere(key, table, Some(item.place.clone()), variables))
    }

    fn elsewhere(
        &self,
        key: &'static str,
        table: Arc<Table>,
        place: Option<Place>,
        variables: Vec<String>,
    ) -> Section<'a> {
        Section {
            reader: self.reader,
            path: self.dotted(key),
            generic: join(&self.generic, key),
            variables,
            table,
            place,
            keys: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// Records a problem with a key of this section.
    pub(super) fn report(&self, key: &str, problem: Problem) {
        self.reader.report(problem.about(self.dotted(key)));
    }

    /// Says that everything was asked for: what is left is unknown.
    pub(super) fn finish(self) {
        let Self { reader, table, keys, generic, .. } = self;
        for (key, entry) in &table.entries {
            if !keys.contains(&key.as_str()) {
                reader.unknown.borrow_mut().push(Unknown {
                    key: key.clone(),
                    place: entry.key.clone(),
                    section: generic.clone(),
                    siblings: keys.clone(),
                });
            }
        }
    }

    fn find(&mut self, key: &'static str, counts: impl Fn(&Item) -> bool) -> Option<Item> {
        self.keys.push(key);
        self.reader.keys.borrow_mut().insert(join(&self.generic, key));
        let names = self.variables.iter().map(|v| format!("{v}_{}", key.to_ascii_uppercase()));
        let variable = names.filter_map(|name| self.reader.variable(&name)).rfind(counts);
        let flag = self.flags.iter().find(|(flag, _)| *flag == key).map(|(_, item)| item.clone());
        flag.or(variable).or_else(|| self.table.entries.get(key).map(|entry| entry.item.clone()))
    }

    fn judge<T>(&self, key: &str, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.report(key, problem)).ok()
    }

    fn dotted(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
