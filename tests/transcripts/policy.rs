//! `!policy` lines.

use ftpgate::session::policy::{
    AborStyle, ClientTls, DataCommand, Policy, PortCommand, Rfc6384, ServerTls, UnknownVerbs,
    UpstreamMode,
};

/// `key=value` as a transcript says it.
pub(crate) fn set(policy: &mut Policy, assignment: &str) {
    let (key, value) = assignment.split_once('=').expect("key=value");
    let list = || value.split(',').map(str::to_owned).collect();
    match key {
        "tls_client" => {
            policy.tls.client = match value {
                "optional" => ClientTls::Optional,
                "required" => ClientTls::Required,
                "implicit" => ClientTls::Implicit,
                "passthrough" => ClientTls::Passthrough,
                _ => panic!("no TLS {value}"),
            }
        }
        "tls_client_data" => policy.tls.client_data = true,
        "tls_server" => {
            policy.tls.server = match value {
                "explicit" => ServerTls::Explicit,
                "implicit" => ServerTls::Implicit,
                "auto" => ServerTls::Auto,
                "same" => ServerTls::Same,
                _ => panic!("no TLS {value}"),
            }
        }
        "tls_server_data" => policy.tls.server_data = value == "required",
        "greeting" => policy.greeting = Some(value.into()),
        "forward" => policy.forward = true,
        "rfc6384" => {
            policy.rfc6384 = match value {
                "on" => Rfc6384::On,
                "strict" => Rfc6384::Strict,
                _ => panic!("no RFC 6384 {value}"),
            }
        }
        "upstream_mode" => {
            policy.upstream_mode = match value {
                "same" => UpstreamMode::Same,
                "passive" => UpstreamMode::Passive,
                "active" => UpstreamMode::Active,
                "PASV" => UpstreamMode::Command(DataCommand::Pasv),
                "EPSV" => UpstreamMode::Command(DataCommand::Epsv),
                "PORT" => UpstreamMode::Command(DataCommand::Port),
                "EPRT" => UpstreamMode::Command(DataCommand::Eprt),
                _ => panic!("no mode {value}"),
            }
        }
        "port_command" => policy.port_command = PortCommand::Replace,
        "unknown_verbs" => policy.unknown_verbs = UnknownVerbs::Refuse,
        "deny" => policy.deny = list(),
        "transfer_verbs" => policy.transfer_verbs = list(),
        "hide_addresses" => policy.hide_addresses = true,
        "bare_lf" => policy.bare_lf = value == "true",
        "cr_nul" => policy.cr_nul = true,
        "abor" => policy.abor = AborStyle::Urgent,
        "command_line" => policy.command_line = value.parse().unwrap(),
        "queued_commands" => policy.queued_commands = value.parse().unwrap(),
        "bad_commands" => policy.bad_commands = value.parse().unwrap(),
        "login_failures" => policy.login_failures = value.parse().unwrap(),
        "own" => policy.own = vec![value.parse().unwrap()],
        "reply_line" => policy.reply_line = value.parse().unwrap(),
        "upstream_ports" => {
            let (first, last) = value.split_once('-').unwrap();
            policy.upstream_ports = first.parse().unwrap()..=last.parse().unwrap();
        }
        _ => panic!("no key {key}"),
    }
}
