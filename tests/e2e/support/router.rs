//! The same three machines as a home has them: a client in the LAN, the gateway on its router, a
//! server in the Internet.
//!
//! ```text
//!   client 192.168.1.10 ---- 192.168.1.1 gateway 198.51.100.1 ---- 198.51.100.2 server
//!     fd00:1::10             fd00:1::1           2001:db8:51::1    2001:db8:51::2
//! ```
//!
//! The client has a route to the server, which has none back: nothing gets through that the gateway
//! does not carry.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::net::{Ns, Topology, join};

pub(crate) const LAN_CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
pub(crate) const LAN_CLIENT6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0x10);
/// The router in the LAN and in the Internet.
pub(crate) const LAN_ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const LAN_ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1);
pub(crate) const WAN_ROUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const WAN_ROUTER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x51, 0, 0, 0, 0, 1);
pub(crate) const WAN_SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
pub(crate) const WAN_SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x51, 0, 0, 0, 0, 2);

impl Topology {
    pub(crate) fn router() -> Self {
        let new = Self::unjoined();
        new.join(&new.client, "lan", (LAN_CLIENT, LAN_CLIENT6), (LAN_ROUTER, LAN_ROUTER6));
        new.join(&new.server, "wan", (WAN_SERVER, WAN_SERVER6), (WAN_ROUTER, WAN_ROUTER6));
        new.gateway.forward();
        // A router has the first; wg-quick sets the second, and then a mark counts on the way back.
        for link in ["all", "lan", "wan"] {
            new.gateway.sysctl(&format!("net/ipv4/conf/{link}/rp_filter"), "1");
            new.gateway.sysctl(&format!("net/ipv4/conf/{link}/src_valid_mark"), "1");
        }
        new.client.ip(&format!("route add default via {LAN_ROUTER}"));
        new.client.ip(&format!("-6 route add default via {LAN_ROUTER6}"));
        new
    }

    /// Shows the server the way to the LAN.
    pub(crate) fn tell_server_of_lan(&self) {
        self.server.ip(&format!("route add 192.168.1.0/24 via {WAN_ROUTER}"));
        self.server.ip(&format!("-6 route add fd00:1::/64 via {WAN_ROUTER6}"));
    }

    /// One machine more, behind the client's: `theirs` is its address, `ours` the one that the
    /// client's machine, now a router, has for it.
    pub(crate) fn behind_client(&self, theirs: Ipv4Addr, ours: Ipv4Addr) -> Ns {
        let ns = Ns::new(self.client.name_of_neighbour("behind"));
        let v6 = |last| Ipv6Addr::new(0xfd00, 7, 0, 0, 0, 0, 0, last);
        join((&ns, "eth0", (theirs, v6(2))), (&self.client, "behind", (ours, v6(1))));
        ns.ip(&format!("route add default via {ours}"));
        self.client.forward();
        ns
    }
}

impl Ns {
    fn forward(&self) {
        self.sysctl("net/ipv4/ip_forward", "1");
        self.sysctl("net/ipv6/conf/all/forwarding", "1");
    }

    /// Delivers here what carries this mark, whomever it is for.
    pub(crate) fn deliver_marked(&self, mark: u32) {
        for family in ["-4", "-6"] {
            for link in ["lan", "wan"] {
                self.ip(&format!("{family} rule add iif {link} fwmark {mark} lookup 100"));
            }
            self.ip(&format!("{family} route add local default dev lo table 100"));
        }
    }
}
