//! `load ports`: whether a range of ports is free, asked from outside.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::args::Args;
use crate::report::Report;

pub fn listen_on_all(mut args: Args) -> io::Result<bool> {
    let address: IpAddr = args.required("address")?;
    let (first, last) = args.range("range")?;
    args.end()?;
    // The standard library sets SO_REUSEADDR: connections of the past are no hindrance, a
    // listener is. All are held at once.
    let listen = |port| TcpListener::bind(SocketAddr::new(address, port)).map_err(|e| (port, e));
    let (held, taken): (Vec<_>, Vec<_>) = (first..=last).map(listen).partition(Result::is_ok);
    let why = taken.into_iter().find_map(Result::err);
    let why = why.map_or(String::new(), |(port, error)| format!("{port}: {error}"));
    Report::default().count("free", held.len() as u64).text("taken", &why).print();
    Ok(why.is_empty())
}
