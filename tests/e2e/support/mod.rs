//! What the tests stand on.

pub(crate) mod ftp;
pub(crate) mod gateway;
pub(crate) mod haproxy;
pub(crate) mod lab;
pub(crate) mod mock;
pub(crate) mod natbox;
pub(crate) mod net;
pub(crate) mod pebble;
pub(crate) mod peer;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod router;
pub(crate) mod servers;
pub(crate) mod tls_servers;
pub(crate) mod tools;
pub(crate) mod wire;
