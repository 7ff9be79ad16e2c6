//! One end of a data connection, on its way up and when it is up.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::claims::Claims;
use super::guard::{Guard, Handshake};
use super::ports::{PortLease, Visitor};
use crate::net::preface;
use crate::net::socket::{self, Origin};
use crate::net::stream::Stream;
use crate::session::event::{Fault, LegTls};

/// How a leg is to come up.
#[derive(Debug)]
pub(crate) enum LegSource {
    /// The peer connects to this port.
    Accept(PortLease),
    /// The peer is here already; the dialogue that brought it is not known.
    Up {
        /// Its connection.
        stream: TcpStream,
        /// Its end's address.
        peer: SocketAddr,
    },
    /// We connect.
    Connect {
        /// Whom to.
        to: SocketAddr,
        /// How it leaves.
        from: Origin,
        /// The PROXY header that it has to begin with, if any (P167).
        header: Option<Arc<[u8]>>,
    },
}

/// A leg that is up. It is reset however it is dropped, so that a transfer cut short for whatever
/// reason never looks complete (P50), unless [`socket::close_plainly`] was called before.
#[derive(Debug)]
pub(super) struct Connected {
    /// The connection.
    pub(super) stream: Stream,
    /// The other end's address.
    pub(super) peer: SocketAddr,
    /// What TLS came to, if it is under TLS.
    pub(super) tls: Option<LegTls>,
}

/// A leg on its way up.
pub(super) struct Leg {
    state: State,
    strangers: u32,
    /// To be protected as soon as it is connected.
    guard: Option<Guard>,
    /// Written first when it is dialled.
    header: Option<Arc<[u8]>>,
}

enum State {
    /// The port listens, the peer is not here, or has not proven yet that it is.
    Accepting { lease: PortLease, claims: Claims },
    /// To be dialled when the time has come.
    Waiting { to: SocketAddr, from: Origin },
    /// Our connect is on its way.
    Dialing { to: SocketAddr, from: Origin, connect: Connect },
    /// Connected, and on its way to TLS.
    Shaking { peer: SocketAddr, handshake: Handshake },
    /// It is up; `None` once it was taken.
    Up(Option<Connected>),
}

type Connect = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

impl Leg {
    /// A leg that accepts from now on, or waits for [`dial`](Self::dial).
    pub(super) fn new(source: LegSource) -> Self {
        let mut first = None;
        let state = match source {
            LegSource::Accept(lease) => State::Accepting { lease, claims: Claims::default() },
            LegSource::Up { stream, peer } => {
                State::Up(Some(Connected { stream: stream.into(), peer, tls: None }))
            }
            LegSource::Connect { to, from, header } => {
                first = header;
                State::Waiting { to, from }
            }
        };
        Self { state, strangers: 0, guard: None, header: first }
    }

    /// Starts our connect, if that is what the leg waits for.
    pub(super) fn dial(&mut self, timeout: Duration) {
        if let State::Waiting { to, from } = self.state {
            let header = self.header.clone();
            let connect = Box::pin(async move {
                let stream = socket::connect_data(to, from, timeout).await?;
                if let Some(header) = header {
                    preface::send(&stream, &header).await?;
                }
                Ok(stream)
            });
            self.state = State::Dialing { to, from, connect };
        }
    }

    /// Puts it under TLS: now if it is connected, else as soon as it is (P120).
    pub(super) fn protect(&mut self, guard: Guard) {
        if let State::Accepting { claims, .. } = &mut self.state {
            claims.protect(&guard);
        }
        self.guard = Some(guard);
        if let State::Up(up) = &mut self.state
            && let Some(Connected { stream: Stream::Plain(stream), peer, .. }) = up.take()
        {
            self.connected(stream, peer);
        }
    }

    fn connected(&mut self, stream: TcpStream, peer: SocketAddr) {
        self.state = match self.guard.take() {
            Some(guard) => State::Shaking { peer, handshake: guard.shake(stream) },
            None => State::Up(Some(Connected { stream: stream.into(), peer, tls: None })),
        };
    }

    /// Whether its peer has yet to connect.
    pub(super) fn accepts(&self) -> bool {
        matches!(self.state, State::Accepting { .. })
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
            State::Accepting { lease, .. } => lease.strangers(),
            _ => self.strangers,
        }
    }

    #[cfg(test)]
    /// The connections that say they are the peer's.
    pub(super) fn claims(&self) -> Option<&Claims> {
        match &self.state {
            State::Accepting { claims, .. } => Some(claims),
            _ => None,
        }
    }

    /// Waits for the next news of it: that it came up, or, once it is, that there is something
    /// to read. After a failed dial it may be dialled again. Cancel-safe.
    ///
    /// # Errors
    /// Why it did not come up.
    pub(super) async fn next(&mut self) -> Result<(), Fault> {
        loop {
            match &mut self.state {
                State::Accepting { lease, claims } => {
                    tokio::select! {
                        proven = claims.next() => {
                            self.strangers = lease.strangers();
                            let (proven, fault) = proven.map_or_else(|f| (None, Some(f)), |c| (Some(c), None));
                            self.state = State::Up(proven);
                            fault.map_or(Ok(()), Err)?;
                        }
                        visitor = lease.accept() => {
                            let Visitor { stream, peer, claims: claim } =
                                visitor.map_err(|_| Fault::Local)?;
                            if claim {
                                claims.add(peer, stream, self.guard.as_ref());
                            } else {
                                self.strangers = lease.strangers();
                                self.connected(stream, peer);
                            }
                        }
                    }
                }
                State::Dialing { to, from, connect } => {
                    let (to, from) = (*to, *from);
                    match connect.as_mut().await {
                        Ok(stream) => self.connected(stream, to),
                        Err(error) => {
                            tracing::debug!(%to, %error, "cannot connect");
                            self.state = State::Waiting { to, from };
                            return Err(fault(error.kind()));
                        }
                    }
                }
                State::Shaking { peer, handshake } => {
                    let peer = *peer;
                    let (stream, tls) = match handshake.as_mut().await {
                        Ok(shaken) => shaken,
                        Err(fault) => {
                            self.state = State::Up(None);
                            return Err(fault);
                        }
                    };
                    self.state = State::Up(Some(Connected { stream, peer, tls: Some(tls) }));
                }
                State::Up(Some(connected)) => {
                    return connected.stream.tcp().readable().await.map_err(|_| Fault::Local);
                }
                State::Waiting { .. } | State::Up(None) => pending().await,
            }
            if self.is_up() {
                return Ok(());
            }
        }
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
