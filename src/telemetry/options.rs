//! What is logged, how and where.

use std::path::PathBuf;

/// Log settings of the process.
#[derive(Debug, Clone)]
pub(crate) struct LogOptions {
    /// Text or JSON.
    pub(crate) format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter in tracing's directive syntax.
    pub(crate) level: String,
    /// A file for classic transfer records (xferlog, 14 fields).
    pub(crate) xferlog: Option<PathBuf>,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".into(), xferlog: None }
    }
}
