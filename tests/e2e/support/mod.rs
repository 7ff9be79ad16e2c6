//! What the tests stand on.

pub mod ftp;
pub mod gateway;
pub mod lab;
pub mod net;
pub mod process;
pub mod servers;
pub mod tools;
