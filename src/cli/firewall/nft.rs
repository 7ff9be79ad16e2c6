//! nftables.

mod transparent;

use std::fmt::{Display, Write as _};

use super::plan::{Family, Opening, Plan, Sources, span};

const INTRODUCTION: &str = "\
# For `nft -f`: lets in what ftpgate needs, through the chain `input` of the table `inet filter`, as
# Debian's /etc/nftables.conf has it. The rules go in front, before any that drops. No conntrack
# helper is needed for these connections, and none should see them: it would rewrite the same lines.
table inet filter {
    chain input {
        type filter hook input priority filter;
    }
}
";

pub(super) fn render(plan: &Plan) -> String {
    let mut text = INTRODUCTION.to_owned();
    for opening in &plan.openings {
        let _ = writeln!(text, "\n# {}: {}", opening.listener, opening.purpose.words());
        for (inside, outside) in &opening.outside {
            let (inside, outside) = (span(*inside, "-"), span(*outside, "-"));
            let _ = writeln!(text, "# (on the NAT in front: {outside} there is {inside} here)");
        }
        for rule in rules(opening) {
            let _ = writeln!(text, "insert rule inet filter input {rule} accept");
        }
    }
    text.push_str(&transparent::render(&plan.catches));
    text
}

fn rules(opening: &Opening) -> Vec<String> {
    let ports = format!("tcp dport {}", span(opening.ports, "-"));
    if opening.is_for_all() {
        return vec![ports];
    }
    opening
        .families()
        .map(|(family, sources)| format!("{}{ports}", conditions(family, sources)))
        .collect()
}

fn conditions(family: Family, sources: &Sources) -> String {
    let ip = if family == Family::V4 { "ip" } else { "ip6" };
    let mut words = String::new();
    if sources.is_everybody() {
        let nfproto = if family == Family::V4 { "ipv4" } else { "ipv6" };
        let _ = write!(words, "meta nfproto {nfproto} ");
    }
    if !sources.from.is_empty() {
        let _ = write!(words, "{ip} saddr {} ", set(&sources.from));
    }
    if !sources.except.is_empty() {
        let _ = write!(words, "{ip} saddr != {} ", set(&sources.except));
    }
    if !sources.to.is_empty() {
        let _ = write!(words, "{ip} daddr {} ", set(&sources.to));
    }
    words
}

fn set(of: &[impl Display]) -> String {
    let of: Vec<String> = of.iter().map(ToString::to_string).collect();
    format!("{{ {} }}", of.join(", "))
}
