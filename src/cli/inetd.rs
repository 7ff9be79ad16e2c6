//! `ftpgate inetd`: one session on standard input, as inetd, xinetd, tcpsvd and systemd
//! (`Accept=yes`) start it.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use socket2::{SockRef, Type};

use super::run::background;
use super::{EXIT_CONFIG, Settings};
use crate::app::Stop;
use crate::app::single::Single;
use crate::drain::Signals;
use crate::ftp::canned;
use crate::privileges;
use crate::telemetry::log::{self, Output};
use crate::telemetry::options::LogOptions;

/// Carries the session. Nothing but the session's own words goes to the client.
pub(super) fn run(settings: Settings, listener: Option<&str>) -> anyhow::Result<ExitCode> {
    let stream = connection()?;
    let output = leave_standard_streams().context("cannot leave the standard streams")?;
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let hardened = privileges::harden();
    let (config, warnings) = match settings.load() {
        Ok(loaded) => loaded,
        Err(problems) => {
            let _lines = log::init(&LogOptions::default(), output)?;
            problems.iter().for_each(|problem| tracing::error!("{}", problem.one_line()));
            turn_away(&stream);
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    let _lines = log::init(&config.log, output)?;
    if let Err(error) = hardened {
        tracing::warn!(%error, "cannot forbid new privileges");
    }
    for warning in &warnings {
        tracing::warn!("{}", warning.one_line());
    }
    // A word to the client, should there be no session.
    let copy = stream.try_clone();
    let session = Single::build(&config, listener, stream).map_err(anyhow::Error::from);
    let carried = session.and_then(|session| {
        let runtime = background()?;
        runtime.block_on(carry(session))?;
        runtime.shutdown_background();
        Ok(())
    });
    if let Err(error) = carried {
        tracing::error!("{error:#}");
        copy.iter().for_each(turn_away);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn carry(session: Single) -> anyhow::Result<()> {
    let stop = Stop::default();
    let signals = Signals::new().context("cannot watch signals")?;
    tokio::spawn(signals.obey(stop.clone(), session.shutdown));
    session.run(stop).await.context("the connection is gone")
}

/// The client's connection, on a descriptor of its own.
fn connection() -> anyhow::Result<TcpStream> {
    let input = io::stdin();
    let kind = SockRef::from(&input).r#type();
    let peer = SockRef::from(&input).peer_addr().ok().and_then(|peer| peer.as_socket());
    if !matches!(kind, Ok(Type::STREAM)) || peer.is_none() {
        bail!(
            "standard input is no TCP connection: this is for inetd, xinetd, tcpsvd, or systemd \
             with Accept=yes and StandardInput=socket; `ftpgate run` listens by itself"
        );
    }
    Ok(input.as_fd().try_clone_to_owned()?.into())
}

/// Input and output are the client's, and with most starters the error stream is too: nothing must
/// be written there by accident. Says where the log goes then.
fn leave_standard_streams() -> io::Result<Output> {
    let (input, errors) = (io::stdin(), io::stderr());
    let shared = same(input.as_fd(), errors.as_fd());
    let nothing = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    if shared {
        dup2_stderr(&nothing)?;
    }
    Ok(if shared { Output::System } else { Output::Errors })
}

/// Whether two descriptors are of one thing; a stream that is closed is of none.
fn same(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    matches!((fstat(a), fstat(b)), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

fn turn_away(stream: &TcpStream) {
    let _ = (&mut &*stream).write_all(canned::NO_SERVICE);
    let _ = stream.shutdown(std::net::Shutdown::Write);
}
