use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::item;
use super::super::read::Reader;
use super::super::resolve;
use super::*;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn reference() -> String {
    std::fs::read_to_string(folder().join("reference.toml")).unwrap()
}

/// Every key the reader asks for, of a configuration that has one of everything.
fn known_keys() -> BTreeSet<String> {
    let full =
        format!("{SMALL}[advertise]\nrules = [{{ clients = \"::/0\", address = \"local\" }}]");
    let (table, _) = item::document("full", &full);
    let reader = Reader::new([], false);
    resolve::config(&reader, Some(table), &Overrides::default()).config.unwrap();
    reader.keys()
}

/// The keys of the reference, those in comments too: `key = ` at the start of a line.
fn written_keys(text: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.strip_prefix("# ").unwrap_or(line).split_once(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    let overlay = ["data", "advertise", "limits", "timeouts", "policy"];
    let known = known_keys().into_iter().filter(|key| {
        let of_rule = key.starts_with("advertise.rules.");
        !of_rule && !overlay.iter().any(|s| key.starts_with(&format!("listener.{s}.")))
    });
    assert_eq!(written_keys(&reference()), known.collect());
}

#[test]
fn the_reference_says_the_defaults() {
    let small = r#"[[listener]]
name = "public"
bind = "*:21"
[[upstream]]
name = "server"
address = "ftp.internal"
"#;
    let (written, warnings) = read(&reference(), &[]).unwrap();
    let (implied, _) = read(small, &[]).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(format!("{written:#?}"), format!("{implied:#?}"));
}

#[test]
fn a_listener_may_overlay_every_setting_but_the_processes() {
    let keys = known_keys();
    let own = |key: &&String| {
        let overlay = key.starts_with("listener.") && key.matches('.').count() > 1;
        overlay && !key.starts_with("listener.tls.")
    };
    let overlays: BTreeSet<_> =
        keys.iter().filter(own).map(|key| &key["listener.".len()..]).collect();
    let sections = ["data.", "advertise.", "limits.", "timeouts.", "policy."];
    let global = keys.iter().filter(|key| sections.iter().any(|s| key.starts_with(s)));
    let expected: BTreeSet<_> = global
        .map(String::as_str)
        .filter(|key| *key != "timeouts.shutdown" && !key.starts_with("advertise.rules."))
        .collect();
    assert_eq!(overlays, expected);
}

#[test]
fn every_configuration_we_ship_is_right() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        match read(&text, &[]) {
            Ok((_, warnings)) => assert_eq!(warnings, [], "{}", path.display()),
            Err(problems) => panic!("{}:\n{problems}", path.display()),
        }
    }
}
