use super::*;

#[test]
fn peers_are_compared_in_canonical_form() {
    let expected = Expected::new("::ffff:192.0.2.1".parse().unwrap());
    assert!(expected.admits("192.0.2.1".parse().unwrap()));
    assert!(expected.admits("::ffff:192.0.2.1".parse().unwrap()));
    assert!(!expected.admits("192.0.2.2".parse().unwrap()));
    assert!(!expected.admits("::1".parse().unwrap()));
}

#[test]
fn a_balancer_may_come_in_the_stead_of_the_peer() {
    let balancers = || Balancers::from(vec!["10.0.0.0/24".parse().unwrap()]);
    let behind = |peer: &str| Expected::behind(balancers(), peer.parse().unwrap());
    let expected = behind("192.0.2.1");
    for (peer, admitted) in [
        ("192.0.2.1", true),
        ("10.0.0.7", true),
        ("::ffff:10.0.0.7", true),
        ("10.0.1.7", false),
        ("192.0.2.2", false),
        ("::1", false),
    ] {
        assert_eq!(expected.admits(peer.parse().unwrap()), admitted, "{peer}");
    }
    // Nobody can tell whose connection of the balancer it is.
    assert!(expected.meets(&behind("192.0.2.2")));
    let plain = |peer: &str| Expected::new(peer.parse().unwrap());
    assert!(plain("192.0.2.1").meets(&plain("::ffff:192.0.2.1")));
    assert!(!plain("192.0.2.1").meets(&plain("192.0.2.2")));
}
