use std::sync::Arc;

use super::super::options::{AdvertiseOptions, Rule};
use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn every_group_of_clients_has_its_line() {
    let advertiser = Advertiser::new(AdvertiseOptions {
        lan: Some(true),
        rules: vec![
            Rule { clients: "10.8.0.0/16".parse().unwrap(), address: Source::Local },
            Rule {
                clients: "10.8.1.0/24".parse().unwrap(),
                address: Source::Literal(ip("10.8.1.1")),
            },
        ],
        address: Some(Source::Literal(ip("203.0.113.7"))),
        ..AdvertiseOptions::default()
    });
    let expected = [
        "clients in 10.8.0.0/16 are told 192.168.1.10 (rule network 10.8.0.0/16)",
        "clients in 10.8.1.0/24 are told 192.168.1.10 (rule network 10.8.0.0/16)",
        "private clients are told 192.168.1.10 (rule lan)",
        "other clients are told 203.0.113.7 (rule address)",
    ];
    assert_eq!(advertiser.describe(ip("192.168.1.10")), expected);
    assert!(advertiser.warnings(ip("192.168.1.10")).is_empty());
}

#[test]
fn one_line_when_all_are_told_the_same() {
    let advertiser = Advertiser::new(AdvertiseOptions::default());
    assert_eq!(advertiser.describe(ip("9.9.9.9")), ["clients are told 9.9.9.9 (rule local)"]);
    let loopback = advertiser.describe(ip("127.0.0.1"));
    assert_eq!(loopback, ["local clients are told 127.0.0.1 (rule lan)"]);
    assert!(advertiser.warnings(ip("127.0.0.1")).is_empty());
    assert_eq!(advertiser.describe(ip("::")), ["IPv6 clients use EPSV, which names no address"]);
}

#[test]
fn the_fallback_warning_holds_the_line_to_add_and_comes_once() {
    let advertiser = Advertiser::new(AdvertiseOptions::default());
    let warnings = advertiser.warnings(ip("192.168.1.10"));
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("[advertise] address = \"PUBLIC-ADDRESS\""), "{warnings:?}");
    assert!(warnings[0].contains("192.168.1.10"), "{warnings:?}");
    assert!(advertiser.warned.load(Ordering::Relaxed));
}

#[test]
fn silent_sources_and_inner_addresses_are_told() {
    let silent = Advertiser::new(AdvertiseOptions {
        lan: Some(true),
        address: Some(Source::Name("ftp.example".into())),
        file: Some("/no/such/file".into()),
        ..AdvertiseOptions::default()
    });
    let problems = silent.problems(ip("10.0.0.1"));
    assert_eq!(problems[0], "the advertised name ftp.example has not resolved");
    assert_eq!(problems[1], "no address could be read from /no/such/file");
    assert_eq!(problems[2], "other clients get 425 for PASV");
    let lines = silent.describe(ip("10.0.0.1"));
    assert_eq!(lines, ["private clients are told 10.0.0.1 (rule lan)"]);

    let inner: Arc<Advertiser> = Advertiser::new(AdvertiseOptions {
        lan: Some(true),
        address: Some(Source::Literal(ip("10.0.0.9"))),
        ..AdvertiseOptions::default()
    });
    let warnings = inner.warnings(ip("10.0.0.1")).join("\n");
    assert!(warnings.contains("the private address 10.0.0.9 (rule address)"), "{warnings}");
}

/// A listener on every address tells each client the one it came to, whichever that is.
#[test]
fn a_wildcard_promises_no_single_address() {
    let any = ip("0.0.0.0");
    let auto = Advertiser::new(AdvertiseOptions::default());
    for line in auto.describe(any) {
        assert!(line.contains("are told the address they connect to"), "{line}");
        assert!(!line.contains("0.0.0.0"), "{line}");
    }
    assert!(auto.problems(any).is_empty());
    assert!(!auto.warnings(any).iter().any(|line| line.contains("0.0.0.0")));
    let address = Some(Source::Literal(ip("203.0.113.7")));
    let written =
        Advertiser::new(AdvertiseOptions { lan: Some(false), address, ..Default::default() });
    assert_eq!(written.describe(any), ["clients are told 203.0.113.7 (rule address)"]);
}

#[test]
fn a_wildcard_stands_for_a_real_address() {
    // Without a default route it stays as it is; with one, it becomes that route's source.
    let seen = outward(ip("0.0.0.0"));
    assert!(seen.is_ipv4());
    assert_eq!(outward(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
}

#[test]
fn behind_a_balancer_its_addresses_count() {
    let proxied = |address: Option<&str>| {
        Advertiser::new(AdvertiseOptions {
            address: address.map(|text| Source::Literal(ip(text))),
            proxied: true,
            proxy_map: [(ip("10.0.0.5"), ip("203.0.113.7"))].into(),
            ..AdvertiseOptions::default()
        })
    };
    let mapped = "clients that reached the balancer at 10.0.0.5 are told 203.0.113.7 (rule proxy)"
        .to_owned();
    let other = "clients that reached the balancer elsewhere are told";
    for listen in ["127.0.0.1", "10.0.0.9", "0.0.0.0"] {
        let own = format!("{other} the address they reached there");
        assert_eq!(proxied(None).describe(ip(listen)), [mapped.clone(), own]);
        let address = format!("{other} 203.0.113.9 (rule address)");
        assert_eq!(proxied(Some("203.0.113.9")).describe(ip(listen)), [mapped.clone(), address]);
        assert!(proxied(None).warnings(ip(listen)).is_empty());
    }
}

/// A machine that says of itself that it is in AWS; nobody answers there.
fn in_aws() -> (tempfile::TempDir, AdvertiseOptions) {
    let folder = tempfile::tempdir().unwrap();
    let dmi = folder.path().join("class/dmi/id");
    std::fs::create_dir_all(&dmi).unwrap();
    std::fs::write(dmi.join("sys_vendor"), "Amazon EC2\n").unwrap();
    let cloud = Some(crate::advertise::cloud::CloudOptions {
        sys: folder.path().into(),
        metadata: "127.0.0.1:9".parse().unwrap(),
    });
    (folder, AdvertiseOptions { lan: Some(true), cloud, ..AdvertiseOptions::default() })
}

#[test]
fn the_source_that_decided_is_named() {
    let (_folder, options) = in_aws();
    let server = crate::upstream::options::HostPort { host: "stun.example".into(), port: 3478 };
    let advertiser = Advertiser::new(AdvertiseOptions { stun: Some(server), ..options });
    let other = |advertiser: &Advertiser| advertiser.describe(ip("10.0.0.1")).pop().unwrap();
    let v4 = |text: &str| Some(rules::Addresses { v4: text.parse().ok(), v6: None });
    advertiser.known.store(Arc::new(Known { stun: v4("203.0.113.3"), ..Known::default() }));
    assert_eq!(
        other(&advertiser),
        "other clients are told 203.0.113.3 (rule stun: stun.example:3478)"
    );
    advertiser.set_router("203.0.113.2".parse().ok());
    assert_eq!(other(&advertiser), "other clients are told 203.0.113.2 (rule router)");
    let warnings = advertiser.warnings(ip("10.0.0.1")).join("\n");
    assert!(
        warnings.contains("is 203.0.113.2, but the STUN server sees 203.0.113.3"),
        "{warnings}"
    );
    advertiser.known.rcu(|known| Known { cloud: v4("203.0.113.1"), ..Known::clone(known) });
    assert_eq!(other(&advertiser), "other clients are told 203.0.113.1 (rule cloud: AWS)");
    advertiser.set_router(None);
    assert_eq!(advertiser.known.load().cloud, v4("203.0.113.1"), "and nothing else is lost");
}

#[test]
fn a_cloud_that_does_not_answer_is_a_warning_and_silent_stun_a_problem() {
    let (_folder, options) = in_aws();
    let advertiser = Advertiser::new(options.clone());
    let warnings = advertiser.warnings(ip("10.0.0.1"));
    assert!(warnings[0].contains("this machine is in AWS, but its metadata do not answer"));
    assert!(warnings[1].contains("PUBLIC-ADDRESS"), "{warnings:?}");
    assert!(advertiser.problems(ip("10.0.0.1")).is_empty());
    let off = Advertiser::new(AdvertiseOptions { cloud: None, ..options });
    assert_eq!(off.warnings(ip("10.0.0.1")).len(), 1);
    let server = crate::upstream::options::HostPort { host: "stun.example".into(), port: 3478 };
    let stun = AdvertiseOptions { stun: Some(server), lan: Some(true), ..Default::default() };
    let problems = Advertiser::new(stun).problems(ip("10.0.0.1"));
    assert_eq!(problems[0], "the STUN server stun.example:3478 has not answered");
    assert_eq!(problems[1], "other clients get 425 for PASV");
}

#[test]
fn who_comes_through_the_mapped_router_is_told_apart() {
    let mapping = super::super::options::Mapping::Auto;
    let advertiser =
        Advertiser::new(AdvertiseOptions { mapping, lan: Some(true), ..Default::default() });
    let routed = |client: &str, local: &str| advertiser.is_through_router(ip(client), ip(local));
    assert!(routed("8.8.8.8", "192.168.1.10"), "and so it stays while the router is silent");
    advertiser.set_router("203.0.113.2".parse().ok());
    assert!(routed("8.8.8.8", "192.168.1.10"));
    assert!(!routed("192.168.1.7", "192.168.1.10"));
    assert!(!routed("2a00::1", "2a00::2"));
    let off = Advertiser::new(AdvertiseOptions::default());
    assert!(!off.is_through_router(ip("8.8.8.8"), ip("192.168.1.10")));
}

#[test]
fn the_gateway_hides_others() {
    let advertiser = Advertiser::new(AdvertiseOptions::default());
    let hides = |client: &str| advertiser.hides(ip(client), ip("172.17.0.2"));
    assert!(!hides("172.17.0.1"));
    let gateways = vec![ip("172.17.0.1")];
    advertiser.known.store(Arc::new(Known { gateways, ..Known::default() }));
    assert!(hides("172.17.0.1") && hides("::ffff:172.17.0.1"));
    assert!(!hides("172.17.0.3"));
}
