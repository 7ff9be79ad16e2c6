//! The server's part of a handshake, at the pace that its client address is allowed (S41).

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::failure::{Class, HandshakeError, Role};
use super::handshake::{TlsInfo, accept};
use super::hello::offered;
use super::server::ServerSession;
use crate::net::stream::Stream;

impl ServerSession {
    /// Shakes hands on the control connection.
    ///
    /// # Errors
    /// Why there is no TLS; the connection is closed then.
    pub(crate) async fn accept_control(
        &self,
        stream: TcpStream,
        timeout: Duration,
    ) -> Result<(Stream, TlsInfo), HandshakeError> {
        self.accept(stream, None, timeout).await
    }

    /// Shakes hands on a data connection, once the transfer command has told its direction.
    /// `control` is what the control connection came to.
    ///
    /// # Errors
    /// Why there is no TLS; the connection is closed then.
    pub(crate) async fn accept_data(
        &self,
        stream: TcpStream,
        (control, upload): (&TlsInfo, bool),
        timeout: Duration,
    ) -> Result<(Stream, TlsInfo), HandshakeError> {
        self.accept(stream, Some((control, upload)), timeout).await
    }

    async fn accept(
        &self,
        stream: TcpStream,
        data: Option<(&TlsInfo, bool)>,
        timeout: Duration,
    ) -> Result<(Stream, TlsInfo), HandshakeError> {
        let deadline = Instant::now() + timeout;
        let config = || match data {
            Some((control, upload)) => self.data(control, upload),
            None => self.control(),
        };
        let Some(quota) = self.quota() else { return accept(stream, config(), timeout).await };
        // Who says nothing costs nothing: it counts from the first words on. Whatever is wrong with
        // them, the handshake will tell.
        let error = |class| HandshakeError::new(Role::Server, class);
        let offer = tokio::time::timeout_at(deadline, offered(&stream)).await;
        let offer = offer.map_err(|_| error(Class::Timeout))?;
        let left = || deadline.saturating_duration_since(Instant::now());
        if !offer.is_ok_and(|offer| self.gave(&offer)) {
            quota.take(left()).await.map_err(|_| error(Class::TooMany))?;
            let handshake = quota.in_turn(accept(stream, config(), left()));
            let shaken = tokio::time::timeout_at(deadline, handshake).await;
            return shaken.unwrap_or_else(|_| Err(error(Class::Timeout)));
        }
        let shaken = accept(stream, config(), left()).await;
        if !shaken.as_ref().is_ok_and(|(_, info)| info.resumed) {
            quota.charge();
        }
        shaken
    }
}

#[cfg(test)]
mod tests;
