//! Log set-up: text on a terminal, JSON otherwise, on standard output unless that is a client's.
//!
//! Standard output and not the error stream: container platforms and journals collect it, and
//! nothing else is written there while the gateway runs.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::json::Json;
use super::options::{LogFormat, LogOptions};
use super::syslog::Syslog;
use super::writer::{LineWriter, Sink};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// The level is neither a level nor a filter.
    #[error("log level {level:?}: {why}; write off, error, warn, info, debug or trace")]
    Level {
        /// As configured.
        level: String,
        /// What is wrong with it.
        why: String,
    },
    /// The writer's thread could not be started.
    #[error("cannot start the log writer: {0}")]
    Thread(#[from] io::Error),
    /// Logging was set up before.
    #[error("logging is set up already")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Writes the last lines when dropped: to be held until the process ends.
#[derive(Debug)]
#[must_use]
pub(crate) struct LogGuard(Arc<LineWriter>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Where the lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Standard output.
    Standard,
    /// The error stream: standard output is a client's.
    Errors,
    /// The machine's log: both are a client's.
    System,
}

/// Sets up logging for the process.
pub(crate) fn init(options: &LogOptions, output: Output) -> Result<LogGuard, LogError> {
    let filter = filter(&options.level)?;
    let (lines, terminal) = match output {
        Output::Standard => (LineWriter::start("log", Stdout), io::stdout().is_terminal()),
        Output::Errors => (LineWriter::start("log", Stderr), io::stderr().is_terminal()),
        Output::System => (LineWriter::start("log", Syslog::new()?), false),
    };
    let lines = Arc::new(lines?);
    let text = match options.format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let lines_out = Lines(lines.clone());
    if text {
        tracing::subscriber::set_global_default(text_lines(filter, lines_out, terminal))?;
    } else {
        tracing::subscriber::set_global_default(json_lines(filter, lines_out))?;
    }
    Ok(LogGuard(lines))
}

/// Reads a level, or a filter in tracing's directive syntax.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let wrong = |why: String| LogError::Level { level: level.to_owned(), why };
    // A lone word that is no level would be taken as the name of a module, and silence the rest.
    let word = !level.contains('=');
    if word && (level.is_empty() || level.parse::<LevelFilter>().is_err()) {
        return Err(wrong("no such level".into()));
    }
    EnvFilter::builder().parse(level).map_err(|error| wrong(error.to_string()))
}

/// For people. Colours on a terminal only.
fn text_lines<W>(filter: EnvFilter, lines: W, colours: bool) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let text = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    text.with_ansi(colours).with_target(false).finish()
}

/// For machines: one object a line, its keys at the top.
fn json_lines<W>(filter: EnvFilter, lines: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let json = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    json.event_format(Json).finish()
}

/// Hands each record over as one line.
struct Lines(Arc<LineWriter>);

impl<'w> MakeWriter<'w> for Lines {
    type Writer = &'w Lines;

    fn make_writer(&'w self) -> Self::Writer {
        self
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.send(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Stdout;

impl Sink for Stdout {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(lines)?;
        out.flush()
    }
}

struct Stderr;

impl Sink for Stderr {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        io::stderr().lock().write_all(lines)
    }
}

#[cfg(test)]
pub(super) mod tests;
