//! End to end: the real binary between real FTP servers and clients, in network namespaces where the
//! client cannot reach the server. Needs root and `tests/setup.sh`.

#![allow(clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

mod balanced;
mod classic;
mod forward;
mod ftps;
mod hidden;
mod hostile;
mod interrupt;
mod introduced;
mod jobs;
mod limits;
mod mapping;
mod matrix;
mod modes;
mod nat64;
mod operator;
mod origins;
mod ports;
mod router;
mod starting;
mod support;
mod tuning;
mod whereami;
