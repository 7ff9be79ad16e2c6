//! The cursor over a section: it knows its path and its variables, records every problem and goes
//! on, so that all of them are found in one pass.

use std::sync::Arc;

use super::item::{Item, Table, Value};
use super::problem::{Place, Problem};
use super::read::{Reader, Unknown};

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
    /// The whole file.
    pub(super) fn root(reader: &'a Reader, table: Arc<Table>) -> Self {
        let path = String::new();
        Self::new(reader, path, String::new(), vec!["FTPGATE".into()], table, None)
    }

    fn new(
        reader: &'a Reader,
        path: String,
        generic: String,
        variables: Vec<String>,
        table: Arc<Table>,
        place: Option<Place>,
    ) -> Self {
        let (keys, flags) = (Vec::new(), Vec::new());
        Self { reader, path, generic, variables, table, place, keys, flags }
    }

    /// A table below this one.
    fn below(
        &self,
        key: &str,
        variables: Vec<String>,
        table: Arc<Table>,
        place: Option<Place>,
    ) -> Section<'a> {
        let (path, generic) = (join(&self.path, key), join(&self.generic, key));
        Section::new(self.reader, path, generic, variables, table, place)
    }

    /// Where it begins, if it was written down.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Whether anything is written in it, or in variables of its keys.
    pub(super) fn is_given(&self) -> bool {
        let variable = |v: &String| self.reader.any_value(&format!("{v}_"));
        !self.table.entries.is_empty() || self.variables.iter().any(variable)
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

    /// Where a key's value stands; `None` when nobody gave it one. An empty variable counts, as for
    /// a list.
    pub(super) fn place_of(&mut self, key: &'static str) -> Option<Place> {
        self.find(key, |_| true).map(|item| item.place)
    }

    /// The same, but an empty variable does not count.
    pub(super) fn written(&mut self, key: &'static str) -> Option<Place> {
        self.find(key, |variable| !variable.is_blank()).map(|item| item.place)
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
                let mut section = self.below(key, Vec::new(), table, Some(place));
                let value = read(&mut section);
                section.finish();
                value
            })
            .collect();
        read.into_iter().collect()
    }

    /// A table inside of this one, empty when it is absent.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        self.know(key);
        let entry = self.table.entries.get(key);
        let table = entry.and_then(|entry| match &entry.item.value {
            Value::Table(table) => Some(table.clone()),
            _ => {
                let heading = join(&self.generic, key);
                let reason = format!("this is a section: write [{heading}], or {key} = {{ … }}");
                self.report(key, entry.item.problem(reason));
                None
            }
        });
        let place = entry.map(|entry| entry.item.place.clone());
        let variables =
            self.variables.iter().map(|v| format!("{v}_{}", key.to_ascii_uppercase())).collect();
        self.below(key, variables, table.unwrap_or_default(), place)
    }

    /// The elements of an array of tables.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        self.know(key);
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
        self.below(key, variables, Arc::default(), None)
    }

    fn element(&self, key: &'static str, n: usize, item: &Item) -> Option<Section<'a>> {
        let table = self.judge(key, item.table())?;
        let variables = vec![format!("FTPGATE_{}_{n}", key.to_ascii_uppercase())];
        Some(self.below(key, variables, table, Some(item.place.clone())))
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
                reader.unknown(Unknown {
                    key: key.clone(),
                    is_section: matches!(entry.item.value, Value::Table(_)),
                    place: entry.key.clone(),
                    section: generic.clone(),
                    siblings: keys.clone(),
                });
            }
        }
    }

    fn find(&mut self, key: &'static str, counts: impl Fn(&Item) -> bool) -> Option<Item> {
        self.know(key);
        self.reader.knows(join(&self.generic, key));
        let names = self.variables.iter().map(|v| format!("{v}_{}", key.to_ascii_uppercase()));
        // All of them, so that each is known; the one with the listener's name comes last and wins.
        let variables: Vec<_> = names.filter_map(|name| self.reader.variable(&name)).collect();
        let variable = variables.into_iter().rfind(counts);
        let flag = self.flags.iter().find(|(flag, _)| *flag == key).map(|(_, item)| item.clone());
        flag.or(variable).or_else(|| self.table.entries.get(key).map(|entry| entry.item.clone()))
    }

    fn know(&mut self, key: &'static str) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
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
