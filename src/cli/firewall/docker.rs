//! Docker and Compose: what to publish. The numbers outside and inside may differ; the data ports
//! must then be told as they are outside, with `expose`.

use std::fmt::Write as _;

use super::plan::{Plan, Purpose, span};

pub(super) fn render(plan: &Plan) -> String {
    let mut flags = Vec::new();
    for opening in &plan.openings {
        if matches!(opening.purpose, Purpose::ServerData(_)) {
            continue;
        }
        for (inside, outside) in opening.mappings() {
            let flag = format!("{}:{}", span(outside, "-"), span(inside, "-"));
            // Listeners may share their data ports.
            if !flags.contains(&flag) {
                flags.push(flag);
            }
        }
    }
    let mut text = String::from(
        "# Published ports go around the INPUT rules of the host: to let in only some clients, use\n\
         # `clients` of the listener, or the chain DOCKER-USER.\n\ndocker run",
    );
    for flag in &flags {
        let _ = write!(text, " -p {flag}");
    }
    text.push_str(" IMAGE\n\n# The same for Compose:\nports:\n");
    for flag in &flags {
        let _ = writeln!(text, "  - \"{flag}\"");
    }
    for opening in &plan.openings {
        if let Purpose::ServerData(server) = &opening.purpose {
            let ports = span(opening.ports, "-");
            let _ = writeln!(
                text,
                "\n# {server} connects to ports {ports} of this container, on a network that both are in: \
                 nothing\n# to publish."
            );
        }
    }
    text
}
