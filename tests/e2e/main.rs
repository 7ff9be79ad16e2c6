//! End to end: the real binary between real FTP servers and clients, in network namespaces where the
//! client cannot reach the server. Needs root and `tests/setup.sh`.

mod classic;
mod hostile;
mod interrupt;
mod jobs;
mod limits;
mod matrix;
mod modes;
mod ports;
mod support;
