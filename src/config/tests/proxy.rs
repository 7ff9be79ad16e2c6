use std::time::Duration;

use super::*;
use crate::data::options::{Expose, Peers, PortRange};
use crate::net::proxy_header::Version;

/// A listener, an upstream and sections with these.
fn config(listener: &str, upstream: &str, sections: &str) -> String {
    format!(
        "[[listener]]\nbind = \"127.0.0.1:2121\"\n{listener}\n\
         [[upstream]]\naddress = \"ftp.internal\"\n{upstream}\n{sections}\n"
    )
}

fn balanced(on: &str) -> ListenerConfig {
    let listener = format!("proxy_protocol = \"{on}\"\nproxy_from = [\"10.0.0.5\"]");
    only(read(&config(&listener, "", "[timeouts]\nproxy_header = \"3s\""), &[]))
}

#[test]
fn without_a_word_there_is_none() {
    let only = only(read(SMALL, &[]));
    assert_eq!((only.proxy, only.upstream.proxy), (None, [None; 2]));
    assert_eq!(only.data.downstream.peers, Peers::Direct);
    assert!(!only.advertise.proxied);
}

#[test]
fn control_and_data_apart() {
    for (on, control, data) in
        [("control", true, false), ("data", false, true), ("both", true, true)]
    {
        let listener = balanced(on);
        assert_eq!(listener.proxy.is_some(), control, "{on}");
        assert_eq!(listener.advertise.proxied, control, "{on}");
        let (header, hidden) = match &listener.data.downstream.peers {
            Peers::Announced(options) => (Some(options.clone()), false),
            Peers::Hidden(_) => (None, true),
            Peers::Direct => (None, false),
        };
        assert_eq!((header.is_some(), hidden), (data, !data), "{on}");
        for options in listener.proxy.iter().chain(&header) {
            assert_eq!(options.within, Duration::from_secs(3));
            assert!(options.from.list("::ffff:10.0.0.5".parse().unwrap()));
            assert!(!options.from.list("10.0.0.6".parse().unwrap()));
        }
        assert_eq!(listener.data.upstream.peers, Peers::Direct);
    }
}

#[test]
fn the_balancers_have_to_be_named() {
    let wrong = |lines: &str| wrong(read(&config(lines, "", ""), &[]));
    let [said] = &wrong("proxy_protocol = \"both\"")[..] else { panic!() };
    assert!(said.contains("whose PROXY header is to be believed"), "{said}");
    let [said] = &wrong("proxy_protocol = \"both\"\nproxy_from = []")[..] else { panic!() };
    assert!(said.contains("whose PROXY header"), "{said}");
    let [said] = &wrong("proxy_from = [\"10.0.0.5\"]")[..] else { panic!() };
    assert!(said.contains("without `proxy_protocol`"), "{said}");
    let [said] = &wrong("proxy_protocol = \"yes\"\nproxy_from = [\"10.0.0.5\"]")[..] else {
        panic!()
    };
    assert!(said.contains("must be one of"), "{said}");
    let everybody = config("proxy_protocol = \"data\"\nproxy_from = [\"::/0\"]", "", "");
    let (_, warnings) = read(&everybody, &[]).unwrap();
    assert!(warnings[0].one_line().contains("everybody is believed"), "{warnings:?}");
}

#[test]
fn what_the_server_is_told() {
    let lines = "proxy_protocol = \"v2\"\nproxy_protocol_data = \"v1\"";
    let only = only(read(&config("", lines, ""), &[]));
    assert_eq!(only.upstream.proxy, [Some(Version::V2), Some(Version::V1)]);
}

#[test]
fn the_map_of_addresses() {
    let map = |map: &str| config("", "", &format!("[advertise]\nproxy_map = {map}"));
    let only = only(read(&map("{ \"10.0.0.5\" = \"203.0.113.7\" }"), &[]));
    assert_eq!(only.advertise.proxy_map.len(), 1);
    for (text, why) in [
        ("{ \"ten\" = \"203.0.113.7\" }", "`ten` is not an IP address"),
        ("{ \"10.0.0.5\" = \"there\" }", "not an IP address"),
        ("{ \"10.0.0.5\" = \"2001:db8::7\" }", "one cannot stand for the other"),
    ] {
        let said = wrong(read(&map(text), &[]));
        assert!(said[0].contains(why), "{said:?}");
    }
}

/// One port for several is for who can tell which was meant (P166).
#[test]
fn one_port_told_as_several() {
    let data = "[data]\nports = \"5000\"\nexpose = \"6000-6010\"";
    let listener = "proxy_protocol = \"both\"\nproxy_from = [\"10.0.0.5\"]";
    let only = only(read(&config(listener, "", data), &[]));
    let expected = Expose::Any(PortRange { first: 6000, last: 6010 });
    assert_eq!(only.data.downstream.expose, expected);
    let said = wrong(read(&config("", "", data), &[]));
    assert!(said[0].contains("each needs its counterpart"), "{said:?}");
}
