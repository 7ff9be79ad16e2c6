//! Sockets: every option in the program is set here. Streams: plain or under TLS. What else is
//! asked of the network beside us: its default gateway, a small HTTP exchange. What comes before all
//! else on a connection: PROXY headers.

pub(crate) mod balancers;
pub(crate) mod device;
pub(crate) mod helper;
pub(crate) mod http;
mod name;
pub(crate) mod preface;
pub mod proxy_header;
pub(crate) mod routes;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod tls_stream;
pub(crate) mod transparent;
pub(crate) mod tuning;
