//! The command line: one file a subcommand.

#[cfg(feature = "demo")]
pub(crate) mod demo;
