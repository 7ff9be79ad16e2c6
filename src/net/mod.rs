//! Sockets: every option in the program is set here.

pub(crate) mod socket;
