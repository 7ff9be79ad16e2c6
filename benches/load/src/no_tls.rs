//! Built without TLS: there is none.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::TcpStream;

#[derive(Clone)]
pub struct Session(Infallible);

impl Session {
    pub fn new() -> io::Result<Self> {
        Err(io::Error::other("built without TLS: cargo build --features tls"))
    }

    pub fn connect(&self, _: TcpStream) -> io::Result<Tls> {
        match self.0 {}
    }
}

pub struct Tls {
    pub stream: TcpStream,
    never: Infallible,
}

impl Tls {
    pub fn resumed(&self) -> bool {
        match self.never {}
    }

    pub fn read_records(&mut self, _: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        match self.never {}
    }

    pub fn finish(self) -> io::Result<()> {
        match self.never {}
    }
}

impl Read for Tls {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.never {}
    }
}

impl Write for Tls {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.never {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.never {}
    }
}
