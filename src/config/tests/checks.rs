use super::*;

const DOORS: &str = "[[upstream]]\naddress = \"a\"\n";

fn with_kernel(text: &str, range: &str, reserved: &str) -> Vec<String> {
    let kernel = Kernel::parse(range, reserved);
    let (_, warnings) = resolve(Some(("f", text)), [], &Overrides::default(), &kernel).unwrap();
    warnings.iter().map(Problem::one_line).collect()
}

#[test]
fn a_range_that_connections_may_take_is_a_warning() {
    let text = format!("{SMALL}[data]\nports = \"60000-60010\"\n");
    let warnings = with_kernel(&text, "32768\t60999\n", "\n");
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("f:6:9: data.ports: 60000-60010 overlaps"), "{warnings:?}");
    assert_eq!(with_kernel(&text, "32768 60999", "8080,60000-60010\n").len(), 0);
    assert_eq!(with_kernel(&text, "32768 60999", "60000-60009\n").len(), 1);
    assert_eq!(with_kernel(&text, "", "").len(), 0);
    assert_eq!(with_kernel(SMALL, "32768 60999", "").len(), 0);
}

#[test]
fn the_range_towards_servers_matters_only_when_they_connect() {
    let text = format!(
        r#"{DOORS}data = "MODE"
[[listener]]
bind = "127.0.0.1:21"
[data]
ports = "11500-11510"
"#
    );
    for (mode, fine) in
        [("passive", true), ("EPSV", true), ("active", false), ("same", false), ("EPRT", false)]
    {
        assert_eq!(read(&text.replace("MODE", mode), &[]).is_ok(), fine, "{mode}");
    }
}

#[test]
fn two_listeners_cannot_share_an_address() {
    let clash = |a: &str, b: &str| {
        let text = format!("{DOORS}[[listener]]\nbind = \"{a}\"\n[[listener]]\nbind = \"{b}\"\n");
        read(&text, &[]).is_err()
    };
    assert!(clash("127.0.0.1:21", "127.0.0.1:21"));
    assert!(clash("*:21", "127.0.0.1:21"));
    assert!(clash("[::1]:21", "*:21"));
    assert!(!clash("127.0.0.1:21", "127.0.0.2:21"));
    assert!(!clash("0.0.0.0:21", "[::]:21"));
    assert!(!clash("127.0.0.1:0", "127.0.0.1:0"));
    assert!(!clash("127.0.0.1:21", "127.0.0.1:22"));
}

#[test]
fn ranges_of_two_listeners_are_one_or_apart() {
    let warnings = |a: &str, b: &str| {
        let text = format!(
            r#"{DOORS}[[listener]]
bind = "127.0.0.1:1"
[listener.data]
{a}
[[listener]]
bind = "127.0.0.1:2"
[listener.data]
{b}
"#
        );
        read(&text, &[]).unwrap().1.len()
    };
    assert_eq!(warnings("", ""), 0);
    assert_eq!(warnings("ports = \"2000-2010\"", "ports = \"2011-2020\""), 0);
    assert_eq!(warnings("ports = \"2000-2010\"", "ports = \"2010-2020\""), 1);
    assert_eq!(warnings("", "avoid = [10100]"), 1);
    assert_eq!(warnings("", "avoid = [10100]\nbind = \"127.0.0.9\""), 0);
}

#[test]
fn a_private_address_for_the_whole_world_is_a_warning() {
    let warnings = |bind: &str, rest: &str| {
        let text = format!("{DOORS}[[listener]]\nbind = \"{bind}\"\n{rest}\n");
        read(&text, &[]).unwrap().1.len()
    };
    let private = "[advertise]\naddress = \"192.168.1.10\"";
    assert_eq!(warnings("*:21", private), 1);
    assert_eq!(warnings("127.0.0.1:21", private), 0);
    assert_eq!(warnings("*:21", "[advertise]\naddress = \"203.0.113.7\""), 0);
    assert_eq!(warnings("*:21", &format!("clients = \"192.168.0.0/16\"\n{private}")), 0);
    let rule = "rules = [{ clients = \"0.0.0.0/0\", address = \"203.0.113.7\" }]";
    assert_eq!(warnings("*:21", &format!("{private}\n{rule}")), 0);
}

#[test]
fn one_thing_wrong_for_several_listeners_is_said_once() {
    let text = format!(
        r#"{DOORS}[[listener]]
bind = "127.0.0.1:1"
[[listener]]
bind = "127.0.0.1:2"
[data]
ports = "5060"
avoid = [5060]
"#
    );
    assert_eq!(wrong(read(&text, &[])).len(), 1);
}

#[cfg(unix)]
#[test]
fn a_file_that_anybody_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ftpgate.toml");
    std::fs::write(&path, SMALL).unwrap();
    let try_with = |file: u32, directory: u32| {
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&path, file);
        set(folder.path(), directory);
        load(Some(&path), [], Overrides::default()).is_ok()
    };
    assert!(try_with(0o644, 0o755));
    assert!(try_with(0o664, 0o775));
    assert!(!try_with(0o666, 0o755));
    assert!(!try_with(0o644, 0o777));
    assert!(try_with(0o644, 0o1777));
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ftpgate.toml");
    let reason = || wrong(load(Some(&path), [], Overrides::default())).remove(0);
    assert!(reason().starts_with("cannot read"), "{}", reason());
    std::fs::write(&path, b"\xff").unwrap();
    assert!(reason().contains("not UTF-8"), "{}", reason());
    std::fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    assert!(reason().contains("larger than 1 MiB"), "{}", reason());
}
