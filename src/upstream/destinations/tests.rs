use super::*;

fn list(networks: &[&str]) -> Destinations {
    Destinations {
        names: Vec::new(),
        networks: networks.iter().map(|n| n.parse().unwrap()).collect(),
        ports: vec!["21".parse().unwrap(), "2100-2110".parse().unwrap()],
    }
}

#[test]
fn what_is_listed_is_let_through() {
    use Refused::{Port, Private, Reserved, Unlisted};
    let world = &["0.0.0.0/0", "::/0"][..];
    let lan = &["0.0.0.0/0", "10.1.0.0/16", "fd00:1::/32"][..];
    for (networks, to, expected) in [
        (world, "198.51.100.7:21", Ok(())),
        (world, "198.51.100.7:2105", Ok(())),
        (world, "198.51.100.7:22", Err(Port)),
        (world, "[2001:db8::7]:21", Ok(())),
        (world, "[::ffff:198.51.100.7]:21", Ok(())),
        (&["192.0.2.0/24"], "198.51.100.7:21", Err(Unlisted)),
        (&["0.0.0.0/0"], "[2001:db8::7]:21", Err(Unlisted)),
        (&[], "198.51.100.7:21", Err(Unlisted)),
        // Private addresses: only by a network that is private itself.
        (world, "10.1.2.3:21", Err(Private)),
        (world, "192.168.1.1:21", Err(Private)),
        (world, "172.31.0.1:21", Err(Private)),
        (world, "100.64.0.1:21", Err(Private)),
        (world, "[fd00:1::1]:21", Err(Private)),
        (world, "[::ffff:10.1.2.3]:21", Err(Private)),
        (lan, "10.1.2.3:21", Ok(())),
        (lan, "10.2.2.3:21", Err(Private)),
        (lan, "[fd00:1::1]:21", Ok(())),
        (lan, "[fd00:2::1]:21", Err(Private)),
        // Never, whatever is listed.
        (&["127.0.0.0/8"], "127.0.0.1:21", Err(Reserved)),
        (&["169.254.0.0/16"], "169.254.169.254:21", Err(Reserved)),
        (&["fd00:ec2::/32"], "[fd00:ec2::254]:21", Err(Reserved)),
        (&["fd00:ec2::/32"], "[fd00:ec2::253]:21", Ok(())),
        (world, "0.0.0.0:21", Err(Reserved)),
        (world, "224.0.0.1:21", Err(Reserved)),
        (world, "255.255.255.255:21", Err(Reserved)),
        (world, "[::]:21", Err(Reserved)),
        (world, "[::1]:21", Err(Reserved)),
        (world, "[::127.0.0.1]:21", Err(Reserved)),
        (world, "[fe80::1]:21", Err(Reserved)),
        (world, "[ff02::1]:21", Err(Reserved)),
        // The same behind NAT64.
        (world, "[64:ff9b::c633:6407]:21", Ok(())),
        (world, "[64:ff9b::a9fe:a9fe]:21", Err(Reserved)),
        (world, "[64:ff9b::7f00:1]:21", Err(Reserved)),
        (world, "[64:ff9b::a01:203]:21", Err(Private)),
    ] {
        assert_eq!(list(networks).admits(to.parse().unwrap()), expected, "{networks:?} <- {to}");
    }
}

#[test]
fn a_list_without_ports_admits_nothing() {
    let none = Destinations { ports: Vec::new(), ..list(&["0.0.0.0/0"]) };
    assert_eq!(none.admits("198.51.100.7:21".parse().unwrap()), Err(Refused::Port));
}

#[test]
fn a_listed_name_may_have_any_public_address() {
    let names = ["ftp.example.org", "*.example.com"].map(str::to_owned).to_vec();
    let list = Destinations { names, ..list(&["192.168.7.0/24"]) };
    let admits = |host: &str, to: &str| list.admits_named(host, to.parse().unwrap());
    assert_eq!(admits("ftp.example.org", "198.51.100.7:21"), Ok(()));
    assert_eq!(admits("ftp.example.org.", "198.51.100.7:21"), Ok(()));
    assert_eq!(admits("a.b.example.com", "[2001:db8::7]:21"), Ok(()));
    assert_eq!(admits("example.com", "198.51.100.7:21"), Err(Refused::Unlisted));
    assert_eq!(admits("badexample.com", "198.51.100.7:21"), Err(Refused::Unlisted));
    assert_eq!(admits("ftp.example.org", "198.51.100.7:22"), Err(Refused::Port));
}

#[test]
fn a_listed_name_does_not_lead_inside() {
    let names = vec!["*.example.com".to_owned()];
    let list = Destinations { names, ..list(&["192.168.7.0/24"]) };
    let admits = |to: &str| list.admits_named("evil.example.com", to.parse().unwrap());
    assert_eq!(admits("10.0.0.1:21"), Err(Refused::Private));
    assert_eq!(admits("127.0.0.1:21"), Err(Refused::Reserved));
    assert_eq!(admits("169.254.169.254:21"), Err(Refused::Reserved));
    assert_eq!(admits("192.168.7.9:21"), Ok(()), "named as a network");
}
