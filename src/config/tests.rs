mod acme;
mod checks;
mod environment;
mod proxy;
mod reference;
mod tls;
mod transparent;
mod tuning;
mod values;

use super::*;

/// A configuration that needs nothing else.
const SMALL: &str =
    "[[listener]]\nbind = \"127.0.0.1:2121\"\n[[upstream]]\naddress = \"ftp.internal\"\n";

/// Reads a text with variables.
fn read(text: &str, environment: &[(&str, &str)]) -> Result<(Config, Vec<Problem>), Problems> {
    parse(text, "test.toml", owned(environment))
}

/// Reads no file, only variables and flags.
fn without_file(
    environment: &[(&str, &str)],
    overrides: &Overrides,
) -> Result<(Config, Vec<Problem>), Problems> {
    resolve(None, owned(environment), overrides, &Kernel::default())
}

fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The only listener of a configuration that is right and warns of nothing.
fn only(read: Result<(Config, Vec<Problem>), Problems>) -> ListenerConfig {
    let (config, warnings) = read.unwrap();
    assert_eq!(warnings, []);
    let [listener] = config.listeners.try_into().unwrap();
    listener
}

/// What is wrong, a line each.
fn wrong(read: Result<(Config, Vec<Problem>), Problems>) -> Vec<String> {
    read.unwrap_err().iter().map(Problem::one_line).collect()
}
