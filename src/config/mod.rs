//! The configuration: a TOML file, the environment and the command line, read into run form once.

mod problem;
mod types;

use std::path::Path;

pub use problem::{Problem, Problems};
pub(crate) use types::ListenerConfig;
pub use types::{Config, Overrides};

/// Reads the file, if one is named, the environment and the overrides; reports everything wrong
/// at once. With the configuration come its warnings.
pub(crate) fn load(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: Overrides,
) -> Result<(Config, Vec<Problem>), Problems> {
    let _ = (path, environment.into_iter().count(), overrides);
    Err(Problem::error("not read yet").into())
}

/// The FTPGATE_ variables of the process.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with("FTPGATE_"))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect()
}

/// Reads a text as if it were the file `name`; touches nothing else.
///
/// # Errors
/// Everything wrong with it, at once.
pub fn parse(
    text: &str,
    name: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(Config, Vec<Problem>), Problems> {
    let _ = (text, name, environment.into_iter().count());
    Err(Problem::error("not read yet").into())
}
