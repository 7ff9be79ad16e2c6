//! The data plane: ports, legs, relay.

pub(crate) mod options;
