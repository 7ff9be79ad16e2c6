use super::*;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

fn answer(st: &str, location: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {st}\r\nLocation: {location}\r\n\r\n"
    )
}

#[test]
fn only_what_leads_to_the_router_counts() {
    let igd = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
    let good = parse(&answer(igd, "http://192.168.1.1:5000/rootDesc.xml"), GATEWAY).unwrap();
    assert_eq!((good.at, &*good.path), ("192.168.1.1:5000".parse().unwrap(), "/rootDesc.xml"));
    let plain = parse(&answer(igd, "http://192.168.1.1"), GATEWAY).unwrap();
    assert_eq!((plain.at.port(), &*plain.path), (80, "/"));
    for (st, location) in [
        (igd, "http://192.168.1.2:5000/rootDesc.xml"),
        (igd, "http://router.example/rootDesc.xml"),
        (igd, "https://192.168.1.1/rootDesc.xml"),
        (igd, "http://192.168.1.1:0/"),
        (igd, "http://user@192.168.1.1/"),
        (igd, "192.168.1.1/rootDesc.xml"),
        ("urn:schemas-upnp-org:device:MediaServer:1", "http://192.168.1.1/"),
    ] {
        assert_eq!(parse(&answer(st, location), GATEWAY), None, "{st} {location}");
    }
    assert_eq!(parse("NOTIFY * HTTP/1.1\r\n\r\n", GATEWAY), None);
    assert_eq!(parse("", GATEWAY), None);
}
