//! Sessions over real sockets, with a server and a client that do what the test says.

mod flow;
mod hostile;
mod house;
mod output;
mod secrets;
mod tunnel;
