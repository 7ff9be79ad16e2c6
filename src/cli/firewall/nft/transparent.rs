//! Connections to servers elsewhere, caught for listeners that clients know nothing of.

use std::fmt::Write as _;

use super::conditions;
use crate::cli::firewall::plan::{Catch, Family, span};
use crate::upstream::destinations::Mode;

/// What packets carry that are for our sockets with others' addresses.
const MARK: u32 = 1;

/// A table of our own, so that loading it again replaces it.
pub(super) fn render(catches: &[Catch]) -> String {
    if catches.is_empty() {
        return String::new();
    }
    let of = |mode| catches.iter().filter(move |catch| catch.mode == mode);
    let mut text = String::from(
        "\n# Connections to servers elsewhere, brought here.\n\
         table inet ftpgate\ndelete table inet ftpgate\ntable inet ftpgate {\n",
    );
    if of(Mode::Redirect).next().is_some() {
        text.push_str(
            "    chain redirected {\n        type nat hook prerouting priority dstnat;\n        \
             fib daddr type local return\n",
        );
        of(Mode::Redirect).for_each(|catch| redirect(&mut text, catch));
        text.push_str("    }\n");
    }
    let _ = writeln!(
        text,
        "    chain delivered {{\n        type filter hook prerouting priority mangle;\n        \
         fib daddr type local return\n        \
         meta l4proto tcp socket transparent 1 meta mark set {MARK} accept"
    );
    of(Mode::Tproxy).for_each(|catch| deliver(&mut text, catch));
    text.push_str("    }\n}\n");
    let _ = writeln!(
        text,
        "insert rule inet filter input meta l4proto tcp meta mark {MARK} accept\n\n\
         # What is marked is for this machine, whatever its address. Not nft's business; LAN is the link\n\
         # that the clients come by:"
    );
    for family in ["-4", "-6"] {
        let _ = writeln!(text, "#   ip {family} rule add iif LAN fwmark {MARK} lookup 100");
        let _ = writeln!(text, "#   ip {family} route add local default dev lo table 100");
    }
    text
}

fn redirect(text: &mut String, catch: &Catch) {
    let _ = writeln!(text, "        # {}", catch.listener);
    let (ports, data) = (ports(catch), span(catch.data, "-"));
    for (family, sources, at) in catch.families() {
        let from = conditions(family, sources);
        let _ = writeln!(text, "        {from}tcp dport {ports} redirect to :{}", at.port());
        let _ = writeln!(text, "        {from}tcp dport {data} redirect");
    }
}

fn deliver(text: &mut String, catch: &Catch) {
    let _ = writeln!(text, "        # {}", catch.listener);
    let ports = ports(catch);
    for (family, sources, at) in catch.families() {
        let from = conditions(family, sources);
        let proto = if family == Family::V4 { "ip" } else { "ip6" };
        let to = if at.ip().is_unspecified() { format!(":{}", at.port()) } else { at.to_string() };
        let _ = writeln!(
            text,
            "        meta nfproto {} {from}tcp dport {ports} tproxy {proto} to {to} meta mark set {MARK} \
             accept",
            if family == Family::V4 { "ipv4" } else { "ipv6" }
        );
    }
}

fn ports(catch: &Catch) -> String {
    let ports: Vec<String> = catch.ports.iter().map(|range| span(*range, "-")).collect();
    format!("{{ {} }}", ports.join(", "))
}
