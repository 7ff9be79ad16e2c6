//! A connection, plain or under TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::tls::{Session, Tls};

pub enum Link {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

impl Link {
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => &tls.stream,
        }
    }

    /// A data connection of a session. Under TLS it has to resume what the control connection began.
    pub fn data(stream: TcpStream, session: Option<&Session>) -> io::Result<Self> {
        let Some(session) = session else { return Ok(Self::Plain(stream)) };
        let tls = session.connect(stream)?;
        match tls.resumed() {
            true => Ok(Self::Tls(Box::new(tls))),
            false => Err(io::Error::other("the TLS session was not resumed")),
        }
    }

    /// Ends it, as it has to be under TLS.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.finish(),
        }
    }
}

impl Read for Link {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(tls) => tls.read(into),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
