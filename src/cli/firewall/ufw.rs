//! ufw.

use std::fmt::Write as _;

use super::plan::{Opening, Plan, Sources, span};

pub(super) fn render(plan: &Plan) -> String {
    let mut text = String::new();
    for opening in &plan.openings {
        if !text.is_empty() {
            text.push('\n');
        }
        let what = format!("{}: {}", opening.listener, opening.purpose.words());
        let _ = writeln!(text, "# {what}");
        let ports = span(opening.ports, ":");
        if opening.is_for_all() {
            let _ = writeln!(text, "ufw allow proto tcp to any port {ports} comment '{what}'");
            continue;
        }
        for rule in rules(opening) {
            let _ = writeln!(text, "ufw {rule} port {ports} comment '{what}'");
        }
    }
    text
}

fn rules(opening: &Opening) -> Vec<String> {
    let mut rules = Vec::new();
    for (family, Sources { from, except, to }) in opening.families() {
        let or_all =
            |texts: Vec<String>| if texts.is_empty() { vec![family.all().into()] } else { texts };
        let from: Vec<String> = or_all(from.iter().map(ToString::to_string).collect());
        let to: Vec<String> = or_all(to.iter().map(ToString::to_string).collect());
        for to in &to {
            // The first rule that matches decides.
            rules.extend(except.iter().map(|net| format!("deny proto tcp from {net} to {to}")));
            rules.extend(from.iter().map(|net| format!("allow proto tcp from {net} to {to}")));
        }
    }
    rules
}
