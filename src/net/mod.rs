//! Sockets: every option in the program is set here. Streams: plain or under TLS.

pub(crate) mod device;
pub(crate) mod helper;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod tls_stream;
pub(crate) mod transparent;
