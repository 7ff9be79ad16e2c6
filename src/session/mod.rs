//! The mind of a session.
pub mod event;
pub mod policy;
