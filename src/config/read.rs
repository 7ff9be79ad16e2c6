//! The reader: what all sections share. It holds the environment and collects what is wrong, and
//! which keys and variables exist, so that the others can be told from them at the end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::item::Item;
use super::problem::{Place, Problem};
use super::suggest;

/// Variables that only the command line reads.
const COMMAND_LINE: &[&str] = &["FTPGATE_CONFIG"];

/// What all sections share: the environment, what was found wrong, and which keys exist.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The file has syntax errors: what seems missing may be there.
    pub(super) incomplete: bool,
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
pub(super) struct Unknown {
    pub(super) key: String,
    /// It opens a section.
    pub(super) is_section: bool,
    pub(super) place: Place,
    /// The section it stands in, empty at the root.
    pub(super) section: String,
    /// The keys that are known there.
    pub(super) siblings: Vec<&'static str>,
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

    /// Whether a variable's name begins like this and there is something in it.
    pub(super) fn any_value(&self, prefix: &str) -> bool {
        let given = |(name, value): (&String, &String)| {
            name.starts_with(prefix) && !value.trim().is_empty()
        };
        self.environment.iter().any(given)
    }

    /// What a flag says, or the variable that stands for it; empty is not given. The command
    /// line hands over either, so an equal variable is named as the culprit.
    pub(super) fn flag(&self, flag: &str, variable: &str, given: Option<&str>) -> Option<Item> {
        let from_environment = self.variable(variable);
        let item = match (given, from_environment) {
            (Some(given), Some(item)) if item.is(given) => Some(item),
            (Some(given), _) => Some(Item::flag(flag, given)),
            (None, item) => item,
        };
        item.filter(|item| !item.is_blank())
    }

    /// Notes that a key exists.
    pub(super) fn knows(&self, key: String) {
        self.keys.borrow_mut().insert(key);
    }

    /// Puts a key aside that no one asked for.
    pub(super) fn unknown(&self, unknown: Unknown) {
        self.unknown.borrow_mut().push(unknown);
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
        let what = if self.is_section { "section" } else { "key" };
        let problem = Problem::error(format!("unknown {what} `{key}`{within}")).at(&self.place);
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

fn unknown_variable<'a>(name: &'a str, value: &str, known: &'a BTreeSet<String>) -> Problem {
    let item = Item::variable(name, value);
    let span = 0..name.len();
    let problem =
        Problem::error("stands for no key").at(&Place { source: item.place.source.clone(), span });
    let ending = |name: &'a str| name.strip_prefix("FTPGATE_").unwrap_or(name);
    match suggest::nearest(ending(name), known.iter().map(|name| ending(name))) {
        Some(meant) => problem.remedy(format!("did you mean FTPGATE_{meant}?")),
        None => problem.remedy(
            "a key is written FTPGATE_SECTION_KEY, one of a listener \
             FTPGATE_LISTENER_0_KEY or FTPGATE_LISTENER_NAME_KEY",
        ),
    }
}

/// Kubernetes (and Docker links) put variables like these into every container when a service is
/// called `ftpgate` or `ftpgate-…`; they are none of ours.
fn is_service_link(name: &str, value: &str) -> bool {
    let scheme = name.ends_with("_PORT") && value.contains("://");
    let port = name.split_once("_PORT_").is_some_and(|(_, rest)| {
        let (number, protocol) = rest.split_once('_').unwrap_or((rest, ""));
        let known = ["TCP", "UDP", "SCTP"].iter().any(|p| protocol.starts_with(p));
        number.bytes().all(|b| b.is_ascii_digit()) && known
    });
    scheme || port || name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
}
