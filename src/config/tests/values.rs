use std::net::SocketAddr;
use std::time::Duration;

use super::super::host::{self, Family};
use super::super::item::Item;
use super::super::value;
use super::*;
use crate::advertise::options::Mapping;
use crate::advertise::options::Source;
use crate::data::options::Expose;
use crate::net::device::Device;
use crate::session::policy::{DataCommand, UpstreamMode};
use crate::upstream::options;

fn words(text: &str) -> Item {
    Item::variable("FTPGATE_X", text)
}

#[test]
fn networks_are_canonical_or_refused() {
    let network = |text: &str| value::network(&words(text)).map(|net| net.to_string()).ok();
    for (text, read) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
    ] {
        assert_eq!(network(text).as_deref(), Some(read), "{text}");
    }
    for text in [
        "",
        "*",
        "all",
        "localhost",
        "010.0.0.0/8",
        "10.1/16",
        "10",
        "0x0a.0.0.0/8",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "fe80::1%eth0",
        "[::1]",
        "10.0.0.0/255.0.0.0",
        "::/129",
    ] {
        assert_eq!(network(text), None, "{text}");
    }
}

#[test]
fn durations_have_a_unit_and_a_bound() {
    let second = Duration::from_secs(1);
    let duration = |text: &str| value::duration(second..=3600 * second)(&words(text)).ok();
    assert_eq!(duration("30s"), Some(30 * second));
    assert_eq!(duration("5m"), Some(300 * second));
    assert_eq!(duration("1m 30s"), Some(90 * second));
    assert_eq!(duration("1500ms"), Some(Duration::from_millis(1500)));
    for text in
        ["", "30", "s", "-5s", "5s ago", "0s", "61m", "2h", "1e9s", "99999999999999999999h", "soon"]
    {
        assert_eq!(duration(text), None, "{text}");
    }
}

#[test]
fn sizes_are_bytes() {
    let bytes = |text: &str| value::bytes(1..=u64::MAX)(&words(text)).ok();
    assert_eq!(bytes("64KiB"), Some(64 << 10));
    assert_eq!(bytes("10MB"), Some(10_000_000));
    assert_eq!(bytes("512"), Some(512));
    assert_eq!(value::rate(&words("10MiB/s")).unwrap().unwrap().get(), 10 << 20);
    assert_eq!(value::rate(&words("0")).unwrap(), None);
    for text in ["", "0", "-1", "KiB", "10 bananas", "1.2.3MB", "NaN", "inf"] {
        assert_eq!(bytes(text), None, "{text}");
    }
}

#[test]
fn listening_addresses() {
    let bind = |text: &str| value::bind(&words(text)).ok();
    let sockets = |texts: &[&str]| -> Option<Vec<SocketAddr>> {
        Some(texts.iter().map(|t| t.parse().unwrap()).collect())
    };
    assert_eq!(bind("*:21"), sockets(&["0.0.0.0:21", "[::]:21"]));
    assert_eq!(bind("127.0.0.1:0"), sockets(&["127.0.0.1:0"]));
    assert_eq!(bind("[2001:db8::7]:21"), sockets(&["[2001:db8::7]:21"]));
    assert_eq!(bind("[::ffff:192.0.2.1]:21"), sockets(&["192.0.2.1:21"]));
    for text in [
        "",
        "21",
        ":21",
        "*",
        "*:",
        "*:65536",
        "0.0.0.0",
        "localhost:21",
        "::1:21",
        "127.1:21",
        "[1.2.3.4]:21",
    ] {
        assert_eq!(bind(text), None, "{text}");
    }
}

#[test]
fn sources_of_the_advertised_address() {
    let advertise = |text: &str| {
        let read = read(&format!("{SMALL}[advertise]\n{text}"), &[]);
        read.map(|(config, _)| config.listeners[0].advertise.clone()).ok()
    };
    let written =
        advertise("cloud = \"off\"\nmapping = \"nat-pmp\"\nstun = \"stun.example\"").unwrap();
    assert_eq!((written.cloud, written.mapping), (None, Mapping::NatPmp));
    assert_eq!(written.stun.unwrap().to_string(), "stun.example:3478");
    let implied = advertise("").unwrap();
    assert_eq!((implied.mapping, implied.stun), (Mapping::Off, None), "asked for, or nobody is");
    assert!(implied.cloud.is_some());
    let other = advertise("stun = \"[2001:db8::5]:19302\"").unwrap();
    assert_eq!(other.stun.unwrap().to_string(), "[2001:db8::5]:19302");
    for text in ["cloud = true", "mapping = \"on\"", "stun = \"stun:a.example\"", "stun = \"\""] {
        assert!(advertise(text).is_none(), "{text}");
    }
}

/// What leads to other servers is not opened to the Internet.
#[test]
fn only_a_gateway_is_mapped() {
    let text = "[[listener]]\nname = \"in\"\nbind = \"127.0.0.1:2121\"\nupstream = \"s\"\n\
        [[listener]]\nname = \"out\"\nbind = \"127.0.0.1:2122\"\nmode = \"forward\"\n\
        destinations = [\"ftp.example\"]\n[[upstream]]\nname = \"s\"\naddress = \"ftpd\"\n\
        [advertise]\nmapping = \"auto\"\n";
    let (config, _) = read(text, &[]).unwrap();
    let mapping: Vec<Mapping> = config.listeners.iter().map(|l| l.advertise.mapping).collect();
    assert_eq!(mapping, [Mapping::Auto, Mapping::Off]);
}

#[test]
fn servers_are_names_or_addresses() {
    let server = |text: &str| host::host_port(21)(&words(text)).map(|h| h.to_string()).ok();
    for (text, read) in [
        ("ftpd", "ftpd:21"),
        ("ftp.example.com:2100", "ftp.example.com:2100"),
        ("ftp.example.com.", "ftp.example.com.:21"),
        ("my_service:21", "my_service:21"),
        ("192.0.2.5", "192.0.2.5:21"),
        ("2001:db8::5", "[2001:db8::5]:21"),
        ("[2001:DB8:0::5]:990", "[2001:db8::5]:990"),
        ("[::1]", "[::1]:21"),
        ("::ffff:192.0.2.5", "192.0.2.5:21"),
        ("3com.example", "3com.example:21"),
    ] {
        assert_eq!(server(text).as_deref(), Some(read), "{text}");
    }
    for text in [
        "",
        ":21",
        "ftpd:",
        "ftpd:0",
        "ftpd:65536",
        "ftpd:+21",
        "ftpd:ftp",
        "ftp://ftpd",
        "a b",
        "a..b",
        "-a",
        "127.1",
        "0177.0.0.1",
        "0x7f.1",
        "2130706433",
        "1.2.3.4.5",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "[ftpd]:21",
        "[::1",
        "[::1]x",
        "user@ftpd",
        "ftpd/x",
    ] {
        assert_eq!(server(text), None, "{text}");
    }
}

#[test]
fn advertised_addresses_are_of_the_family() {
    let v4 = |text: &str| host::advertised(Family::V4, "auto")(&words(text)).ok();
    assert_eq!(v4("auto"), Some(None));
    assert_eq!(v4("203.0.113.7"), Some(Some(Source::Literal([203, 0, 113, 7].into()))));
    assert_eq!(v4("ftp.example.com"), Some(Some(Source::Name("ftp.example.com".into()))));
    for text in [
        "",
        "2001:db8::7",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "203.0.113.7:21",
        "203.0.113.07",
        "a b",
    ] {
        assert_eq!(v4(text), None, "{text}");
    }
    let v6 = |text: &str| host::advertised(Family::V6, "auto")(&words(text)).ok();
    assert!(matches!(v6("2001:db8::7"), Some(Some(Source::Literal(_)))));
    assert_eq!(v6("203.0.113.7"), None);
}

#[test]
fn exposed_ports() {
    let expose = |line: &str| {
        let text = format!("{SMALL}[data]\nports = \"50000-50010\"\n{line}\n");
        read(&text, &[]).map(|(config, _)| config.listeners[0].data.downstream.expose.clone()).ok()
    };
    assert_eq!(expose(""), Some(Expose::Same));
    assert_eq!(expose("expose = \"50000-50010\""), Some(Expose::Same));
    assert_eq!(expose("expose = \"40000-40010\""), Some(Expose::Shift(-10_000)));
    assert_eq!(expose("expose = \"60000-60010\""), Some(Expose::Shift(10_000)));
    let map = [(50_000, 40_000), (50_003, 40_001)].into();
    assert_eq!(expose("expose = { 50000 = 40000, \"50003\" = 40001 }"), Some(Expose::Map(map)));
    for line in [
        "\"40000-40011\"",
        "{ }",
        "{ 50011 = 1 }",
        "{ 50000 = 1, 50001 = 1 }",
        "{ a = 1 }",
        "{ 50000 = 0 }",
    ] {
        assert_eq!(expose(&format!("expose = {line}")), None, "{line}");
    }
}

#[test]
fn an_upstream_sets_the_policy_of_its_listeners() {
    let text = r#"[[listener]]
bind = "127.0.0.1:1"
upstream = "a"
[listener.timeouts]
connect = "3s"
grace = "4s"
[[listener]]
bind = "127.0.0.1:2"
upstream = "b"
[[upstream]]
name = "a"
address = "a"
data = "epsv"
data_ports = "2000-3000"
abor = "urgent"
cr_nul = true
[[upstream]]
name = "b"
address = "b"
"#;
    let (config, _) = read(text, &[]).unwrap();
    let [a, b] = config.listeners.try_into().unwrap();
    assert_eq!(a.policy.upstream_mode, UpstreamMode::Command(DataCommand::Epsv));
    assert_eq!(a.policy.upstream_ports, 2000..=3000);
    assert!(a.policy.cr_nul);
    assert_eq!(a.connect.as_secs(), 3);
    assert_eq!(a.policy.timeouts.grace, a.data.grace);
    assert_eq!(a.data.grace.as_secs(), 4);
    assert_eq!(b.policy.upstream_mode, UpstreamMode::Passive);
    assert_eq!((b.connect.as_secs(), b.data.grace.as_secs()), (10, 2));
}

#[test]
fn verbs_are_compared_in_capitals() {
    let text =
        format!("{SMALL}[policy]\ndeny = [\"dele\", \"Site Exec\"]\nslow_verbs = [\"xsha512\"]\n");
    let policy = only(read(&text, &[])).policy;
    assert_eq!(policy.deny, ["DELE", "SITE EXEC"]);
    assert_eq!(policy.slow_verbs, ["XSHA512"]);
    for deny in ["\"\"", "\"DE LE X\"", "\"DELE \"", "\"PÖRT\"", "\"A\\r\\nB\"", "3"] {
        wrong(read(&format!("{SMALL}[policy]\ndeny = [{deny}]\n"), &[]));
    }
}

#[test]
fn an_upstream_says_where_connections_leave_from() {
    let upstream = |lines: &str| only(read(&format!("{SMALL}{lines}"), &[])).upstream;
    assert_eq!(upstream("source = \"auto\"").source, options::Source::Auto);
    let set = upstream("source = \"10.0.0.9\"\ndevice = \"eth1\"");
    assert_eq!(set.source, options::Source::Address("10.0.0.9".parse().unwrap()));
    assert_eq!(set.device, Device::new("eth1"));
    let refused = |lines: &str| {
        let text = SMALL.replace("ftp.internal", "192.0.2.5") + lines;
        let found = wrong(read(&text, &[]));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    };
    let other = refused("source = \"2001:db8::9\"");
    assert!(other.contains("192.0.2.5 cannot be reached from 2001:db8::9"), "{other}");
    for line in ["source = \"0.0.0.0\"", "source = \"eth1\"", "device = \"\"", "device = \"a/b\""] {
        refused(line);
    }
    refused("device = \"sixteen-letters-\"");
}

#[test]
fn a_listener_may_take_sockets_that_are_handed_over() {
    let listener = |bind: &str| only(read(&SMALL.replace("\"127.0.0.1:2121\"", bind), &[]));
    assert_eq!(listener("\"systemd\"").handed, [None]);
    let named = listener("[\"systemd:control\", \"127.0.0.1:2121\", \"systemd:ftps\"]");
    assert_eq!(named.handed, [Some("control".to_owned()), Some("ftps".to_owned())]);
    assert_eq!(named.bind, ["127.0.0.1:2121".parse().unwrap()]);
    assert_eq!(only(read(SMALL, &[("FTPGATE_LISTENER_0_BIND", "systemd")])).handed, [None]);
    for bind in ["systemd:", "systemd:a:b", "systemd21", "systemd:\u{e9}"] {
        let text = SMALL.replace("127.0.0.1:2121", bind);
        assert_eq!(wrong(read(&text, &[])).len(), 1, "{bind}");
    }
}

#[test]
fn a_socket_handed_over_is_one_listeners() {
    let two = |a: &str, b: &str| {
        let listener = |bind: &str| format!("[[listener]]\nbind = \"{bind}\"\n");
        let text = listener(a) + &listener(b) + "[[upstream]]\naddress = \"a\"\n";
        read(&text, &[]).map(drop).map_err(|p| p.iter().map(Problem::one_line).collect())
    };
    let clash = |a, b| -> Vec<String> { two(a, b).unwrap_err() };
    assert!(clash("systemd", "systemd")[0].contains("takes what the service manager hands over"));
    assert!(clash("systemd:x", "systemd:x")[0].contains("takes the socket \"x\""));
    assert_eq!(two("systemd:x", "systemd"), Ok(()));
}

#[test]
fn whom_the_process_turns_into() {
    let run_as = |lines: &str| read(&format!("{SMALL}[runtime]\n{lines}"), &[]);
    let (config, _) = run_as("user = \"nobody\"\ngroup = 65534").unwrap();
    let whom = config.runtime.run_as.unwrap();
    assert_eq!((whom.user.as_str(), whom.group.as_deref()), ("nobody", Some("65534")));
    assert_eq!(run_as("").unwrap().0.runtime.run_as, None);
    assert!(wrong(run_as("group = \"nogroup\""))[0].contains("a group alone"));
    for line in ["user = \"\"", "user = \"a b\"", "user = -1"] {
        assert_eq!(wrong(run_as(line)).len(), 1, "{line}");
    }
}
