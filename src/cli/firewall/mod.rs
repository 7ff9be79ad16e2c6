//! `ftpgate firewall`: the rules that a configuration needs around it, to the letter.

mod aws;
mod docker;
mod firewalld;
mod iptables;
mod k8s;
mod nft;
mod plan;
mod ufw;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Settings, tell};
use plan::{Catch, Plan};

/// How the rules are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A file for `nft -f`, such as a part of /etc/nftables.conf.
    Nft,
    /// Commands of iptables and ip6tables.
    Iptables,
    /// Commands of firewalld.
    Firewalld,
    /// Commands of ufw.
    Ufw,
    /// What to publish: flags of `docker run`, and the same for Compose.
    Docker,
    /// Commands for a security group of Amazon EC2.
    Aws,
    /// A Service of Kubernetes.
    K8s,
}

#[derive(Debug, Args)]
pub(super) struct Command {
    /// How to write the rules.
    #[arg(short, long, value_enum)]
    format: Format,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let colour = stderr().is_terminal();
    let (config, warnings) = match command.settings.load() {
        Ok(loaded) => loaded,
        Err(problems) => {
            tell(&problems.render(colour));
            return Ok(super::EXIT_CONFIG.into());
        }
    };
    for warning in &warnings {
        tell(&warning.render(colour));
    }
    stdout().write_all(render(&Plan::of(&config), command.format).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn render(plan: &Plan, format: Format) -> String {
    let rules = match format {
        Format::Nft => nft::render(plan),
        Format::Iptables => iptables::render(plan),
        Format::Firewalld => firewalld::render(plan),
        Format::Ufw => ufw::render(plan),
        Format::Docker => docker::render(plan),
        Format::Aws => aws::render(plan),
        Format::K8s => k8s::render(plan),
    };
    let transparent = plan.catches.iter().filter(|_| format != Format::Nft);
    let elsewhere = transparent.map(|catch| {
        let Catch { listener, mode, .. } = catch;
        format!("{listener}: the rules that bring its connections here (mode \"{mode}\") are in --format nft.")
    });
    let notes = plan.notes.iter().cloned().chain(elsewhere);
    notes.map(|note| format!("# {note}\n")).chain([rules]).collect()
}

#[cfg(test)]
mod tests;
