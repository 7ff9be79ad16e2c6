//! iptables and ip6tables: a chain of our own, so that the commands can be run again.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;

use super::plan::{Family, Opening, Plan, Sources, span};

pub(super) fn render(plan: &Plan) -> String {
    let mut text = String::from(
        "# Lets in what ftpgate needs. May be run again after a change. No conntrack helper is\n\
         # needed for these connections (rmmod nf_nat_ftp nf_conntrack_ftp).\n",
    );
    for (family, command) in [(Family::V4, "iptables"), (Family::V6, "ip6tables")] {
        let rules: Vec<String> =
            plan.openings.iter().flat_map(|opening| rules(opening, family, command)).collect();
        if rules.is_empty() {
            // Of an earlier run nothing may stay open.
            let _ = writeln!(text, "\n{command} -F ftpgate 2>/dev/null || true");
            continue;
        }
        let _ = writeln!(text, "\n{command} -N ftpgate 2>/dev/null || {command} -F ftpgate");
        for rule in rules {
            let _ = writeln!(text, "{rule}");
        }
        let _ = writeln!(
            text,
            "{command} -C INPUT -p tcp -j ftpgate 2>/dev/null || {command} -I INPUT -p tcp -j ftpgate"
        );
    }
    text
}

fn rules(opening: &Opening, family: Family, command: &str) -> Vec<String> {
    let sources = opening.families().find(|(of, _)| *of == family).map(|(_, sources)| sources);
    let Some(Sources { from, except, to }) = sources else { return Vec::new() };
    let ports = span(opening.ports, ":");
    let comment = format!("{}: {}", opening.listener, opening.purpose.words());
    let rule = |from: Option<&IpNet>, to: Option<&IpAddr>, verdict: &str| {
        let from = from.map_or(String::new(), |net| format!(" -s {net}"));
        let to = to.map_or(String::new(), |ip| format!(" -d {ip}"));
        format!(
            "{command} -A ftpgate -p tcp{from}{to} --dport {ports} -m comment --comment \"{comment}\" \
             -j {verdict}"
        )
    };
    let mut rules: Vec<String> = except.iter().map(|net| rule(Some(net), None, "RETURN")).collect();
    for from in any(from) {
        for to in any(to) {
            rules.push(rule(from, to, "ACCEPT"));
        }
    }
    rules
}

/// Each of them, or once nothing in particular.
fn any<T>(of: &[T]) -> Vec<Option<&T>> {
    if of.is_empty() { vec![None] } else { of.iter().map(Some).collect() }
}
