use proptest::prelude::*;

use super::super::options::Rule;
use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn addresses(v4: Option<&str>, v6: Option<&str>) -> Addresses {
    Addresses { v4: v4.map(|a| a.parse().unwrap()), v6: v6.map(|a| a.parse().unwrap()) }
}

fn name(text: &str) -> Source {
    Source::Name(text.into())
}

/// `address rule`, or `none`.
fn told(options: &AdvertiseOptions, known: &Known, client: &str, local: &str) -> String {
    choose(options, known, ip(client), ip(local))
        .map_or("none".into(), |c| format!("{} {}", c.address, c.rule))
}

fn options() -> AdvertiseOptions {
    AdvertiseOptions::default()
}

#[test]
fn without_configuration_the_local_address_is_told() {
    let known = Known::default();
    let table = [
        ("192.168.1.7", "192.168.1.10", "192.168.1.10 lan"),
        ("100.64.3.4", "10.0.0.1", "10.0.0.1 lan"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1 lan"),
        ("169.254.9.9", "169.254.1.1", "169.254.1.1 lan"),
        ("fd00::7", "fe80::1", "fe80::1 lan"),
        ("::ffff:10.1.2.3", "::ffff:10.0.0.1", "10.0.0.1 lan"),
        ("8.8.8.8", "192.168.1.10", "192.168.1.10 fallback"),
        ("8.8.8.8", "9.9.9.9", "9.9.9.9 local"),
        ("192.168.1.7", "9.9.9.9", "9.9.9.9 local"),
        ("2a00::1", "2a00::2", "2a00::2 local"),
        ("2a00::1", "fd00::2", "fd00::2 fallback"),
    ];
    for (client, local, expected) in table {
        assert_eq!(told(&options(), &known, client, local), expected, "{client} on {local}");
    }
}

/// P173: nothing that is written for others counts.
#[test]
fn a_client_that_aims_at_a_server_is_told_its_address() {
    let rule = Rule { clients: "0.0.0.0/0".parse().unwrap(), address: Source::Local };
    let address = Some(Source::Literal(ip("198.51.100.1")));
    let written = AdvertiseOptions { original: true, rules: vec![rule], address, ..options() };
    for (client, server) in [("192.168.1.7", "203.0.113.9"), ("fd00::7", "2001:db8::9")] {
        let expected = format!("{server} original");
        assert_eq!(told(&written, &Known::default(), client, server), expected);
    }
}

#[test]
fn what_the_client_reached_at_the_balancer_is_looked_up() {
    let options = AdvertiseOptions {
        rules: vec![Rule { clients: "10.8.0.0/16".parse().unwrap(), address: Source::Local }],
        address: Some(Source::Literal(ip("203.0.113.9"))),
        proxied: true,
        proxy_map: [("10.0.0.5", "203.0.113.7"), ("fd00::5", "2a00::7")]
            .map(|(reached, told)| (ip(reached), ip(told)))
            .into(),
        ..options()
    };
    let known = Known::default();
    for (client, reached, expected) in [
        ("8.8.8.8", "10.0.0.5", "203.0.113.7 proxy"),
        ("8.8.8.8", "::ffff:10.0.0.5", "203.0.113.7 proxy"),
        ("2a00::1", "fd00::5", "2a00::7 proxy"),
        // Above the LAN, below the networks.
        ("192.168.1.7", "10.0.0.5", "203.0.113.7 proxy"),
        ("10.8.1.1", "10.0.0.5", "10.0.0.5 network 10.8.0.0/16"),
        // Not in the map: as if the client had reached us there.
        ("8.8.8.8", "10.0.0.6", "203.0.113.9 address"),
        ("192.168.1.7", "10.0.0.6", "10.0.0.6 lan"),
    ] {
        assert_eq!(told(&options, &known, client, reached), expected, "{client} at {reached}");
    }
    // Without a header nobody says what the client reached.
    let direct = AdvertiseOptions { proxied: false, ..options };
    assert_eq!(told(&direct, &known, "8.8.8.8", "10.0.0.5"), "203.0.113.9 address");
}

#[test]
fn a_written_address_stands_before_a_public_local_one_but_after_the_lan() {
    let options =
        AdvertiseOptions { address: Some(Source::Literal(ip("203.0.113.7"))), ..options() };
    let known = Known::default();
    assert_eq!(told(&options, &known, "8.8.8.8", "9.9.9.9"), "203.0.113.7 address");
    assert_eq!(told(&options, &known, "8.8.8.8", "10.0.0.1"), "203.0.113.7 address");
    assert_eq!(told(&options, &known, "10.0.0.9", "10.0.0.1"), "10.0.0.1 lan");
    let no_lan = AdvertiseOptions { lan: Some(false), ..options };
    assert_eq!(told(&no_lan, &known, "10.0.0.9", "10.0.0.1"), "203.0.113.7 address");
}

#[test]
fn the_first_rule_for_the_client_wins() {
    let rule = |clients: &str, address| Rule { clients: clients.parse().unwrap(), address };
    let options = AdvertiseOptions {
        rules: vec![
            rule("10.8.0.0/16", Source::Local),
            rule("10.0.0.0/8", Source::Literal(ip("10.255.0.1"))),
            rule("198.51.100.0/24", name("vpn.example")),
            rule("::ffff:172.16.0.0/108", Source::Literal(ip("172.16.0.1"))),
        ],
        address: Some(Source::Literal(ip("203.0.113.7"))),
        ..options()
    };
    let mut known = Known::default();
    let local = "192.168.1.10";
    assert_eq!(told(&options, &known, "10.8.1.1", local), "192.168.1.10 network 10.8.0.0/16");
    assert_eq!(told(&options, &known, "10.9.1.1", local), "10.255.0.1 network 10.0.0.0/8");
    assert_eq!(told(&options, &known, "::ffff:10.9.1.1", local), "10.255.0.1 network 10.0.0.0/8");
    assert_eq!(
        told(&options, &known, "172.16.5.5", local),
        "172.16.0.1 network ::ffff:172.16.0.0/108"
    );
    assert_eq!(told(&options, &known, "198.51.100.9", local), "none", "its name has no answer");
    known.names.insert("vpn.example".into(), addresses(Some("203.0.113.9"), None));
    let vpn = told(&options, &known, "198.51.100.9", local);
    assert_eq!(vpn, "203.0.113.9 network 198.51.100.0/24");
}

/// P66: DNS down gives 425, never an inner address, nor even a public local one.
#[test]
fn a_configured_source_without_answer_tells_nothing() {
    let by_name = AdvertiseOptions { address: Some(name("ftp.example")), ..options() };
    let by_file = AdvertiseOptions { file: Some("/address".into()), ..options() };
    for options in [by_name, by_file] {
        let known = Known::default();
        assert_eq!(told(&options, &known, "8.8.8.8", "10.0.0.1"), "none");
        assert_eq!(told(&options, &known, "8.8.8.8", "9.9.9.9"), "none");
        assert_eq!(told(&options, &known, "10.0.0.2", "10.0.0.1"), "10.0.0.1 lan");
    }
}

#[test]
fn the_file_helps_a_name_that_has_no_answer() {
    let options = AdvertiseOptions {
        address: Some(name("ftp.example")),
        file: Some("/address".into()),
        ..options()
    };
    let mut known = Known { file: Some(addresses(Some("203.0.113.8"), None)), ..Known::default() };
    assert_eq!(told(&options, &known, "8.8.8.8", "10.0.0.1"), "203.0.113.8 file");
    known.names.insert("ftp.example".into(), addresses(Some("203.0.113.7"), None));
    assert_eq!(told(&options, &known, "8.8.8.8", "10.0.0.1"), "203.0.113.7 address");
}

#[test]
fn the_families_are_apart() {
    let mut options = AdvertiseOptions { address: Some(name("ftp.example")), ..options() };
    let mut known = Known::default();
    known.names.insert("ftp.example".into(), addresses(None, Some("2a00::7")));
    assert_eq!(told(&options, &known, "8.8.8.8", "10.0.0.1"), "none", "the name has only IPv6");
    assert_eq!(
        told(&options, &known, "2a00::1", "2a00::2"),
        "2a00::2 local",
        "address is for IPv4"
    );
    options.address6 = Some(name("ftp.example"));
    assert_eq!(told(&options, &known, "2a00::1", "2a00::2"), "2a00::7 address");
    options.address = Some(Source::Literal(ip("2a00::9")));
    assert_eq!(told(&options, &known, "8.8.8.8", "10.0.0.1"), "none", "a literal of the wrong one");

    let by_file = AdvertiseOptions { file: Some("/address".into()), ..self::options() };
    let known = Known { file: Some(addresses(Some("203.0.113.8"), None)), ..Known::default() };
    assert_eq!(told(&by_file, &known, "2a00::1", "2a00::2"), "2a00::2 local");
}

#[test]
fn private_and_public() {
    let private = [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "127.0.0.1",
        "169.254.0.1",
        "100.64.0.0",
        "100.127.255.255",
        "fd12::1",
        "fe80::1",
        "::1",
        "::ffff:10.0.0.1",
    ];
    let public = ["8.8.8.8", "172.32.0.1", "100.63.0.1", "100.128.0.1", "203.0.113.1", "2a00::1"];
    let neither = ["0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "ff02::1"];
    for text in private {
        assert!(is_private(ip(text)) && !is_public(ip(text)), "{text}");
    }
    for text in public {
        assert!(!is_private(ip(text)) && is_public(ip(text)), "{text}");
    }
    for text in neither {
        assert!(!is_private(ip(text)) && !is_public(ip(text)), "{text}");
    }
}

proptest! {
    /// Whatever is known, who asked for a public address never gets an inner one told to outsiders.
    #[test]
    fn an_outsider_is_never_told_the_inner_address(
        client: IpAddr, local: IpAddr, answer: Option<[u8; 4]>, lan: bool,
    ) {
        prop_assume!(!is_private(client));
        let options = AdvertiseOptions {
            address: Some(name("n")), address6: Some(name("n")), lan: Some(lan), ..options()
        };
        let mut known = Known::default();
        if let Some(octets) = answer {
            known.names.insert("n".into(), Addresses { v4: Some(octets.into()), v6: None });
        }
        let expected = answer.map(IpAddr::from).filter(|_| local.to_canonical().is_ipv4());
        let choice = choose(&options, &known, client, local);
        prop_assert_eq!(choice.map(|c| c.address), expected);
    }
}

fn found(cloud: Option<&str>, router: Option<&str>, stun: Option<&str>) -> Known {
    let source = |text: Option<&str>| text.map(|text| addresses(Some(text), None));
    let (cloud, router, stun) = (source(cloud), source(router), source(stun));
    Known { cloud, router, stun, ..Known::default() }
}

#[test]
fn what_was_found_out_comes_after_what_is_written_and_before_the_fallback() {
    let (cloud, router, stun) = (Some("203.0.113.1"), Some("203.0.113.2"), Some("203.0.113.3"));
    let table = [
        (found(cloud, router, stun), "203.0.113.1 cloud"),
        (found(None, router, stun), "203.0.113.2 router"),
        (found(None, None, stun), "203.0.113.3 stun"),
        (found(None, None, None), "192.168.1.10 fallback"),
    ];
    for (known, expected) in table {
        assert_eq!(told(&options(), &known, "8.8.8.8", "192.168.1.10"), expected);
    }
    let known = found(cloud, router, stun);
    assert_eq!(told(&options(), &known, "8.8.8.8", "9.9.9.9"), "9.9.9.9 local");
    assert_eq!(told(&options(), &known, "192.168.1.7", "192.168.1.10"), "192.168.1.10 lan");
    assert_eq!(told(&options(), &known, "2a00::1", "fd00::2"), "fd00::2 fallback");
    let written =
        AdvertiseOptions { address: Some(Source::Literal(ip("203.0.113.7"))), ..options() };
    assert_eq!(told(&written, &known, "8.8.8.8", "192.168.1.10"), "203.0.113.7 address");
}

/// The router's own address is private: right for those between the two routers, for nobody else.
#[test]
fn the_address_of_a_router_behind_a_router_is_no_public_one() {
    let mapping = AdvertiseOptions { mapping: Mapping::Auto, lan: Some(false), ..options() };
    for inner in ["100.64.3.4", "192.168.178.2"] {
        let known = found(None, Some(inner), None);
        assert_eq!(told(&mapping, &known, "8.8.8.8", "192.168.1.10"), "none");
        let neighbour = told(&mapping, &known, "192.168.178.9", "192.168.1.10");
        assert_eq!(neighbour, format!("{inner} router"));
        let known = found(None, Some(inner), Some("203.0.113.3"));
        assert_eq!(told(&mapping, &known, "8.8.8.8", "192.168.1.10"), "203.0.113.3 stun");
    }
}

#[test]
fn a_source_that_was_asked_for_never_falls_through() {
    let known = Known::default();
    let mapping = AdvertiseOptions { mapping: Mapping::Upnp, ..options() };
    assert_eq!(told(&mapping, &known, "8.8.8.8", "192.168.1.10"), "none");
    assert_eq!(told(&mapping, &known, "2a00::1", "fd00::2"), "fd00::2 fallback", "IPv4 only");
    let server = crate::upstream::options::HostPort { host: "stun.example".into(), port: 3478 };
    let stun = AdvertiseOptions { stun: Some(server), ..options() };
    assert_eq!(told(&stun, &known, "8.8.8.8", "192.168.1.10"), "none");
    assert_eq!(told(&stun, &known, "192.168.1.7", "192.168.1.10"), "192.168.1.10 lan");
    let answered = Known { cloud: Some(Addresses::default()), ..Known::default() };
    let cloud = told(&options(), &answered, "8.8.8.8", "192.168.1.10");
    assert_eq!(cloud, "192.168.1.10 fallback", "the cloud is only looked for");
}

/// Hairpin and containers: who comes through our own gateway does not see our local address.
#[test]
fn who_comes_through_the_gateway_is_not_in_the_lan() {
    let known = Known { gateways: vec![ip("192.168.1.1")], ..Known::default() };
    let written =
        AdvertiseOptions { address: Some(Source::Literal(ip("203.0.113.7"))), ..options() };
    assert_eq!(told(&written, &known, "192.168.1.1", "192.168.1.10"), "203.0.113.7 address");
    assert_eq!(told(&written, &known, "192.168.1.2", "192.168.1.10"), "192.168.1.10 lan");
    // As long as nothing else is known, it may be the gateway itself.
    assert_eq!(told(&options(), &known, "192.168.1.1", "192.168.1.10"), "192.168.1.10 lan");
    let mapping = AdvertiseOptions { mapping: Mapping::Auto, ..options() };
    assert_eq!(told(&mapping, &known, "192.168.1.1", "192.168.1.10"), "192.168.1.10 lan");
    let off = AdvertiseOptions { lan: Some(false), ..mapping };
    assert_eq!(told(&off, &known, "192.168.1.1", "192.168.1.10"), "none");
}
