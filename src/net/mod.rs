//! Sockets: the one place where addresses become connections.

pub(crate) mod socket;
