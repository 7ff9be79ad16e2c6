//! The data plane: ports, legs, relay.
//!
//! A [transfer](transfer::Transfer) joins two [legs](leg). A leg accepts on a
//! [leased port](ports::PortLease) or connects; whatever the mode of either side, there is one
//! peer check, one timeout, one accounting.
//!
//! ```text
//! transfer   the handle, and the task behind it
//!   opening    bring both legs up, in the order the dialogue asks for (P42, P43, P46)
//!     leg        accept or connect          ports   leases of ports
//!       claims     who of several it is, on a port shared under TLS
//!   relay      both directions until delivered, broken, stalled or stopped
//!     pump       one direction              splice  through a pipe of the kernel
//!       turn       for how long
//!     cipher     both, where a leg is under TLS     guard   the handshakes of legs
//!     wire       both, where nothing is known of them
//! mirror     ports that are the server's own, for dialogues that we cannot read
//! ```

pub(crate) mod mirror;
pub(crate) mod options;
pub(crate) mod ports;
pub(crate) mod throttle;
pub(crate) mod transfer;
pub(crate) mod turn;

mod cipher;
mod claims;
pub(crate) mod guard;
mod headers;
mod leg;
mod meter;
mod opening;
mod pump;
mod relay;
#[cfg(target_os = "linux")]
mod splice;
#[cfg(not(target_os = "linux"))]
#[path = "no_splice.rs"]
mod splice;
mod wire;

#[cfg(test)]
mod testing;
