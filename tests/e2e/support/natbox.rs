//! A home router between the client and the gateway: NAT, and a daemon that maps ports when asked.
//!
//! ```text
//!   client 20.0.0.10 ---- 20.0.0.1 router 192.168.1.1 ---- 192.168.1.5 gateway ---- server
//! ```
//!
//! The daemon (miniupnpd) does not map ports on an address that is reserved for examples, so the
//! Internet of this laboratory has one that is not. Nothing of it leaves the namespaces.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use super::lab::{Lab, peers};
use super::net::{Ns, join};
use super::process::{Process, eventually, run};

/// The router outside.
pub(crate) const WAN: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 1);
/// The router inside.
pub(crate) const LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// The gateway.
pub(crate) const INNER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 5);
/// Another machine of the LAN (the gateway's second address).
pub(crate) const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 6);

/// What the daemon changes, and around it a firewall that lets nothing in by itself.
const RULES: &str = r#"
table inet filter {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname "lan" accept
        ct status dnat accept
        jump miniupnpd
    }
    chain miniupnpd {
    }
    chain prerouting {
        type nat hook prerouting priority -100; policy accept;
        jump prerouting_miniupnpd
    }
    chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        jump postrouting_miniupnpd
        oifname "wan" masquerade
    }
    chain prerouting_miniupnpd {
    }
    chain postrouting_miniupnpd {
    }
}
"#;

/// The router; its daemon runs once it was started.
pub(crate) struct NatBox {
    pub(crate) ns: Ns,
    daemon: Option<Process>,
    wan: Ipv4Addr,
}

impl NatBox {
    /// Cables and rules, without a daemon.
    pub(crate) fn new(lab: &Lab) -> Self {
        Self::with_wan(lab, WAN)
    }

    /// The same with another address outside.
    pub(crate) fn with_wan(lab: &Lab, wan: Ipv4Addr) -> Self {
        let ns = Ns::new(lab.net.gateway.name_of_neighbour("natbox"));
        let [a, b, c, _] = wan.octets();
        let far = Ipv4Addr::new(a, b, c, 10);
        // Nobody uses their IPv6.
        let v6 = |link, last| Ipv6Addr::new(0xfd00, link, 0, 0, 0, 0, 0, last);
        join((&lab.net.client, "wan0", (far, v6(8, 2))), (&ns, "wan", (wan, v6(8, 1))));
        join((&lab.net.gateway, "lan0", (INNER, v6(9, 2))), (&ns, "lan", (LAN, v6(9, 1))));
        lab.net.gateway.ip(&format!("addr add {NEIGHBOUR}/24 dev lan0"));
        lab.net.gateway.ip(&format!("route add default via {LAN}"));
        ns.sysctl("net/ipv4/ip_forward", "1");
        let new = Self { ns, daemon: None, wan };
        new.ns.nft(RULES);
        new
    }

    /// Starts the daemon, with lines added to its configuration.
    pub(crate) fn start(&mut self, lab: &Lab, more: &str) {
        let text = format!(
            "ext_ifname=wan\nlistening_ip=lan\nipv6_disable=yes\nenable_natpmp=yes\n\
             enable_upnp=yes\nsecure_mode=yes\nhttp_port=5000\n\
             uuid=c86ab2c1-3e0b-4d6a-9e0f-5c1fbd2f0a11\n\
             upnp_table_name=filter\nupnp_nat_table_name=filter\nupnp_forward_chain=miniupnpd\n\
             upnp_nat_chain=prerouting_miniupnpd\n\
             upnp_nat_postrouting_chain=postrouting_miniupnpd\n\
             minissdpdsocket=/nonexistent\n{more}\nallow 1-65535 192.168.1.0/24 1-65535\n\
             deny 0-65535 0.0.0.0/0 0-65535\n"
        );
        let config = lab.path("miniupnpd.conf");
        fs::write(&config, text).expect("own file");
        let program = peers().join("usr/sbin/miniupnpd");
        assert!(program.exists(), "run tests/setup.sh first: no miniupnpd");
        let mut command = self.ns.command(&program.display().to_string());
        command.args(["-d", "-P"]).arg(lab.path("miniupnpd.pid")).arg("-f").arg(config);
        let mut daemon = Process::start("miniupnpd", command, lab.path("miniupnpd.log"));
        daemon.wait_for("it listens", |p| p.log().contains("PCP traffic on").then_some(()));
        self.daemon = Some(daemon);
    }

    /// Switches it off: the daemon is gone and with it every mapping.
    pub(crate) fn switch_off(&mut self) {
        self.daemon = None;
        self.ns.nft(
            "flush chain inet filter prerouting_miniupnpd\nflush chain inet filter miniupnpd\n",
        );
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.wan.into()
    }

    /// Where clients on the Internet connect to.
    pub(crate) fn control(&self) -> SocketAddr {
        SocketAddr::new(self.wan.into(), 21)
    }

    /// The ports outside that are mapped now, in order.
    pub(crate) fn mapped(&self) -> Vec<u16> {
        let mut command: Command = self.ns.command("nft");
        command.args(["list", "chain", "inet", "filter", "prerouting_miniupnpd"]);
        let rules = run(command, "").unwrap_or_else(|e| panic!("nft: {e}"));
        let port = |line: &str| {
            let (_, rest) = line.split_once(" dport ")?;
            rest.split(' ').next()?.parse().ok()
        };
        let mut ports: Vec<u16> =
            rules.lines().filter(|l| l.contains("dnat")).filter_map(port).collect();
        ports.sort_unstable();
        ports
    }

    /// Waits until the daemon was asked so often.
    pub(crate) fn is_asked(&mut self, times: usize) {
        let daemon = self.daemon.as_mut().expect("a daemon");
        daemon.wait_for("it is asked", |p| {
            let log = p.log();
            let asked = |word| log.matches(word).count();
            let upnp = asked("SOAPAction: urn:") + asked("GetSpecificPortMappingEntry");
            (asked("PCP request received") + upnp >= times).then_some(())
        });
    }

    /// Waits until these are mapped.
    pub(crate) fn maps(&self, ports: &[u16]) {
        eventually(&format!("{ports:?} are mapped"), || (self.mapped() == ports).then_some(()));
    }

    /// Another machine of the LAN has these ports outside (NAT-PMP, RFC 6886 section 3.3).
    pub(crate) fn taken_by_neighbour(&self, lab: &Lab, ports: &[u16]) {
        lab.net.gateway.run(|| {
            let socket = UdpSocket::bind((NEIGHBOUR, 0)).expect("own address");
            socket.set_read_timeout(Some(Duration::from_secs(10))).expect("socket");
            socket.connect((LAN, 5351)).expect("route");
            for port in ports {
                let [high, low] = port.to_be_bytes();
                let request = [0, 2, 0, 0, high, low, high, low, 0, 0, 14, 16];
                socket.send(&request).expect("send");
                let mut answer = [0; 16];
                let length = socket.recv(&mut answer).expect("an answer");
                assert_eq!((length, &answer[..4]), (16, &[0, 130, 0, 0][..]), "{answer:?}");
            }
        });
    }
}
