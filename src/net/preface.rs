//! PROXY headers on sockets: read without taking a byte too much, written at once.

use std::io;

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::proxy_header::{self, LONGEST, Malformed, Origin};

/// Longer headers are rare; for them the buffer grows to [`LONGEST`].
const USUAL: usize = 256;

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoHeader {
    /// The connection ended, or broke, before its first byte: a probe.
    #[error("it was closed without a word")]
    Nothing,
    /// The same within the header.
    #[error("it was closed within its PROXY header")]
    CutShort,
    /// Something else came.
    #[error("{0}")]
    Malformed(#[from] Malformed),
}

/// Reads the header that has to come first, and nothing behind it: a TLS handshake or a file may
/// follow at once (P163). Waits for as long as the header takes: the caller has a deadline.
///
/// # Errors
/// Why there is none, at once when that is certain.
pub(crate) async fn receive(stream: &TcpStream) -> Result<Origin, NoHeader> {
    let mut buffer = vec![0; USUAL];
    let mut have = 0;
    loop {
        if have == buffer.len() {
            buffer.resize(LONGEST, 0);
        }
        let room = buffer.get_mut(have..).unwrap_or_default();
        let Ok(seen @ 1..) = stream.peek(room).await else {
            return Err(if have == 0 { NoHeader::Nothing } else { NoHeader::CutShort });
        };
        let parsed = proxy_header::parse(buffer.get(..have + seen).unwrap_or_default())?;
        let end = parsed.map_or(have + seen, |(_, length)| length);
        let known = buffer.get_mut(have..end).unwrap_or_default();
        // What was seen is there: this takes it off the socket.
        let taken = match stream.try_read(known) {
            Ok(taken @ 1..) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Ok(_) | Err(_) => return Err(NoHeader::CutShort),
        };
        have += taken;
        if let Some((origin, length)) = parsed
            && have == length
        {
            return Ok(origin);
        }
    }
}

/// Writes a header as the very first bytes of a connection that has just come up, in one piece
/// (P167).
///
/// # Errors
/// The connection is gone.
pub(crate) async fn send(stream: &TcpStream, header: &[u8]) -> io::Result<()> {
    let write = || socket2::SockRef::from(stream).send(header);
    let written = stream.async_io(Interest::WRITABLE, write).await?;
    // A fresh send buffer holds far more.
    if written == header.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

#[cfg(test)]
mod tests;
