//! On a router: clients in the LAN that know nothing of us, and servers of the LAN for everybody; with
//! real firewall rules.

mod clients;
mod inbound;
mod nat;
mod outgoing;
mod printed;
mod privileges;
mod refused;
mod shipped;

use std::net::SocketAddr;

use crate::support::gateway::Gateway;
use crate::support::lab::Lab;
use crate::support::router::{WAN_SERVER, WAN_SERVER6};

/// What rules mark packets with that are for sockets of ours.
const MARK: u32 = 1;

/// How connections of the LAN come to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Redirect,
    Tproxy,
}

impl Way {
    const BOTH: [Self; 2] = [Self::Redirect, Self::Tproxy];

    /// The firewall rules: control and data ports, and what belongs to sockets of ours that have
    /// others' addresses.
    fn rules(self, control: &str) -> String {
        let keep = "meta l4proto tcp socket transparent 1 meta mark set 1 accept";
        match self {
            Self::Redirect => format!(
                "table inet ftpgate {{
                    chain caught {{
                        type nat hook prerouting priority dstnat; policy accept;
                        iifname \"lan\" tcp dport {{ {control} }} redirect to :2121
                        iifname \"lan\" tcp dport 60000-60010 redirect
                    }}
                    chain kept {{
                        type filter hook prerouting priority mangle; policy accept;
                        {keep}
                    }}
                }}"
            ),
            Self::Tproxy => format!(
                "table inet ftpgate {{
                    chain caught {{
                        type filter hook prerouting priority mangle; policy accept;
                        {keep}
                        iifname \"lan\" meta nfproto ipv4 tcp dport {{ {control} }} \
                            tproxy ip to 127.0.0.1:2121 meta mark set 1 accept
                        iifname \"lan\" meta nfproto ipv6 tcp dport {{ {control} }} \
                            tproxy ip6 to [::1]:2121 meta mark set 1 accept
                    }}
                }}"
            ),
        }
    }

    /// The configuration, with lines for the listener and whole sections.
    fn toml(self, lines: &str, sections: &str) -> String {
        let (mode, bind) = match self {
            Self::Redirect => ("redirect", "\"*:2121\""),
            Self::Tproxy => ("tproxy", "[\"127.0.0.1:2121\", \"[::1]:2121\"]"),
        };
        format!(
            "[[listener]]\nname = \"out\"\nbind = {bind}\nmode = \"{mode}\"\n\
             destinations = [\"198.51.100.0/24\", \"2001:db8:51::/64\"]\n{lines}\n\
             [data]\nports = \"60000-60010\"\nupstream_ports = \"61000-61100\"\n\
             {sections}\n"
        )
    }

    /// Loads the rules and starts the gateway.
    fn start(self, lab: &Lab, sections: &str) -> Gateway {
        self.prepare(lab, "21");
        Gateway::start_with(lab, &self.toml("", sections))
    }

    fn prepare(self, lab: &Lab, control: &str) {
        lab.net.gateway.deliver_marked(MARK);
        lab.net.gateway.nft(&self.rules(control));
    }
}

/// The server in the Internet, as clients know it.
fn server(v6: bool) -> SocketAddr {
    let ip = if v6 { WAN_SERVER6.into() } else { WAN_SERVER.into() };
    SocketAddr::new(ip, 21)
}
