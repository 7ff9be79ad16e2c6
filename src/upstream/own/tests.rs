use super::*;

fn own(own: &str, to: &str) -> bool {
    is_own(&[own.parse().unwrap()], to.parse().unwrap())
}

#[test]
fn listeners_are_recognised() {
    for (listener, to, expected) in [
        ("127.0.0.1:21", "127.0.0.1:21", true),
        ("127.0.0.1:21", "0.0.0.0:21", true),
        ("127.0.0.1:21", "[::ffff:127.0.0.1]:21", true),
        ("[::ffff:127.0.0.1]:21", "127.0.0.1:21", true),
        ("127.0.0.1:21", "127.0.0.1:2121", false),
        ("127.0.0.1:21", "127.0.0.2:21", false),
        ("0.0.0.0:21", "127.0.0.2:21", true),
        ("0.0.0.0:21", "0.0.0.0:21", true),
        ("[::]:21", "[::1]:21", true),
        ("[::]:21", "127.0.0.1:21", false),
        ("0.0.0.0:21", "198.51.100.7:21", false),
        ("[::]:21", "[2001:db8::7]:21", false),
    ] {
        assert_eq!(own(listener, to), expected, "{listener} <- {to}");
    }
}

#[test]
fn routes_tell_own_addresses_apart() {
    assert!(starts_at(Ipv4Addr::LOCALHOST.into()));
    assert!(!starts_at("198.51.100.7".parse().unwrap()));
}
