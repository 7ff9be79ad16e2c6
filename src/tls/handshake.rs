//! Brings TLS up on a connection that is there, within a time.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CommonState, HandshakeKind, ProtocolVersion, ServerConfig};
use tokio::net::TcpStream;

use super::certs;
use super::client::ClientSession;
use super::failure::{Class, HandshakeError, Role};
use super::options::TlsVersion;
use crate::net::stream::Stream;
use crate::net::tls_stream::TlsStream;

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
    let (config, asked) = certs::noting(config);
    let stream = within(Role::Server, timeout, TlsStream::server(stream, config)).await?;
    let connection = stream.common();
    let mut info = info(Role::Server, connection)?;
    info.sni = asked.get().cloned();
    if !info.resumed {
        let leaf = connection.peer_certificates().and_then(|chain| chain.first());
        info.peer_subject = leaf.and_then(certs::subject);
        info.peer_name = leaf.and_then(certs::common_name);
    }
    Ok((Stream::Tls(stream), info))
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
    let stream = TlsStream::client(stream, session.config(), session.name());
    let stream = within(Role::Client, timeout, stream).await?;
    let info = info(Role::Client, stream.common())?;
    if info.leaf.is_some_and(|leaf| !session.is_same_server(leaf)) {
        return Err(HandshakeError::new(Role::Client, Class::CertificateChanged));
    }
    Ok((Stream::Tls(stream), info))
}

async fn within(
    role: Role,
    timeout: Duration,
    stream: io::Result<TlsStream>,
) -> Result<Box<TlsStream>, HandshakeError> {
    let shaken = async {
        let mut stream = Box::new(stream?);
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    };
    match tokio::time::timeout(timeout, shaken).await {
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
