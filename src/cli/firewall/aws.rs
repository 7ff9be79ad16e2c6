//! Security groups of Amazon EC2. They only let in; who is not to come in has to be kept out by
//! `deny_clients`, which holds anyway.

use std::fmt::{Display, Write as _};

use super::plan::{Family, Opening, Plan, Sources};

pub(super) fn render(plan: &Plan) -> String {
    let mut text = String::from("# GROUP is the security group: GROUP=sg-0123456789abcdef0\n");
    for opening in &plan.openings {
        let _ = writeln!(text, "\n# {}: {}", opening.listener, opening.purpose.words());
        let _ = writeln!(
            text,
            "aws ec2 authorize-security-group-ingress --group-id \"$GROUP\" --ip-permissions \\\n    '{}'",
            permission(opening)
        );
    }
    text
}

fn permission(opening: &Opening) -> String {
    let (first, last) = (opening.ports.first, opening.ports.last);
    let mut words = format!("IpProtocol=tcp,FromPort={first},ToPort={last}");
    for (family, Sources { from, .. }) in opening.families() {
        let (list, key) = match family {
            Family::V4 => ("IpRanges", "CidrIp"),
            Family::V6 => ("Ipv6Ranges", "CidrIpv6"),
        };
        let one = |net: &dyn Display| format!("{{{key}={net}}}");
        let ranges: Vec<String> = match from.is_empty() {
            true => vec![one(&family.all())],
            false => from.iter().map(|net| one(net)).collect(),
        };
        let _ = write!(words, ",{list}=[{}]", ranges.join(","));
    }
    words
}
