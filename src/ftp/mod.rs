//! The words of FTP: bytes to lines, commands and replies, and back.
//!
//! Everything here is a pure function of its input: no socket, no clock, no randomness, no log.
//! Lines are read leniently and written strictly, and what is written was always made anew from
//! its parts (P2), so that no raw buffer of one side ever reaches the other.
//!
//! | file | what it implements |
//! |---|---|
//! | [`line`](mod@line) | RFC 959 §4, RFC 1123 §4.1.2.10 (lines, not reads), RFC 854 (the Telnet subset of RFC 1123 §4.1.2.12) |
//! | [`command`] | RFC 959 §5.3 (verb, argument), RFC 1123 §4.1.3.1 (the X-twins), RFC 2640 §3.1 (CR NUL) |
//! | [`reply`] | RFC 959 §4.2 (codes, replies of many lines) |
//! | [`addr`] | RFC 959 §4.1.2 (PORT, 227), RFC 2428 (EPRT, EPSV, 229), RFC 5952 (IPv6 text) |
//! | [`login`] | `USER name@host` and its kin, in no RFC |
//! | [`feat`] | RFC 2389 (FEAT, OPTS) |
//! | [`canned`] | the few replies that are our own |

#![warn(clippy::indexing_slicing)]

pub mod addr;
pub mod canned;
pub mod command;
pub mod feat;
pub mod line;
pub mod login;
pub mod reply;
mod scrub;
mod verb;
