//! TLS on a leg: which handshake, and what is asked of it.

use std::future::Future;
use std::pin::Pin;

use tokio::net::TcpStream;

use super::options::{DataTls, Reuse};
use crate::net::socket;
use crate::net::stream::Stream;
use crate::session::event::{Direction, Fault, LegTls, Protection, Side};
use crate::tls::{self, ClientSession, HandshakeError, ServerSession, TlsInfo};

/// What the legs of a transfer need to be protected: the TLS of the session's two control
/// connections, as far as there is any.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransferTls {
    /// Towards the client: our keys, and what its control connection agreed on.
    pub(crate) downstream: Option<(ServerSession, TlsInfo)>,
    /// Towards the server.
    pub(crate) upstream: Option<ClientSession>,
}

/// How one leg is to be protected.
#[derive(Debug, Clone)]
pub(super) enum Guard {
    /// We are the server (P119).
    Server { session: ServerSession, control: TlsInfo, upload: bool, options: DataTls },
    /// We are the client.
    Client { session: ClientSession, options: DataTls },
}

/// A handshake under way.
pub(super) type Handshake = Pin<Box<dyn Future<Output = Result<(Stream, LegTls), Fault>> + Send>>;

impl TransferTls {
    /// How to protect the leg of `side`; `None`: not at all.
    pub(super) fn guard(
        &self,
        side: Side,
        protection: Protection,
        direction: Direction,
        options: DataTls,
    ) -> Option<Guard> {
        match side {
            Side::Downstream => {
                let (session, control) =
                    self.downstream.clone().filter(|_| protection.downstream)?;
                let upload = direction == Direction::Upload;
                Some(Guard::Server { session, control, upload, options })
            }
            Side::Upstream => {
                let session = self.upstream.clone().filter(|_| protection.upstream)?;
                Some(Guard::Client { session, options })
            }
        }
    }
}

impl Guard {
    /// Begins the handshake. Until it is done a close is no reset: the alert that says why it
    /// failed has to arrive, and nothing was transferred that could look whole.
    pub(super) fn shake(self, stream: TcpStream) -> Handshake {
        socket::close_plainly(&stream);
        Box::pin(async move {
            let shaken = match &self {
                Self::Server { session, control, upload, options } => {
                    session.accept_data(stream, (control, *upload), options.handshake).await
                }
                Self::Client { session, options } => {
                    tls::connect(stream, session, options.handshake).await
                }
            };
            let (stream, info) = shaken.map_err(|error| self.failed(&error))?;
            self.judge(&info, stream.tcp())?;
            socket::reset_on_close(stream.tcp());
            Ok((stream, LegTls { version: info.version.as_str(), resumed: info.resumed }))
        })
    }

    fn side(&self) -> Side {
        match self {
            Self::Server { .. } => Side::Downstream,
            Self::Client { .. } => Side::Upstream,
        }
    }

    fn failed(&self, error: &HandshakeError) -> Fault {
        let side = self.side().label();
        tracing::info!(side, why = error.label(), "no TLS on the data connection: {error}");
        Fault::Tls
    }

    /// A full handshake may be anybody's: only a resumed one proves that the peer is the client of
    /// the control connection (P145, P149).
    fn judge(&self, info: &TlsInfo, stream: &TcpStream) -> Result<(), Fault> {
        let Self::Server { control, options, .. } = self else {
            if !info.resumed {
                // Servers that insist say so themselves, in their reply (P142).
                tracing::debug!("the server did not resume the TLS session on the data connection");
            }
            return Ok(());
        };
        if info.resumed || options.reuse == Reuse::Off {
            return Ok(());
        }
        let why = info.why_not_resumed(control);
        if options.reuse == Reuse::Require {
            let client = stream.peer_addr().map(|peer| peer.ip().to_canonical());
            tracing::info!(
                client = client.ok().map(tracing::field::display),
                why,
                "data connection refused: its TLS session is not the control's; reuse = \"prefer\" \
                 lets in clients that cannot resume"
            );
            return Err(Fault::Tls);
        }
        tracing::debug!(why, "data connection without TLS session reuse");
        Ok(())
    }
}
