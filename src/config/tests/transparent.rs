use super::*;
use crate::upstream::destinations::Mode;

const REDIRECT: &str = "[[listener]]\nbind = \"127.0.0.1:2121\"\nmode = \"redirect\"\n\
                        destinations = [\"0.0.0.0/0\"]\n";

#[test]
fn no_upstream_is_needed_where_clients_choose() {
    let listener = only(read(REDIRECT, &[]));
    assert_eq!(listener.mode, Mode::Redirect);
    assert!(listener.upstream.address.is_none());
    assert_eq!(listener.destinations.admits("198.51.100.7:21".parse().unwrap()), Ok(()));
    let text = format!("{REDIRECT}[[listener]]\nbind = \"127.0.0.1:21\"\n");
    assert!(wrong(read(&text, &[]))[0].contains("there is no [[upstream]]"));
}

#[test]
fn only_clients_inside_are_let_in() {
    let listener = only(read(REDIRECT, &[]));
    for (client, expected) in [
        ("192.168.1.5", true),
        ("10.0.0.1", true),
        ("127.0.0.1", true),
        ("fd00::5", true),
        ("::1", true),
        ("203.0.113.5", false),
        ("100.64.0.1", false),
        ("2001:db8::1", false),
        ("::ffff:203.0.113.5", false),
    ] {
        assert_eq!(listener.access.admits(client.parse().unwrap()), expected, "{client}");
    }
    let wide = only(read(&format!("{REDIRECT}clients = \"203.0.113.0/24\""), &[]));
    assert!(wide.access.admits("203.0.113.5".parse().unwrap()));
    assert!(!wide.access.admits("192.168.1.5".parse().unwrap()));
}

#[test]
fn what_is_said_of_servers_holds_for_those_that_clients_choose() {
    let gateway = "[[listener]]\nname = \"in\"\nbind = \"192.0.2.1:21\"\n\
                   [[upstream]]\nname = \"nas\"\naddress = \"192.0.2.5\"\nsessions = 3\n";
    let of = |more: &str| {
        let (config, warnings) = read(&format!("{REDIRECT}{gateway}{more}"), &[]).unwrap();
        assert_eq!(warnings, []);
        let [redirect, gateway] = config.listeners.try_into().unwrap();
        assert_eq!(gateway.upstream.name, "nas");
        redirect.upstream
    };
    let implied = of("");
    assert_eq!((implied.name.as_str(), implied.sessions), ("*", None));
    let told = of("[[upstream]]\nname = \"any\"\nsessions = 7\n");
    assert_eq!((told.name.as_str(), told.sessions.map(|n| n.get())), ("any", Some(7)));
}
