//! `load pass`: the least that a relay in user space can do, which is what any other is measured by.
//! Two blocking threads for each connection, one a direction, that copy what comes and read none of it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

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
            if let Err(error) = both_ways(&client, to) {
                eprintln!("load pass: {to}: {error}");
            }
        });
    }
}

fn both_ways(client: &TcpStream, to: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    thread::scope(|scope| {
        scope.spawn(|| one_way(client, &server));
        one_way(&server, client);
    });
    Ok(())
}

/// Until there is no more, or nobody who takes it.
fn one_way(mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = [0; BUFFER];
    while let Ok(got @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..got]).is_err() {
            break;
        }
    }
    // Both may be gone already.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
