//! Other ways to be started than by a command as root.

mod activation;
mod cores;
mod inetd;
mod privileges;

pub(crate) use activation::manager;
