//! Other ways to be started than by a command as root.

mod activation;
mod inetd;
mod privileges;

pub(crate) use activation::manager;
