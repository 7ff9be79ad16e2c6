//! `load pass`: the least that a relay in user space can do, which is what any other is measured by.
//! A thread for each connection waits for either side and copies what comes; it reads none of it.
//! Two threads, each blocked in reading one side, ask the kernel for less and take longer: it has to
//! change between them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};

use crate::args::Args;

/// Most bytes copied at once.
const BUFFER: usize = 16 << 10;

pub fn run(mut args: Args) -> io::Result<bool> {
    let listener = TcpListener::bind(args.at()?)?;
    let to: SocketAddr = args.required("to")?;
    args.end()?;
    loop {
        let (client, _) = listener.accept()?;
        thread::spawn(move || {
            if let Err(error) = relay(client, to) {
                eprintln!("load pass: {to}: {error}");
            }
        });
    }
}

/// Until one of the two ends; then the other is closed too.
fn relay(client: TcpStream, to: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut buffer = [0; BUFFER];
    loop {
        let mut sides = [&client, &server].map(|side| PollFd::new(side, PollFlags::IN));
        poll(&mut sides, None)?;
        let [from_client, from_server] = sides.map(|side| !side.revents().is_empty());
        if from_client && copy(&client, &server, &mut buffer)? == 0
            || from_server && copy(&server, &client, &mut buffer)? == 0
        {
            return Ok(());
        }
    }
}

/// What is there; 0: the end.
fn copy(mut from: &TcpStream, mut to: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let got = from.read(buffer)?;
    to.write_all(&buffer[..got])?;
    Ok(got)
}
