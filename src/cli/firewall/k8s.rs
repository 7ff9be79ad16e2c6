//! A Service of Kubernetes, which takes every port singly.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::plan::{Family, Plan, Purpose};

const HEAD: &str = "\
# externalTrafficPolicy: Local keeps the clients' addresses, by which data connections are checked.
apiVersion: v1
kind: Service
metadata:
  name: ftpgate
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  sessionAffinity: ClientIP
  selector:
    app: ftpgate
";

pub(super) fn render(plan: &Plan) -> String {
    let mut text = HEAD.to_owned();
    let mut clients: Vec<String> = Vec::new();
    for opening in plan.openings.iter().filter(|o| o.purpose == Purpose::Control) {
        for (family, sources) in opening.families() {
            match sources.from.as_slice() {
                [] => clients.extend([family.all().to_owned()]),
                from => clients.extend(from.iter().map(ToString::to_string)),
            }
        }
    }
    clients.sort_unstable();
    clients.dedup();
    if clients.iter().any(|net| [Family::V4, Family::V6].iter().all(|all| all.all() != net)) {
        text.push_str("  loadBalancerSourceRanges:\n");
        for net in clients {
            let _ = writeln!(text, "    - {net}");
        }
    }
    text.push_str("  ports:\n");
    let mut named = BTreeSet::new();
    for opening in &plan.openings {
        let name = match opening.purpose {
            Purpose::Control => "control",
            Purpose::ClientData => "data",
            // The server connects to the pod itself.
            Purpose::ServerData(_) => continue,
        };
        for (inside, outside) in opening.mappings() {
            for (target, port) in (inside.first..=inside.last).zip(outside.first..=outside.last) {
                // Listeners may share their data ports.
                if named.insert(port) {
                    let _ = writeln!(
                        text,
                        "    - {{ name: {name}-{port}, protocol: TCP, port: {port}, targetPort: {target} }}"
                    );
                }
            }
        }
    }
    text
}
