//! ftpgate: a NAT- and firewall-aware FTP gateway.
//!
//! Modules in layer order; imports go down only (`tests/layering.rs` holds them to it).
//!
//! | layer | modules |
//! |---|---|
//! | process | [`cli`] |
//! | wiring | [`app`], `drain` |
//! | doors | `listener` |
//! | conductor | `session::driver` |
//! | hands | `data`, `upstream`, `net`, `advertise`, `limits`, `registry`, `telemetry`, `tls`, `privileges` |
//! | mind | [`session`] (machine, policy): no sockets, no clock, no randomness, no logs |
//! | words | [`ftp`]: bytes to commands and replies, and back |
//!
//! Beside them stands [`config`]: the file form and the run form.

pub mod ftp;

pub mod session;

mod advertise;
mod data;
mod limits;
mod net;
mod privileges;
mod registry;
mod telemetry;
mod tls;
mod upstream;

pub use net::proxy_header;

mod listener;

pub mod app;
mod drain;

pub mod cli;

pub mod config;
