#![allow(clippy::unwrap_used)]

use super::*;
use crate::config;

const PLAIN: &str = r#"
[[listener]]
name = "public"
bind = "*:21"

[[upstream]]
address = "10.0.0.5"

[data]
ports = "60000-60010"
"#;

/// One family, some clients, one address, another numbering outside, and a server in active mode.
const NARROW: &str = r#"
[[listener]]
name = "partners"
bind = "192.0.2.1:2121"
clients = ["198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"]
deny_clients = ["198.51.100.66"]

[[upstream]]
address = "10.0.0.5"
data = "active"

[data]
ports = "50000-50010"
expose = "40000-40010"
upstream_ports = "11000-11099"
"#;

fn rules(text: &str, format: Format) -> Vec<String> {
    let (config, _) = config::parse(text, "ftpgate.toml", std::iter::empty()).unwrap();
    let text = render(&Plan::of(&config), format);
    assert!(text.ends_with('\n'));
    let rules = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    rules.map(str::to_owned).collect()
}

/// Without the lines that make the table and the chain.
fn nft(text: &str) -> Vec<String> {
    rules(text, Format::Nft).into_iter().filter(|line| line.starts_with("insert")).collect()
}

#[test]
fn ports_that_lead_to_the_server_are_let_in_too() {
    let text = PLAIN.replace("[[upstream]]", "tls = { mode = \"passthrough\" }\n[[upstream]]")
        + "passthrough_ports = \"50000-50010\"\n";
    assert!(
        nft(&text).contains(&"insert rule inet filter input tcp dport 50000-50010 accept".into())
    );
}

#[test]
fn everybody_is_let_in_by_the_port_alone() {
    assert_eq!(
        nft(PLAIN),
        [
            "insert rule inet filter input tcp dport 21 accept",
            "insert rule inet filter input tcp dport 60000-60010 accept",
        ]
    );
    assert_eq!(
        rules(PLAIN, Format::Ufw),
        [
            "ufw allow proto tcp to any port 21 comment 'public: control connections'",
            "ufw allow proto tcp to any port 60000:60010 comment 'public: data connections of clients'",
        ]
    );
    assert_eq!(
        rules(PLAIN, Format::Firewalld),
        [
            "firewall-cmd --permanent --add-port=21/tcp",
            "firewall-cmd --permanent --add-port=60000-60010/tcp",
            "firewall-cmd --permanent --remove-service=ftp",
            "firewall-cmd --reload",
        ]
    );
}

#[test]
fn what_the_listener_narrows_its_rules_narrow() {
    let from = "ip saddr { 198.51.100.0/24, 203.0.113.0/24 } ip saddr != { 198.51.100.66/32 } \
                ip daddr { 192.0.2.1 }";
    assert_eq!(
        nft(NARROW),
        [
            format!("insert rule inet filter input {from} tcp dport 2121 accept"),
            format!("insert rule inet filter input {from} tcp dport 50000-50010 accept"),
            "insert rule inet filter input ip saddr { 10.0.0.5/32 } tcp dport 11000-11099 accept"
                .into(),
        ]
    );
}

#[test]
fn the_denied_come_first_where_order_decides() {
    let ufw = rules(NARROW, Format::Ufw);
    assert!(ufw[0].starts_with("ufw deny proto tcp from 198.51.100.66/32 to 192.0.2.1 port 2121"));
    assert!(ufw[1].starts_with("ufw allow proto tcp from 198.51.100.0/24 to 192.0.2.1 port 2121"));
    let iptables = rules(NARROW, Format::Iptables);
    assert_eq!(iptables[0], "iptables -N ftpgate 2>/dev/null || iptables -F ftpgate");
    assert!(
        iptables[1].contains("-s 198.51.100.66/32 --dport 2121") && iptables[1].ends_with("RETURN")
    );
    assert!(iptables[2].contains("-s 198.51.100.0/24 -d 192.0.2.1 --dport 2121"));
    // It has no IPv6 address: what an earlier run let in is closed.
    let v6: Vec<_> = iptables.iter().filter(|rule| rule.contains("ip6tables")).collect();
    assert_eq!(v6, ["ip6tables -F ftpgate 2>/dev/null || true"]);
    let firewalld = rules(NARROW, Format::Firewalld);
    assert!(firewalld[0].contains("priority=\"-1\"") && firewalld[0].ends_with("drop'"));
}

#[test]
fn a_container_publishes_the_outer_numbers() {
    let docker = rules(NARROW, Format::Docker);
    assert_eq!(docker[0], "docker run -p 2121:2121 -p 40000-40010:50000-50010 IMAGE");
    assert!(docker.contains(&"  - \"40000-40010:50000-50010\"".to_owned()));
    let k8s = rules(NARROW, Format::K8s);
    let last = "    - { name: data-40010, protocol: TCP, port: 40010, targetPort: 50010 }";
    assert!(k8s.contains(&last.to_owned()));
    assert!(k8s.contains(&"    - 198.51.100.0/24".to_owned()));
}

#[test]
fn shared_data_ports_are_published_once() {
    let two = PLAIN.replace(
        "[[upstream]]",
        "[[listener]]\nname = \"second\"\nbind = \"*:2121\"\n\n[[upstream]]",
    );
    let docker = rules(&two, Format::Docker);
    assert_eq!(docker[0], "docker run -p 21:21 -p 60000-60010:60000-60010 -p 2121:2121 IMAGE");
    let k8s = rules(&two, Format::K8s);
    assert_eq!(k8s.iter().filter(|line| line.contains("data-60003")).count(), 1);
}

#[test]
fn a_security_group_names_both_families() {
    let aws = rules(PLAIN, Format::Aws);
    assert_eq!(
        aws[1].trim(),
        "'IpProtocol=tcp,FromPort=21,ToPort=21,IpRanges=[{CidrIp=0.0.0.0/0}],Ipv6Ranges=[{CidrIpv6=::/0}]'"
    );
}

#[test]
fn gaps_in_the_outer_numbers_make_several_pairs() {
    let text = PLAIN.replace(
        "ports = \"60000-60010\"",
        "ports = \"60000-60003\"\nexpose = { 60000 = 40000, 60001 = 40001, 60003 = 50000 }",
    );
    let docker = rules(&text, Format::Docker);
    assert_eq!(docker[0], "docker run -p 21:21 -p 40000-40001:60000-60001 -p 50000:60003 IMAGE");
}

#[test]
fn what_the_configuration_does_not_tell_is_said() {
    let text = PLAIN.replace("*:21", "systemd");
    let (config, _) = config::parse(&text, "ftpgate.toml", std::iter::empty()).unwrap();
    let printed = render(&Plan::of(&config), Format::Ufw);
    assert!(printed.starts_with("# public: its control ports are those of the .socket unit"));
    assert_eq!(rules(&text, Format::Ufw).len(), 1, "the data ports");
}

#[test]
fn transparent_rules_are_nfts() {
    let text = "[[listener]]\nname = \"out\"\nbind = \"127.0.0.1:2121\"\nmode = \"tproxy\"\n\
                destinations = \"0.0.0.0/0\"\nclients = \"192.168.1.0/24\"\n";
    let (config, _) = config::parse(text, "ftpgate.toml", std::iter::empty()).unwrap();
    let plan = Plan::of(&config);
    assert!(
        render(&plan, Format::Iptables).contains("# out: the rules that bring its connections")
    );
    let nft = render(&plan, Format::Nft);
    assert!(!nft.contains("# out: the rules"));
    let rule =
        "ip saddr { 192.168.1.0/24 } tcp dport { 21 } tproxy ip to 127.0.0.1:2121 meta mark set 1";
    assert!(nft.contains(rule), "{nft}");
}

/// What is for the machine itself is let alone first, in the example as in what is printed.
#[test]
fn the_example_marks_what_the_printed_rules_mark() {
    let text = "[[listener]]\nname = \"out\"\nbind = \"127.0.0.1:2121\"\nmode = \"tproxy\"\n\
                destinations = \"0.0.0.0/0\"\n";
    let (config, _) = config::parse(text, "ftpgate.toml", std::iter::empty()).unwrap();
    let beginning = |rules: &str| {
        let (_, chain) = rules.split_once("hook prerouting priority mangle").unwrap();
        let rules = chain.lines().skip(1).map(str::trim).filter(|line| !line.is_empty());
        rules.map(|rule| rule.split(" comment ").next().unwrap().to_owned()).take(2).collect()
    };
    let printed: Vec<String> = beginning(&render(&Plan::of(&config), Format::Nft));
    assert!(printed[0].starts_with("fib daddr type local"), "{printed:?}");
    assert_eq!(beginning(include_str!("../../../examples/edge-nat/outgoing.nft")), printed);
}

#[test]
fn a_server_known_by_name_is_said_to_be_let_in_from_everywhere() {
    let named = NARROW.replace("address = \"10.0.0.5\"", "address = \"ftp.internal\"");
    let printed = |text: &str| {
        let (config, _) = config::parse(text, "ftpgate.toml", std::iter::empty()).unwrap();
        render(&Plan::of(&config), Format::Nft)
    };
    assert!(
        printed(&named).contains("data connections of ftp.internal are let in from everywhere")
    );
    assert!(!printed(NARROW).contains("from everywhere"));
}

/// One Service has one list: who is let in by any listener is in it.
#[test]
fn a_service_shuts_nobody_out_that_a_listener_lets_in() {
    let two = format!(
        "{}[[listener]]\nname = \"office\"\nbind = \"*:2121\"\nclients = [\"10.0.0.0/8\", \"::/0\"]\n",
        PLAIN.replace("[data]", "[data] # of both")
    );
    let k8s = rules(&two, Format::K8s);
    for net in ["0.0.0.0/0", "10.0.0.0/8", "::/0"] {
        assert!(k8s.contains(&format!("    - {net}")), "{net}");
    }
    assert!(!rules(PLAIN, Format::K8s).iter().any(|line| line.contains("SourceRanges")));
}
