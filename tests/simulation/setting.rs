//! The configuration of a random session, and words for its story.

use ftpgate::session::event::{Action, Leg};
use ftpgate::session::policy::{
    AborStyle, DataCommand, Policy, PortCommand, Rfc6384, UnknownVerbs, UpstreamMode,
};

use super::dice::Dice;
use super::tls;

/// Any policy.
pub(crate) fn policy(dice: &mut Dice) -> Policy {
    let mut policy = Policy {
        upstream_mode: *dice.pick(&[
            UpstreamMode::Passive,
            UpstreamMode::Passive,
            UpstreamMode::Same,
            UpstreamMode::Active,
            UpstreamMode::Command(DataCommand::Epsv),
            UpstreamMode::Command(DataCommand::Eprt),
        ]),
        bare_lf: !dice.once_in(4),
        cr_nul: dice.once_in(4),
        hide_addresses: dice.once_in(4),
        transfer_verbs: vec!["XLST".into(), "THMB".into()],
        slow_verbs: vec!["SYST".into()],
        command_line: 64,
        queued_commands: 1 + dice.below(6),
        ..Policy::default()
    };
    policy.tls = tls::policy(dice);
    if dice.once_in(4) {
        policy.greeting = Some("Welcome".into());
    }
    if dice.once_in(4) {
        // Never below 1024 all the same (S2).
        policy.upstream_ports = 1..=u16::MAX;
    }
    if dice.once_in(4) {
        policy.port_command = PortCommand::Replace;
    }
    if dice.once_in(4) {
        policy.unknown_verbs = UnknownVerbs::Refuse;
    }
    if dice.once_in(4) {
        policy.deny = vec!["MKD".into(), "SITE EXEC".into(), "STAT".into(), "epsv".into()];
    }
    if dice.once_in(4) {
        policy.abor = AborStyle::Urgent;
    }
    if dice.once_in(3) {
        policy.rfc6384 = Rfc6384::On;
    }
    policy
}

/// `a` accepts, `c` connects.
pub(crate) const fn leg(leg: Leg) -> char {
    match leg {
        Leg::Accept => 'a',
        Leg::Connect(_) => 'c',
    }
}

/// An action in one line.
pub(crate) fn words(action: &Action) -> String {
    match action {
        Action::Send { to, bytes, .. } => format!("to {}: {}", to.label(), escape(bytes)),
        Action::Record(record) => format!(
            "record {} {} {:?}",
            record.verb,
            record.client_code,
            record.report.map(|report| report.outcome)
        ),
        other => format!("{other:?}"),
    }
}

pub(crate) fn escape(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
