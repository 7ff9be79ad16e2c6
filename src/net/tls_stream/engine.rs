//! The TLS library, one step at a time.

use std::fmt;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error, ProtocolVersion};

use super::queue::Queue;

/// A connection's TLS, which holds keys and no bytes.
pub(super) enum Engine {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Something was done; take the next step.
    More,
    /// All is done: only more input or something to say leads further.
    Idle,
    /// What was to be said takes this many bytes.
    Said(usize),
    /// The handshake waits for the peer.
    Waits,
    /// The peer's close_notify.
    PeerEnded,
    /// Both have ended, or what cannot be has happened.
    Over,
}

/// What to say once there is nothing else to do.
#[derive(Clone, Copy)]
pub(super) enum Say<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// close_notify.
    End,
}

/// Where a step puts what it makes.
pub(super) struct Sinks<'a> {
    /// Plaintext, a record at a time.
    pub(super) plain: &'a mut dyn FnMut(&[u8]),
    /// Handshake messages, alerts, tickets.
    pub(super) answers: &'a mut Queue,
    /// Something to say, and where to.
    pub(super) say: Option<(Say<'a>, &'a mut [u8])>,
}

impl Engine {
    /// What was agreed on.
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Self::Server(connection) => connection,
            Self::Client(connection) => connection,
        }
    }

    /// Whether the peer waits for nothing more when our handshake is done: the last word was its own.
    pub(super) fn had_last_word(&self) -> bool {
        let version = self.common().protocol_version();
        matches!(self, Self::Server(_)) && version == Some(ProtocolVersion::TLSv1_3)
    }

    /// One step. The first number is how many bytes of `input` it is done with: they are not to be
    /// shown again.
    pub(super) fn turn(
        &mut self,
        input: &mut [u8],
        sinks: Sinks<'_>,
    ) -> (usize, Result<Turn, Error>) {
        match self {
            Self::Server(connection) => step(connection.process_tls_records(input), sinks),
            Self::Client(connection) => step(connection.process_tls_records(input), sinks),
        }
    }
}

fn step<D>(
    UnbufferedStatus { mut discard, state, .. }: UnbufferedStatus<'_, '_, D>,
    sinks: Sinks<'_>,
) -> (usize, Result<Turn, Error>) {
    let turn = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut records)) => loop {
            match records.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    (sinks.plain)(record.payload);
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(Turn::More),
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut message)) => {
            // The first call tells the size.
            if let Err(EncodeError::InsufficientSize(short)) = message.encode(&mut []) {
                let _ = message.encode(sinks.answers.grow(short.required_size));
            }
            Ok(Turn::More)
        }
        Ok(ConnectionState::TransmitTlsData(message)) => {
            message.done();
            Ok(Turn::More)
        }
        Ok(ConnectionState::WriteTraffic(writer)) => match sinks.say {
            None => Ok(Turn::Idle),
            Some((what, into)) => say(writer, what, into),
        },
        Ok(ConnectionState::BlockedHandshake) => Ok(Turn::Waits),
        Ok(ConnectionState::PeerClosed) => Ok(Turn::PeerEnded),
        Ok(_) => Ok(Turn::Over),
    };
    (discard, turn)
}

fn say<D>(mut writer: WriteTraffic<'_, D>, what: Say<'_>, into: &mut [u8]) -> Result<Turn, Error> {
    let said = match what {
        Say::Bytes(bytes) => writer.encrypt(bytes, into),
        Say::End => writer.queue_close_notify(into),
    };
    said.map(Turn::Said).map_err(|error| match error {
        EncryptError::InsufficientSize(_) => Error::General("no room for a record".into()),
        EncryptError::EncryptExhausted => Error::EncryptError,
    })
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Client(_) => "Client",
        })
    }
}
