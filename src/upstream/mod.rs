//! Servers: where they are and what is remembered of them.

pub(crate) mod options;
