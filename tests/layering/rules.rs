//! The layers and what each may mention.

use super::paths::{code_only, crate_paths, words};

/// Modules from the bottom up; a module may use those of its own layer and of those above it in
/// this table. `config` stands beside: it fills the options of every room, and only wiring and
/// process read it.
const LAYERS: [(&str, &[&str]); 8] = [
    ("words", &["ftp"]),
    ("mind", &["session"]),
    ("hands", HANDS),
    ("conductor", &["session::driver", "session::preamble"]),
    ("doors", &["admin", "listener"]),
    ("config", &["config"]),
    ("wiring", &["app", "drain", "reload"]),
    ("process", &["cli", "main", "lib"]),
];

const HANDS: &[&str] = &[
    "advertise",
    "data",
    "limits",
    "net",
    "privileges",
    "registry",
    "telemetry",
    "tls",
    "upstream",
];

const SOCKETS: [&str; 8] = [
    "tokio",
    "socket2",
    "rustix",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
];
const CLOCK: [&str; 3] = ["Instant", "SystemTime", "jiff"];
const CHANCE_AND_LOGS: [&str; 2] = ["rand", "tracing"];

/// What is wrong with this file, each with its place. `file` is relative to `src/`.
pub(crate) fn violations(file: &str, source: &str) -> Vec<String> {
    if file.split('/').any(|part| matches!(part, "tests" | "tests.rs")) {
        return Vec::new();
    }
    let module = module_of(file);
    let code = code_only(source);
    let mut found = Vec::new();
    match layer_of(&module) {
        Some(layer) => found.extend(imports(&module, layer, &code)),
        None => {
            found.push((1, format!("`{}` has no layer: add it to the table", module.join("::"))))
        }
    }
    for (line, word) in banned(&module, &code) {
        found.push((line, format!("mentions `{word}`")));
    }
    found.into_iter().map(|(line, what)| format!("src/{file}:{line}: {what}")).collect()
}

/// `session/driver.rs` and `session/driver/mod.rs` are both `session::driver`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').map(str::to_owned).collect()
}

fn layer_of(module: &[String]) -> Option<usize> {
    let named = |name: &str| LAYERS.iter().position(|(_, modules)| modules.contains(&name));
    let two = module.get(..2).and_then(|two| named(&two.join("::")));
    two.or_else(|| named(module.first()?))
}

/// Paths into this crate that lead upwards, or nowhere we know.
fn imports(module: &[String], layer: usize, code: &str) -> Vec<(usize, String)> {
    // The root names every module.
    if matches!(module, [root] if root == "lib" || root == "main") {
        return Vec::new();
    }
    // A room's door may show what is in the room.
    let door = |path: &[String]| module.len() == 1 && path.first() == module.first();
    crate_paths(module, code)
        .into_iter()
        .filter(|(_, path)| !door(path))
        .filter_map(|(line, path)| {
            let name = path.join("::");
            match layer_of(&path) {
                Some(other) if other <= layer => None,
                Some(other) => {
                    let (above, here) = (LAYERS[other].0, LAYERS[layer].0);
                    Some((line, format!("`{name}` ({above}) is above {here}")))
                }
                // A macro or an item of the root belongs to no layer.
                None if path.len() < 2 => None,
                None => Some((line, format!("`{name}` has no layer: add it to the table"))),
            }
        })
        .collect()
}

/// Words that a pure file must not have.
fn banned(module: &[String], code: &str) -> Vec<(usize, String)> {
    let mut banned: Vec<&str> = Vec::new();
    let layer = layer_of(module).map(|layer| LAYERS[layer].0);
    let mind = layer == Some("mind");
    if matches!(layer, Some("words" | "mind")) {
        banned.extend(SOCKETS);
        banned.extend(CHANCE_AND_LOGS);
    }
    if layer == Some("words") {
        banned.extend(CLOCK);
    }
    words(code)
        .filter(|(_, before, word)| {
            let now = mind && *word == "now" && before.ends_with("::");
            now || banned.contains(word)
        })
        .map(|(line, _, word)| (line, word.to_owned()))
        .collect()
}
