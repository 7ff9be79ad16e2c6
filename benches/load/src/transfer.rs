//! One data transfer of a blocking client.

use std::cell::RefCell;
use std::io::{self, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

use crate::ftp::{Client, Mode};
use crate::pattern::Pattern;

/// Most bytes taken in at once.
const CHUNK: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// What to do with what comes in.
#[derive(Clone, Copy)]
pub enum Sink<'a> {
    /// Counted and thrown away inside the kernel, so that the client is not the limit.
    Discard,
    /// Compared byte for byte.
    Compare(&'a Pattern),
}

pub struct Fetched {
    pub bytes: u64,
    /// From before PASV to the first byte.
    pub first_byte: Duration,
}

/// Fetches with RETR, LIST or whatever `command` says. Complete: the end came and a 2yz.
pub fn fetch(client: &mut Client, mode: Mode, command: &str, sink: Sink) -> io::Result<Fetched> {
    let begun = Instant::now();
    let opening = client.open(mode)?;
    client.expect(command, 1)?;
    let mut stream = opening.stream()?;
    let mut fetched = Fetched { bytes: 0, first_byte: Duration::ZERO };
    loop {
        let got = take(&mut stream, fetched.bytes, sink)?;
        if fetched.bytes == 0 {
            fetched.first_byte = begun.elapsed();
        }
        if got == 0 {
            break;
        }
        fetched.bytes += got as u64;
    }
    drop(stream);
    client.finish()?;
    Ok(fetched)
}

fn take(stream: &mut TcpStream, offset: u64, sink: Sink) -> io::Result<usize> {
    SCRATCH.with_borrow_mut(|scratch| match sink {
        Sink::Discard => Ok(recv(&*stream, scratch.as_mut_slice(), RecvFlags::TRUNC)?.1),
        Sink::Compare(pattern) => {
            let got = stream.read(scratch)?;
            match pattern.matches(offset, &scratch[..got]) {
                true => Ok(got),
                false => Err(io::Error::other(format!("wrong bytes after {offset}"))),
            }
        }
    })
}

/// Stores `size` bytes. Complete: all were sent and a 2yz came.
pub fn store(
    client: &mut Client,
    mode: Mode,
    name: &str,
    size: u64,
    pattern: &Pattern,
) -> io::Result<()> {
    let opening = client.open(mode)?;
    client.expect(&format!("STOR {name}"), 1)?;
    let stream = opening.stream()?;
    let mut sent = 0;
    while sent < size {
        match pattern.send(&stream, sent, size - sent)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => sent += count,
        }
    }
    drop(stream);
    client.finish().map(drop)
}
