//! Logs and records.
//!
//! Log lines go to standard output ([`log`]), among them one record for each session and each
//! transfer ([`audit`]); transfers also go to an optional classic file ([`xferlog`]). Both are
//! written by threads of their own ([`writer`]): a slow disk or pipe never holds up a session.

mod address;
pub(crate) mod audit;
mod escape;
mod json;
pub(crate) mod log;
pub(crate) mod options;
pub(crate) mod seldom;
mod syslog;
mod writer;
pub(crate) mod xferlog;
