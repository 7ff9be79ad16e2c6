//! Configurations that must be read and configurations that must be refused, with every word
//! that is said about them. With `BLESS=1` in the environment the expectations are written anew.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::fs;
use std::path::{Path, PathBuf};

use ftpgate::config::{self, Config, Problem, Problems};
use proptest::prelude::*;

/// The files of `tests/config/FOLDER`, in order.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().unwrap() == "toml").collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Reads a file with the variables of the `.env` beside it.
fn read(path: &Path) -> Result<(Config, Vec<Problem>), Problems> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let environment = fs::read_to_string(path.with_extension("env")).unwrap_or_default();
    let variables = environment.lines().filter_map(|line| line.split_once('='));
    let variables: Vec<_> = variables.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    config::parse(&fs::read_to_string(path).unwrap(), name, variables)
}

/// Compares with the `.txt` beside the file; none is the same as an empty one.
fn expect(path: &Path, said: &str) {
    let expected = path.with_extension("txt");
    if std::env::var_os("BLESS").is_some() {
        match said {
            "" => drop(fs::remove_file(&expected)),
            _ => fs::write(&expected, said).unwrap(),
        }
    }
    let text = fs::read_to_string(&expected).unwrap_or_default();
    assert!(said == text, "{}:\n{said}\n--- expected:\n{text}", path.display());
}

#[test]
fn valid() {
    for path in files("valid") {
        match read(&path) {
            Ok((_, warnings)) => {
                let said: Vec<_> = warnings.iter().map(|w| format!("{w}\n")).collect();
                expect(&path, &said.join("\n"));
            }
            Err(problems) => panic!("{}:\n{problems}", path.display()),
        }
    }
}

#[test]
fn invalid() {
    for path in files("invalid") {
        match read(&path) {
            Ok(_) => panic!("{} was read as if it were right", path.display()),
            Err(problems) => expect(&path, &format!("{problems}\n")),
        }
    }
}

/// Headings, a word each.
const HEADINGS: &str = "[[listener]] [[upstream]] [listener.data] [data] [advertise] [limits] \
    [timeouts] [policy] [log] [runtime] [[data]] [listener] [listener.tls] [upstream.tls] \
    [listener.tls.acme]";

/// Keys.
const KEYS: &str = "listener name bind address upstream mode source mark destinations clients data ports \
    upstream_ports expose avoid rules idle sessions deny level pipe congestion upstream_buffer greeting workers cpu_affinity tls mode cert certificates ca verify \
    fingerprint server_name min acme names http";

/// Values, a line each.
const VALUES: &str = r#""*:21"
"127.0.0.1:0"
["*:0", "[::]:1"]
"a"
"10.0.0.5:21"
"1-65535"
"65535-1"
"10100-10199"
{ 1 = 2 }
{ clients = "::/0", address = "local" }
{ mode = "required", cert = "a" }
"implicit"
"tproxy"
["0.0.0.0/0"]
[]
[[[]]]
"5m"
"-5m"
0
-1
0xffff_ffff_ffff_ffff
1e999
nan
true
1979-05-27
"\u0000"
"é"
'''"#;

/// Crumbs of TOML and odd characters.
const CRUMBS: &str = "\"\n=[]{},#'\r\t\u{feff}\u{202e}\u{1F600}";

/// All of it, to be thrown together.
fn fragment() -> impl Strategy<Value = String> {
    let words = |text: &'static str| prop::sample::select(text.split(' ').collect::<Vec<_>>());
    let values = prop::sample::select(VALUES.lines().collect::<Vec<_>>());
    let crumbs = prop::sample::select(CRUMBS.chars().collect::<Vec<_>>());
    prop_oneof![
        4 => words(HEADINGS).prop_map(|heading| format!("\n{heading}\n")),
        8 => (words(KEYS), values.clone()).prop_map(|(key, value)| format!("{key} = {value}\n")),
        4 => values.prop_map(str::to_owned),
        4 => crumbs.prop_map(String::from),
        1 => ".{0,8}",
    ]
}

/// Variables that are read, and others.
const VARIABLE: &str = "FTPGATE_(DATA_PORTS|UPSTREAM|LISTEN|DATA_EXPOSE|ADVERTISE_RULES|\
    LISTENER_0_BIND|[A-Z_]{0,6})";

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        text in prop::collection::vec(fragment(), 0..24),
        variables in prop::collection::vec((VARIABLE, fragment()), 0..4),
    ) {
        if let Err(problems) = config::parse(&text.concat(), "any.toml", variables) {
            prop_assert!(problems.iter().any(|problem| !problem.is_warning()));
            for problem in problems.iter() {
                prop_assert!(!problem.one_line().is_empty());
                prop_assert!(!problem.render(true).is_empty());
            }
        }
    }
}
