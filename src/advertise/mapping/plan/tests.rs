use super::*;
use crate::data::options::{Expose, PortOptions, PortRange};

const LINK: Link =
    Link { gateway: Ipv4Addr::new(192, 168, 1, 1), local: Ipv4Addr::new(192, 168, 1, 5) };

fn pool(first: u16, last: u16) -> Arc<PortPool> {
    PortPool::new(PortOptions::new(PortRange { first, last }))
}

fn wanted(controls: &[&str], pools: &[Arc<PortPool>]) -> Wanted {
    let controls: Vec<SocketAddr> = controls.iter().map(|c| c.parse().unwrap()).collect();
    Wanted::new(&controls, pools, LINK.local)
}

#[test]
fn control_ports_and_the_range_are_wanted_once() {
    let found = wanted(
        &["0.0.0.0:21", "192.168.1.5:990", "127.0.0.1:2121", "10.8.0.1:21", "[::]:21"],
        &[pool(60000, 60001), pool(60001, 60002)],
    );
    let same = [21, 990, 60000, 60001, 60002].map(|port| (port, port));
    assert_eq!(found.ports, same);
    assert_eq!(found.elsewhere, ["10.8.0.1:21".parse().unwrap()]);
    let mut shifted = PortOptions::new(PortRange { first: 50000, last: 50001 });
    shifted.expose = Expose::Shift(-10000);
    let found = wanted(&[], &[PortPool::new(shifted)]);
    assert_eq!(found.ports, [(50000, 40000), (50001, 40001)], "`expose` is what is asked for");
}

#[test]
fn no_router_is_asked_for_too_many() {
    let found = wanted(&["0.0.0.0:21"], &[pool(60000, 60099)]);
    assert_eq!((found.ports.len(), found.left_out), (65, 36));
    let words: Vec<String> = bounds(&found, LINK.local).collect();
    assert!(words[0].contains("64 data ports, and 36 of the range are left out"), "{words:?}");
}

fn said(address: &str, ports: &[(u16, u16)], refused: &[(u16, &str)]) -> Vec<Word> {
    let who = Who {
        link: LINK,
        protocol: Protocol::NatPmp,
        address: address.parse().ok(),
        lease: Some(Duration::from_secs(3600)),
    };
    let refused: Vec<(u16, String)> = refused.iter().map(|(p, why)| (*p, (*why).into())).collect();
    let wanted = wanted(&["0.0.0.0:21"], &[pool(60000, 60010)]);
    words(who, &wanted, &ports.iter().copied().collect(), &refused)
}

#[test]
fn what_is_mapped_is_said_in_one_line() {
    let all: Vec<(u16, u16)> = [21].into_iter().chain(60000..=60010).map(|p| (p, p)).collect();
    let line = "the router 192.168.1.1 (NAT-PMP), outside 203.0.113.7, forwards TCP 21, 60000-60010 \
                to 192.168.1.5, leased for 60 min";
    assert_eq!(said("203.0.113.7", &all, &[]), [Word::Info(line.into())]);
}

#[test]
fn a_refusal_has_its_reason_and_the_manual_step() {
    let words = said("203.0.113.7", &[(60000, 60000), (60001, 7001)], &[(21, "not authorized")]);
    let Word::Warn(renamed) = &words[1] else { panic!("{words:?}") };
    assert!(renamed.contains("TCP 60001 as 7001"), "{renamed}");
    let expected = "the router refuses TCP 21 (not authorized): forward TCP 21 on the router \
                    (192.168.1.1) to 192.168.1.5 by hand";
    assert_eq!(words[2], Word::Warn(expected.into()));
    let all = nothing_mapped(
        LINK,
        &wanted(&["0.0.0.0:21"], &[pool(60000, 60010)]),
        "PCP: no answer",
        None,
    );
    assert!(all.starts_with("the router 192.168.1.1 maps no port (PCP: no answer): forward TCP 21, 60000-60010 on the router"), "{all}");
}

#[test]
fn a_shared_address_is_recognised() {
    let words = |address: &str| format!("{:?}", said(address, &[(21, 21)], &[]));
    assert!(words("100.64.0.1").contains("carrier-grade NAT"));
    assert!(words("100.127.255.255").contains("carrier-grade NAT"));
    assert!(words("192.168.178.2").contains("another router in front"));
    for public in ["100.128.0.1", "203.0.113.7"] {
        assert_eq!(said(public, &[(21, 21)], &[]).len(), 1);
    }
}

#[test]
fn a_router_that_maps_nothing_may_have_no_address_itself() {
    let shared = "100.64.0.1".parse().ok();
    for address in [Ok(shared), Ok(None), Err(Refused::port("it is not connected itself"))] {
        assert!(behind_refusal(address).unwrap().contains("carrier-grade NAT"));
    }
    assert_eq!(behind_refusal(Err(Refused::silent("no answer"))), None);
    assert_eq!(behind_refusal(Ok("203.0.113.7".parse().ok())), None);
}

#[test]
fn what_was_said_is_not_said_again() {
    let first = vec![Word::Info("a".into()), Word::Warn("b".into())];
    let mut told = Vec::new();
    tell(&first, &mut told);
    assert_eq!(told, first);
    tell(&first[..1], &mut told);
    assert_eq!(told, first[..1], "the warning is news again when it comes back");
}
