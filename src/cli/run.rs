//! `ftpgate run`, and the gateway part of `ftpgate demo`.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use anyhow::Context;
#[cfg(feature = "demo")]
use tokio::signal::unix::Signal;

use super::{EXIT_CONFIG, Settings, tell};
use crate::app::handed::Handed;
use crate::app::{App, Stop};
use crate::drain::Signals;
use crate::net::socket;
use crate::privileges;
use crate::telemetry::log::{self, Output};

/// Loads, binds, serves, drains.
pub(super) fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    // Both before there are threads: they change what these would inherit or read.
    let (handed, hardened) = (Handed::from_environment(), privileges::harden());
    let (config, warnings) = match settings.load() {
        Ok(loaded) => loaded,
        Err(problems) => {
            tell(&problems.render(stderr().is_terminal()));
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    let _lines = log::init(&config.log, Output::Standard)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ftpgate");
    for warning in &warnings {
        tracing::warn!("{}", warning.one_line());
    }
    if let Err(error) = hardened {
        tracing::warn!(%error, "cannot forbid new privileges");
    }
    if let Err(error) = socket::descriptor_limit() {
        tracing::warn!(%error, "cannot raise the descriptor limit");
    }
    let app = App::build(&config, handed)?;
    let runtime = background()?;
    let cut_off = runtime.block_on(async {
        let stop = Stop::default();
        let signals = Signals::new().context("cannot watch signals")?;
        tokio::spawn(signals.obey(stop.clone(), app.shutdown()));
        anyhow::Ok(app.run(stop).await?)
    })?;
    // Not waiting for a resolver that does not answer.
    runtime.shutdown_background();
    tracing::info!(cut_off, "stopped");
    Ok(ExitCode::SUCCESS)
}

/// The runtime of everything that is not a session.
pub(super) fn background() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")
}

/// `ftpgate demo`: the gateway is a real one, on loopback.
#[cfg(feature = "demo")]
pub(super) fn demo() -> anyhow::Result<ExitCode> {
    use super::demo::{self, Gateway};
    use crate::config::{self, Overrides};

    background()?.block_on(async {
        let stop = Stop::default();
        let start = async |server: std::net::SocketAddr| {
            let overrides = Overrides {
                listen: vec!["127.0.0.1:0".into()],
                upstream: Some(server.to_string()),
                ..Overrides::default()
            };
            let (config, _) = config::load(None, [], overrides)?;
            let app = App::build(&config, Handed::default())?;
            let control = *app.addresses().first().context("nothing was bound")?;
            tokio::spawn(app.run(stop.clone()));
            anyhow::Ok(Gateway { control, running: stop.kill.clone().drop_guard() })
        };
        let [mut interrupt, mut terminate, mut hangup] = ending_signals()?;
        let ended = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        };
        demo::run(&mut std::io::stdout(), start, ended).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Whatever ends the demo: it must take its folder with it.
#[cfg(feature = "demo")]
fn ending_signals() -> std::io::Result<[Signal; 3]> {
    use tokio::signal::unix::{SignalKind, signal};

    let [interrupt, terminate] = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    Ok([interrupt?, terminate?, signal(SignalKind::hangup())?])
}
