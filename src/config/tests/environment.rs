use super::*;
use crate::advertise::options::Source;
use crate::data::options::PortRange;

#[test]
fn an_upstream_alone_is_a_whole_configuration() {
    let overrides = Overrides { upstream: Some("ftpd:2100".into()), ..Overrides::default() };
    for read in [
        without_file(&[], &overrides),
        without_file(&[("FTPGATE_UPSTREAM", "ftpd:2100")], &Overrides::default()),
    ] {
        let listener = only(read);
        assert_eq!(listener.name, "default");
        assert_eq!(listener.bind, ["0.0.0.0:2121".parse().unwrap(), "[::]:2121".parse().unwrap()]);
        assert_eq!(listener.upstream.address.unwrap().to_string(), "ftpd:2100");
        assert_eq!(listener.data.downstream.range, PortRange { first: 10100, last: 10199 });
        assert_eq!(listener.access.allow.len(), 2);
    }
}

#[test]
fn a_container_needs_no_file() {
    let listener = only(without_file(
        &[
            ("FTPGATE_UPSTREAM", "[2001:db8::5]"),
            ("FTPGATE_PUBLIC_ADDRESS", "ftp.example.com"),
            ("FTPGATE_LISTEN", "[::1]:2121, 127.0.0.1:2121"),
            ("FTPGATE_LISTENER_DEFAULT_CLIENTS", "10.0.0.0/8, 192.0.2.1"),
            ("FTPGATE_DATA_PORTS", "10100-10115"),
            ("FTPGATE_DATA_AVOID", "10101,10102"),
            ("FTPGATE_POLICY_HIDE_ADDRESSES", "true"),
            ("FTPGATE_LIMITS_SESSIONS", "7"),
            ("FTPGATE_TIMEOUTS_IDLE", "90s"),
            ("FTPGATE_ADVERTISE_RULES", r#"[{ clients = "10.0.0.0/8", address = "local" }]"#),
            ("FTPGATE_DATA_EXPOSE", "{ 10103 = 40103 }"),
            ("PATH", "/bin"),
        ],
        &Overrides::default(),
    ));
    assert_eq!(listener.upstream.address.unwrap().to_string(), "[2001:db8::5]:21");
    assert_eq!(listener.advertise.address, Some(Source::Name("ftp.example.com".into())));
    assert_eq!(listener.bind, ["[::1]:2121".parse().unwrap(), "127.0.0.1:2121".parse().unwrap()]);
    assert_eq!(listener.access.allow.len(), 2);
    assert_eq!(listener.data.downstream.avoid, [10101, 10102]);
    assert!(listener.policy.hide_addresses);
    assert_eq!(listener.limits.sessions, 7);
    assert_eq!(listener.policy.timeouts.idle.as_secs(), 90);
    assert_eq!(listener.advertise.rules[0].address, Source::Local);
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file() {
    let text = format!("{SMALL}[data]\nports = \"20000\"\n[log]\nlevel = \"warn\"\n");
    let ports = |environment: &[(&str, &str)], flag: Option<&str>| {
        let overrides = Overrides { ports: flag.map(Into::into), ..Overrides::default() };
        let file = Some(("f", text.as_str()));
        let read = resolve(file, owned(environment), &overrides, &Kernel::default());
        only(read).data.downstream.range.first
    };
    assert_eq!(ports(&[], None), 20_000);
    assert_eq!(ports(&[("FTPGATE_DATA_PORTS", "20001")], None), 20_001);
    assert_eq!(ports(&[("FTPGATE_PORTS", "20002")], None), 20_002);
    assert_eq!(
        ports(&[("FTPGATE_PORTS", "20002"), ("FTPGATE_DATA_PORTS", "20001")], Some("20003")),
        20_003
    );
    assert_eq!(ports(&[("FTPGATE_PORTS", ""), ("FTPGATE_DATA_PORTS", " ")], None), 20_000);
}

#[test]
fn a_listeners_variables_go_by_index_and_by_name() {
    let text = format!("{SMALL}[[listener]]\nname = \"in-side\"\nbind = \"127.0.0.2:2121\"\n");
    let (config, _) = read(
        &text,
        &[
            ("FTPGATE_LISTENER_0_LIMITS_SESSIONS", "3"),
            ("FTPGATE_LISTENER_IN_SIDE_BIND", "127.0.0.3:2121"),
            ("FTPGATE_LISTENER_1_GREETING", "Hello"),
            ("FTPGATE_UPSTREAM_0_DATA", "active"),
        ],
    )
    .unwrap();
    assert_eq!(config.listeners[0].limits.sessions, 3);
    assert_eq!(config.listeners[1].limits.sessions, 2000);
    assert_eq!(config.listeners[1].bind, ["127.0.0.3:2121".parse().unwrap()]);
    assert_eq!(config.listeners[1].policy.greeting.as_deref(), Some("Hello"));
}

#[test]
fn what_kubernetes_puts_into_the_environment_is_none_of_ours() {
    let service = [
        ("FTPGATE_PORT", "tcp://10.96.0.7:21"),
        ("FTPGATE_PORT_21_TCP", "tcp://10.96.0.7:21"),
        ("FTPGATE_PORT_21_TCP_ADDR", "10.96.0.7"),
        ("FTPGATE_SERVICE_HOST", "10.96.0.7"),
        ("FTPGATE_SERVICE_PORT", "21"),
        ("FTPGATE_SERVICE_PORT_CONTROL", "21"),
        ("FTPGATE_UPSTREAM_SERVICE_HOST", "10.96.0.8"),
        ("FTPGATE_DATA_PORT_10100_TCP_PORT", "10100"),
    ];
    only(read(SMALL, &service));
}

#[test]
fn a_problem_names_the_variable_or_the_flag_it_came_from() {
    let bad = || Overrides { ports: Some("9-1".into()), ..Overrides::default() };
    let from = |environment: &[(&str, &str)], overrides| {
        let read = resolve(Some(("f", SMALL)), owned(environment), &overrides, &Kernel::default());
        wrong(read)[0].split(": ").next().unwrap().to_owned()
    };
    assert_eq!(from(&[], bad()), "--ports");
    assert_eq!(from(&[("FTPGATE_PORTS", "1-2")], bad()), "--ports");
    assert_eq!(from(&[("FTPGATE_PORTS", "9-1")], bad()), "FTPGATE_PORTS");
    assert_eq!(from(&[("FTPGATE_DATA_PORTS", "x")], Overrides::default()), "FTPGATE_DATA_PORTS");
}

/// The flag stands for the global key and for the listener's own.
#[test]
fn a_wrong_flag_is_one_problem() {
    let bad = Overrides {
        upstream: Some("ftpd".into()),
        ports: Some("9-1".into()),
        public: Some("1.2".into()),
        ..Overrides::default()
    };
    let problems = wrong(without_file(&[], &bad));
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn an_empty_flag_or_its_variable_is_not_given() {
    let overrides = Overrides {
        listen: vec![String::new()],
        public: Some(String::new()),
        log: Some(" ".into()),
        ..Overrides::default()
    };
    let environment = owned(&[("FTPGATE_LISTEN", ""), ("FTPGATE_PUBLIC_ADDRESS", "")]);
    let listener = only(resolve(Some(("f", SMALL)), environment, &overrides, &Kernel::default()));
    assert_eq!(listener.bind, ["127.0.0.1:2121".parse().unwrap()]);
    assert_eq!(listener.advertise.address, None);
}

#[test]
fn an_empty_variable_lets_nobody_in() {
    let problems = wrong(read(SMALL, &[("FTPGATE_LISTENER_0_CLIENTS", "")]));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("nobody would be let in"), "{problems:?}");
}

#[test]
fn one_flag_cannot_stand_for_several() {
    let text = r#"[[listener]]
name = "a"
bind = "127.0.0.1:1"
upstream = "x"
[[listener]]
bind = "127.0.0.1:2"
upstream = "y"
[[upstream]]
name = "x"
address = "x"
[[upstream]]
name = "y"
address = "y"
"#;
    read(text, &[]).unwrap();
    let problems =
        wrong(read(text, &[("FTPGATE_UPSTREAM", "z"), ("FTPGATE_LISTEN", "127.0.0.1:3")]));
    assert_eq!(problems.len(), 2, "{problems:?}");
}
