use super::*;
use crate::config;

fn usual() -> Kernel {
    Kernel {
        free_ports: 1024,
        guards_devices: false,
        borrowing: Capability::Raw,
        congestions: Congestions::parse("reno cubic bbr", "reno cubic"),
    }
}

fn read(text: &str) -> Config {
    config::parse(text, "test", []).unwrap().0
}

fn keys(text: &str, kernel: Kernel) -> Vec<(Capability, String, bool)> {
    let needs = needed(&read(text).listeners, &kernel);
    needs.into_iter().map(|need| (need.capability, need.key, need.lasting)).collect()
}

fn small(more: &str) -> String {
    format!(
        "[[listener]]\nname = \"l\"\nbind = \"*:2121\"\n[[upstream]]\nname = \"u\"\n\
         address = \"a\"\n{more}"
    )
}

#[test]
fn high_ports_take_nothing() {
    assert_eq!(keys(&small(""), usual()), []);
    let low = small("").replace("2121", "21");
    assert_eq!(keys(&low, Kernel { free_ports: 0, ..usual() }), []);
    assert_eq!(keys(&low.replace("*:21", "systemd"), usual()), []);
}

#[test]
fn a_low_control_port_takes_it_until_it_is_bound() {
    let found = keys(&small("").replace("2121", "21"), usual());
    let key = "listener.l.bind (port 21)".to_owned();
    assert_eq!(found, [(Capability::BindService, key, false)]);
}

#[test]
fn low_data_ports_take_it_to_the_end() {
    let more = "data = \"active\"\n[data]\nports = \"900-999\"\nupstream_ports = \"800-899\"\n\
                source_port = 20\nupstream_source_port = 19\n";
    let found = keys(&small(more), usual());
    assert!(found.iter().all(|(c, _, lasting)| *c == Capability::BindService && *lasting));
    let keys_only: Vec<_> = found.iter().map(|(_, key, _)| key.as_str()).collect();
    assert_eq!(
        keys_only,
        [
            "data.source_port of listener l (port 20)",
            "data.upstream_source_port of listener l (port 19)",
            "data.ports of listener l (port 900)",
            "data.upstream_ports of listener l (port 800)",
        ]
    );
    let passive = small("[data]\nupstream_ports = \"800-899\"\n");
    assert_eq!(keys(&passive, usual()), [], "nobody listens there");
}

#[test]
fn a_link_takes_it_in_old_kernels() {
    let text = small("device = \"eth1\"\n");
    assert_eq!(keys(&text, usual()), []);
    let old = Kernel { guards_devices: true, ..usual() };
    assert_eq!(keys(&text, old), [(Capability::Raw, "upstream.u.device".into(), true)]);
}

#[test]
fn addresses_of_others_take_one_to_the_end_which_may_be_missing() {
    let transparent = "[[listener]]\nname = \"l\"\nbind = \"*:2121\"\nmode = \"redirect\"\n\
                       destinations = [\"0.0.0.0/0\"]\n";
    let needs = needed(&read(transparent).listeners, &usual());
    let [need] = needs.as_slice() else { panic!("{needs:?}") };
    assert!(need.wished && need.lasting && need.capability == Capability::Raw);
    for line in ["source = \"client\"\n", "mark = 7\n"] {
        assert!(needed(&read(&small(line)).listeners, &usual())[0].wished, "{line}");
    }
    assert_eq!(needed(&read(&small("mark = 0\n")).listeners, &usual()), []);
}

#[test]
fn a_congestion_control_that_is_not_for_all_takes_one_to_the_end() {
    let text = |key, name| small(&format!("[data]\n{key} = \"{name}\"\n"));
    for key in ["congestion", "upstream_congestion"] {
        assert_eq!(keys(&text(key, "cubic"), usual()), []);
        let found = keys(&text(key, "bbr"), usual());
        let told = "data.congestion of listener l".to_owned();
        assert_eq!(found, [(Capability::Admin, told, true)]);
    }
}

#[cfg(feature = "acme")]
#[test]
fn the_issuers_requests_come_to_a_low_port_again_and_again() {
    let acme = "mode = \"optional\", acme = { names = [\"ftp.example.org\"] }";
    let text = small("").replace("bind =", &format!("tls = {{ {acme} }}\nbind ="));
    let key = "listener.l.tls.acme.http (port 80)".to_owned();
    assert_eq!(keys(&text, usual()), [(Capability::BindService, key, true)]);
}

/// In a thread of its own, for capabilities are a thread's.
#[test]
fn what_is_missing_is_told_with_its_key() {
    std::thread::spawn(|| {
        privileges::keep_only(&[]).unwrap();
        let config = read(&small("[data]\nsource_port = 20\n").replace("2121", "21"));
        let needs = needed(&config.listeners, &usual());
        let told = Privileges { needs, account: None }.missing().unwrap();
        for part in [
            "listener.l.bind (port 21) and data.source_port of listener l (port 20) takes \
             CAP_NET_BIND_SERVICE",
            "setcap cap_net_bind_service=+ep",
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(Privileges { needs: Vec::new(), account: None }.missing(), None);
    })
    .join()
    .unwrap();
}
