//! The configuration: a TOML file, the environment and the command line, read into run form once.
//!
//! A flag wins over a variable, a variable over the file, the file over the default; a listener's
//! own section wins over the global one, key by key. Every problem is found in one pass: `section`
//! walks the tables, `value` and `host` judge single values, `checks` what lies between them.

mod checks;
mod door;
mod expose;
mod host;
mod item;
mod problem;
mod protection;
mod proxy;
mod read;
mod resolve;
mod section;
mod server;
mod servers;
mod settings;
mod source;
mod suggest;
mod tuning;
mod types;
mod value;

#[cfg(test)]
mod tests;

use std::path::Path;

use checks::Kernel;
pub use problem::{Problem, Problems};
use read::Reader;
pub(crate) use source::environment;
pub(crate) use types::ListenerConfig;
pub use types::{Config, Overrides};

/// Reads the file, if one is named, the environment and the overrides. With the configuration
/// come its warnings.
///
/// # Errors
/// Everything wrong, at once. A file that others may write to is refused (S39).
pub(crate) fn load(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: Overrides,
) -> Result<(Config, Vec<Problem>), Problems> {
    let file = path.map(source::file).transpose()?;
    let file = file.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    resolve(file, environment, &overrides, &source::kernel())
}

/// Reads a text as if it were the file `name`; touches nothing outside of its arguments.
///
/// # Errors
/// Everything wrong with it, at once.
pub fn parse(
    text: &str,
    name: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(Config, Vec<Problem>), Problems> {
    resolve(Some((name, text)), environment, &Overrides::default(), &Kernel::default())
}

/// The one path from texts to run form. `file` is a name and what it holds.
fn resolve(
    file: Option<(&str, &str)>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: &Overrides,
    kernel: &Kernel,
) -> Result<(Config, Vec<Problem>), Problems> {
    let (table, syntax) = match file.map(|(name, text)| item::document(name, text)) {
        Some((table, syntax)) => (Some(table), syntax),
        None => (None, Vec::new()),
    };
    let reader = Reader::new(environment, !syntax.is_empty());
    let reading = resolve::config(&reader, table, overrides);
    let mut problems = reader.finish();
    if !syntax.is_empty() {
        problems.retain(|problem| problem.survives(&syntax));
        problems.extend(syntax);
    } else {
        problems.extend(checks::all(&reading.doors, kernel));
    }
    problem::sort(&mut problems);
    match reading.config {
        Some(config) if problems.iter().all(Problem::is_warning) => Ok((config, problems)),
        _ => Err(Problems(problems)),
    }
}
