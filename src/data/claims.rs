//! Connections that say they are a leg's, on a port that is shared with others of the same address.
//! The first whose handshake resumes the session of the control connection is; the others go.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::guard::{Guard, Handshake};
use super::leg::Connected;
use crate::session::event::Fault;

/// Handshakes of one leg at once. Only somebody who watched the client's own connection can
/// make a second one necessary.
const MOST_CLAIMS: usize = 4;
/// How long the leg goes on when its last claim has failed: if that was somebody else's, the
/// right one is on its way; if it was the client's own, the client is to hear of it soon.
const SECOND_CHANCE: Duration = Duration::from_secs(2);

/// The claims on one leg.
#[derive(Default)]
pub(super) struct Claims {
    /// For the transfer command, which tells how to protect the leg (P116).
    early: Vec<(SocketAddr, TcpStream)>,
    shaking: Vec<(SocketAddr, Handshake)>,
    failed: Option<Instant>,
}

impl Claims {
    /// One more, if there is room.
    pub(super) fn add(&mut self, peer: SocketAddr, stream: TcpStream, guard: Option<&Guard>) {
        if self.early.len() + self.shaking.len() >= MOST_CLAIMS {
            return;
        }
        match guard {
            Some(guard) => self.shaking.push((peer, guard.clone().shake(stream))),
            None => self.early.push((peer, stream)),
        }
    }

    /// Begins the handshakes.
    pub(super) fn protect(&mut self, guard: &Guard) {
        for (peer, stream) in self.early.drain(..) {
            self.shaking.push((peer, guard.clone().shake(stream)));
        }
    }

    /// Waits for the one that proves itself. Cancel-safe.
    ///
    /// # Errors
    /// All that came have failed, and no other has come since.
    pub(super) async fn next(&mut self) -> Result<Connected, Fault> {
        match poll_fn(|cx| self.poll(cx)).await {
            Ok(connected) => Ok(connected),
            Err(failed) => {
                tokio::time::sleep_until(failed + SECOND_CHANCE).await;
                Err(Fault::Tls)
            }
        }
    }

    /// The one, or when the last of them failed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Connected, Instant>> {
        let mut place = 0;
        while let Some((peer, handshake)) = self.shaking.get_mut(place) {
            match handshake.as_mut().poll(cx) {
                Poll::Pending => place += 1,
                Poll::Ready(Ok((stream, tls))) if tls.resumed => {
                    return Poll::Ready(Ok(Connected { stream, peer: *peer, tls: Some(tls) }));
                }
                Poll::Ready(_) => {
                    self.failed = Some(Instant::now());
                    drop(self.shaking.swap_remove(place));
                }
            }
        }
        match self.failed {
            Some(failed) if self.early.is_empty() && self.shaking.is_empty() => {
                Poll::Ready(Err(failed))
            }
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests;
