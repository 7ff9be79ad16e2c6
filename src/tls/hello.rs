//! What a client offers to resume, read from its first message without taking that from the socket.
//!
//! The library does not tell it before a handshake has begun under one configuration, and whose
//! configuration it is to be is what we want to know. An offer proves nothing: whoever
//! watches the line can repeat it. Only a handshake that ends resumed does.

use std::io;

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::net::socket;

/// Longest ClientHello looked at, record headers included: ten times what clients send today,
/// post-quantum key shares and all.
const LONGEST: usize = 16 << 10;
/// Tickets looked at; clients offer one or two.
const MOST_TICKETS: usize = 8;

const RECORD_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// TLS 1.2's (RFC 5077).
const SESSION_TICKET: u16 = 35;
/// TLS 1.3's tickets are its identities (RFC 8446 4.2.11).
const PRE_SHARED_KEY: u16 = 41;

/// What a ClientHello offers to resume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Offer {
    /// Tickets of either version, as we gave them.
    pub(super) tickets: Vec<Vec<u8>>,
    /// For TLS 1.2 without tickets; in other cases it means nothing.
    pub(super) session_id: Vec<u8>,
}

/// These bytes do not begin a TLS connection, or not one of a length that we look at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotHello;

/// Waits for the ClientHello and reads it; for the handshake it is there as if it had never been
/// looked at. Cancel-safe.
///
/// # Errors
/// What comes is no ClientHello, or the connection ends before it is whole.
pub(crate) async fn offered(stream: &TcpStream) -> io::Result<Offer> {
    loop {
        let ready = stream.ready(Interest::READABLE).await?;
        // Looked at in vain, the socket counts as empty until more comes.
        let look = stream.try_io(Interest::READABLE, || look(stream));
        match look {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
        if ready.is_read_closed() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn look(stream: &TcpStream) -> io::Result<Offer> {
    let mut buffer = vec![0; LONGEST];
    let length = socket::peek(stream, &mut buffer)?;
    let offer = Offer::read(buffer.get(..length).unwrap_or_default());
    let offer = offer.map_err(|NotHello| io::ErrorKind::InvalidData)?;
    offer.ok_or_else(|| io::ErrorKind::WouldBlock.into())
}

impl Offer {
    /// Reads the start of a connection; `None`: there has to come more.
    ///
    /// # Errors
    /// However much more comes, it will not be a ClientHello.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, NotHello> {
        match message(bytes)? {
            Some(message) => Self::of(&message).map(Some).ok_or(NotHello),
            None if bytes.len() >= LONGEST => Err(NotHello),
            None => Ok(None),
        }
    }

    /// Of the message's body.
    fn of(body: &[u8]) -> Option<Self> {
        let mut hello = Fields(body);
        // Version and random.
        hello.take(2 + 32)?;
        let session_id = hello.short_vector()?.to_vec();
        let _cipher_suites = hello.vector()?;
        let _compressions = hello.short_vector()?;
        let mut offer = Self { session_id, tickets: Vec::new() };
        if hello.0.is_empty() {
            return Some(offer);
        }
        let mut extensions = Fields(hello.vector()?);
        while !extensions.0.is_empty() {
            let (kind, content) = (extensions.number()?, extensions.vector()?);
            match kind {
                SESSION_TICKET if !content.is_empty() => offer.add(content),
                PRE_SHARED_KEY => {
                    let mut identities = Fields(Fields(content).vector()?);
                    while !identities.0.is_empty() {
                        offer.add(identities.vector()?);
                        let _age = identities.take(4)?;
                    }
                }
                _ => {}
            }
        }
        Some(offer)
    }

    fn add(&mut self, ticket: &[u8]) {
        if self.tickets.len() < MOST_TICKETS {
            self.tickets.push(ticket.to_vec());
        }
    }
}

/// The body of the first handshake message, which may come in several records.
fn message(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, NotHello> {
    let mut message = Vec::new();
    loop {
        if let [kind, a, b, c, body @ ..] = &*message {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if *kind != CLIENT_HELLO || length > LONGEST {
                return Err(NotHello);
            }
            if let Some(body) = body.get(..length) {
                return Ok(Some(body.to_vec()));
            }
        }
        let mut record = Fields(bytes);
        match bytes {
            [RECORD_HANDSHAKE, 3, ..] | [RECORD_HANDSHAKE] | [] => {}
            _ => return Err(NotHello),
        }
        let (Some(_), Some(length)) = (record.take(3), record.number()) else { return Ok(None) };
        if length == 0 {
            return Err(NotHello);
        }
        let length = usize::from(length);
        message.extend_from_slice(record.0.get(..length).unwrap_or(record.0));
        bytes = record.0.get(length..).unwrap_or_default();
    }
}

/// Reads the presentation language of TLS (RFC 8446 3).
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*number))
    }

    /// `<0..2^16-1>`
    fn vector(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length.into())
    }

    /// `<0..2^8-1>`
    fn short_vector(&mut self) -> Option<&'a [u8]> {
        let (&length, rest) = self.0.split_first()?;
        self.0 = rest;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests;
