//! firewalld.

use std::fmt::Write as _;

use super::plan::{Family, Opening, Plan, Sources, span};

pub(super) fn render(plan: &Plan) -> String {
    let mut text = String::from(
        "# In the default zone; --zone=NAME for another. The service `ftp` brings a helper that would\n\
         # rewrite the same lines as ftpgate: it is not needed.\n",
    );
    for opening in &plan.openings {
        let _ = writeln!(text, "\n# {}: {}", opening.listener, opening.purpose.words());
        if opening.is_for_all() {
            let ports = span(opening.ports, "-");
            let _ = writeln!(text, "firewall-cmd --permanent --add-port={ports}/tcp");
            continue;
        }
        for rule in rich_rules(opening) {
            let _ = writeln!(text, "firewall-cmd --permanent --add-rich-rule='{rule}'");
        }
    }
    text.push_str("\nfirewall-cmd --permanent --remove-service=ftp\nfirewall-cmd --reload\n");
    text
}

fn rich_rules(opening: &Opening) -> Vec<String> {
    let ports = format!("port port=\"{}\" protocol=\"tcp\"", span(opening.ports, "-"));
    let mut rules = Vec::new();
    for (family, Sources { from, except, to }) in opening.families() {
        let family = if family == Family::V4 { "ipv4" } else { "ipv6" };
        let to: Vec<String> = match to.is_empty() {
            true => vec![String::new()],
            false => to.iter().map(|ip| format!("destination address=\"{ip}\" ")).collect(),
        };
        let source = |net: &dyn std::fmt::Display| format!("source address=\"{net}\" ");
        let from: Vec<String> = match from.is_empty() {
            true => vec![String::new()],
            false => from.iter().map(|net| source(net)).collect(),
        };
        for net in except {
            // A lower priority is looked at first.
            let rule =
                format!("rule priority=\"-1\" family=\"{family}\" {}{ports} drop", source(net));
            rules.push(rule);
        }
        for from in &from {
            for to in &to {
                rules.push(format!("rule family=\"{family}\" {from}{to}{ports} accept"));
            }
        }
    }
    rules
}
