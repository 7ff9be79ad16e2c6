//! One data transfer of a blocking client.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

use crate::ftp::{Client, Mode};
use crate::link::Link;
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
    let mut stream = client.protect(opening.stream()?)?;
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
    stream.finish()?;
    client.finish()?;
    Ok(fetched)
}

fn take(stream: &mut Link, offset: u64, sink: Sink) -> io::Result<usize> {
    SCRATCH.with_borrow_mut(|scratch| match (sink, stream) {
        (Sink::Discard, Link::Plain(tcp)) => {
            Ok(recv(&*tcp, scratch.as_mut_slice(), RecvFlags::TRUNC)?.1)
        }
        (Sink::Discard, Link::Tls(tls)) => tls.read_records(&mut |_| {}),
        (Sink::Compare(pattern), stream) => {
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
    let mut stream = client.protect(opening.stream()?)?;
    let mut sent = 0;
    while sent < size {
        let count = match &mut stream {
            Link::Plain(tcp) => pattern.send(&*tcp, sent, size - sent)?,
            Link::Tls(tls) => tls.write(pattern.piece(sent, size - sent))? as u64,
        };
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        sent += count;
    }
    stream.finish()?;
    client.finish().map(drop)
}
