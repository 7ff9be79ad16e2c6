//! Brings TLS up on a connection that is there, within a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CommonState, HandshakeKind, ProtocolVersion, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::certs;
use super::client::ClientSession;
use super::failure::{Class, HandshakeError, Role};
use super::options::TlsVersion;
use crate::net::stream::Stream;

/// What a handshake came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsInfo {
    /// What is spoken.
    pub(crate) version: TlsVersion,
    /// The cipher suite by its standard name.
    pub(crate) cipher: &'static str,
    /// Whether it resumed a session. On our data connections as server that is the proof that the
    /// client is the one of the control connection (P145).
    pub(crate) resumed: bool,
    /// As server: the name that the client asked for.
    pub(crate) sni: Option<String>,
    /// As server: whom the client's certificate names, if it showed one in this handshake.
    pub(crate) peer_subject: Option<String>,
    /// Its common name.
    pub(crate) peer_name: Option<String>,
    /// SHA-256 of the certificate that the peer showed in this handshake.
    pub(crate) leaf: Option<[u8; 32]>,
}

impl TlsInfo {
    /// For the log: why this data connection, whose client did not resume the session of `control`,
    /// perhaps did not (P151).
    pub(crate) fn why_not_resumed(&self, control: &Self) -> &'static str {
        if self.sni == control.sni {
            "the client offered no session of its control connection"
        } else {
            "the client asked for another server name (SNI) than on its control connection"
        }
    }
}

/// The server's part of a handshake.
///
/// # Errors
/// Why there is no TLS; the connection is closed then.
pub(crate) async fn accept(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    timeout: Duration,
) -> Result<(Stream, TlsInfo), HandshakeError> {
    let handshake = Box::pin(TlsAcceptor::from(config).accept(stream));
    let stream = within(Role::Server, timeout, handshake).await?;
    let (_, connection) = stream.get_ref();
    let mut info = info(Role::Server, connection)?;
    info.sni = connection.server_name().map(str::to_owned);
    if !info.resumed {
        let leaf = connection.peer_certificates().and_then(|chain| chain.first());
        info.peer_subject = leaf.and_then(certs::subject);
        info.peer_name = leaf.and_then(certs::common_name);
    }
    Ok((Stream::Server(Box::new(stream)), info))
}

/// The client's part of a handshake, of a control connection first and then of data connections.
/// To be called once the connection is there and wanted: it may use up a ticket (P139).
///
/// # Errors
/// Why there is no TLS; the connection is closed then.
pub(crate) async fn connect(
    stream: TcpStream,
    session: &ClientSession,
    timeout: Duration,
) -> Result<(Stream, TlsInfo), HandshakeError> {
    let connector = TlsConnector::from(session.config());
    let handshake = Box::pin(connector.connect(session.name(), stream));
    let stream = within(Role::Client, timeout, handshake).await?;
    let info = info(Role::Client, stream.get_ref().1)?;
    if info.leaf.is_some_and(|leaf| !session.is_same_server(leaf)) {
        return Err(HandshakeError::new(Role::Client, Class::CertificateChanged));
    }
    Ok((Stream::Client(Box::new(stream)), info))
}

async fn within<T>(
    role: Role,
    timeout: Duration,
    handshake: impl Future<Output = io::Result<T>>,
) -> Result<T, HandshakeError> {
    match tokio::time::timeout(timeout, handshake).await {
        Ok(done) => done.map_err(|error| HandshakeError::of(role, &error)),
        Err(_) => Err(HandshakeError::new(role, Class::Timeout)),
    }
}

fn info(role: Role, connection: &CommonState) -> Result<TlsInfo, HandshakeError> {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => TlsVersion::V12,
        Some(ProtocolVersion::TLSv1_3) => TlsVersion::V13,
        _ => return Err(HandshakeError::new(role, Class::Protocol)),
    };
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    // A resumed session's certificate was looked at when the session began.
    let chain = connection.peer_certificates().filter(|_| !resumed);
    Ok(TlsInfo {
        version,
        cipher: suite.unwrap_or("unknown"),
        resumed,
        sni: None,
        peer_subject: None,
        peer_name: None,
        leaf: chain.and_then(|chain| chain.first()).map(certs::fingerprint),
    })
}

#[cfg(test)]
mod tests;
