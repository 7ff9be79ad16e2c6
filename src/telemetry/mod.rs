//! Logs and records.

pub(crate) mod options;
