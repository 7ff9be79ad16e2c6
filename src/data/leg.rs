//! One end of a data connection, on its way up and when it is up.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::net::TcpStream;

use super::ports::PortLease;
use crate::net::socket;
use crate::session::event::Fault;

/// How a leg is to come up.
#[derive(Debug)]
pub(crate) enum LegSource {
    /// The peer connects to this port.
    Accept(PortLease),
    /// We connect.
    Connect {
        /// Whom to.
        to: SocketAddr,
        /// The local address and port to leave from (P41, P40), port 0 for any; `None`: the
        /// kernel's choice.
        from: Option<SocketAddr>,
    },
}

/// A leg that is up. It is reset however it is dropped, so that a transfer cut short for whatever
/// reason never looks complete (P50), unless [`socket::close_plainly`] was called before.
#[derive(Debug)]
pub(super) struct Connected {
    /// The connection.
    pub(super) stream: TcpStream,
    /// The other end's address.
    pub(super) peer: SocketAddr,
}

/// A leg on its way up.
pub(super) struct Leg {
    state: State,
    strangers: u32,
}

enum State {
    /// The port listens, the peer is not here.
    Accepting(PortLease),
    /// To be dialled when the time has come.
    Waiting { to: SocketAddr, from: Option<SocketAddr> },
    /// Our connect is on its way.
    Dialing { to: SocketAddr, from: Option<SocketAddr>, connect: Connect },
    /// It is up; `None` once it was taken.
    Up(Option<Connected>),
}

type Connect = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

impl Leg {
    /// A leg that accepts from now on, or waits for [`dial`](Self::dial).
    pub(super) fn new(source: LegSource) -> Self {
        let state = match source {
            LegSource::Accept(lease) => State::Accepting(lease),
            LegSource::Connect { to, from } => State::Waiting { to, from },
        };
        Self { state, strangers: 0 }
    }

    /// Starts our connect, if that is what the leg waits for.
    pub(super) fn dial(&mut self, timeout: Duration) {
        if let State::Waiting { to, from } = self.state {
            let connect = Box::pin(socket::connect_data(to, from, timeout));
            self.state = State::Dialing { to, from, connect };
        }
    }

    /// Whether its peer has yet to connect.
    pub(super) fn accepts(&self) -> bool {
        matches!(self.state, State::Accepting(_))
    }

    /// Whether it has yet to be dialled.
    pub(super) fn waits(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// Whether it is up.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// The connection, once it is up.
    pub(super) fn take(&mut self) -> Option<Connected> {
        match &mut self.state {
            State::Up(connected) => connected.take(),
            _ => None,
        }
    }

    /// Connections that came to its port and were not the peer's.
    pub(super) fn strangers(&self) -> u32 {
        match &self.state {
            State::Accepting(lease) => lease.strangers(),
            _ => self.strangers,
        }
    }

    /// Waits for the next news of it: that it came up, or, once it is, that there is something
    /// to read. After a failed dial it may be dialled again. Cancel-safe.
    ///
    /// # Errors
    /// Why it did not come up.
    pub(super) async fn next(&mut self) -> Result<(), Fault> {
        let (stream, peer) = match &mut self.state {
            State::Accepting(lease) => {
                let arrived = lease.accept().await.map_err(|_| Fault::Local)?;
                self.strangers = lease.strangers();
                arrived
            }
            State::Dialing { to, from, connect } => {
                let (to, from) = (*to, *from);
                match connect.as_mut().await {
                    Ok(stream) => (stream, to),
                    Err(error) => {
                        tracing::debug!(%to, %error, "cannot connect");
                        self.state = State::Waiting { to, from };
                        return Err(fault(error.kind()));
                    }
                }
            }
            State::Up(Some(connected)) => {
                return connected.stream.readable().await.map_err(|_| Fault::Local);
            }
            State::Waiting { .. } | State::Up(None) => pending().await,
        };
        self.state = State::Up(Some(Connected { stream, peer }));
        Ok(())
    }
}

/// Why a connect failed, in the words of the report.
fn fault(kind: io::ErrorKind) -> Fault {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
        TimedOut,
    };
    match kind {
        TimedOut => Fault::NotOpened,
        ConnectionRefused | ConnectionReset | ConnectionAborted | HostUnreachable
        | NetworkUnreachable => Fault::Unreachable,
        _ => Fault::Local,
    }
}
