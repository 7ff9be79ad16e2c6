//! Bytes on their way to one control connection.

use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use super::DESK;
use crate::net::socket;
use crate::net::stream::Stream;

/// What was not written yet. Empty, it holds no memory: an idle session has two of these.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    sent: usize,
    /// The end of what ends with the byte to be marked urgent (P30).
    urgent: Option<NonZeroUsize>,
    /// TLS may still hold some of what was written.
    unflushed: bool,
}

impl Output {
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether everything has gone out.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0 && !self.unflushed
    }

    pub(super) fn push(&mut self, bytes: Vec<u8>, urgent: bool) {
        self.forget_sent();
        if self.bytes.is_empty() {
            self.bytes = bytes;
        } else {
            self.bytes.extend_from_slice(&bytes);
        }
        if urgent {
            self.urgent = NonZeroUsize::new(self.bytes.len());
        }
    }

    /// A reader that keeps up, but never quite, must not make us keep all it has read (S23). Moved
    /// are at most as many bytes as were sent since the last time.
    fn forget_sent(&mut self) {
        if self.sent >= self.len() {
            self.bytes.drain(..self.sent);
            let end = self.urgent.and_then(|end| end.get().checked_sub(self.sent));
            self.urgent = end.and_then(NonZeroUsize::new);
            self.sent = 0;
        }
    }

    /// Writes as much as the socket takes. `Ok` says nothing about how much that was.
    pub(super) fn poll_flush(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        while self.sent < self.bytes.len() {
            let Poll::Ready(written) = self.poll_step(stream, cx) else { return Ok(()) };
            match written {
                Ok(written @ 1..) => {
                    self.sent += written;
                    self.unflushed = stream.is_tls();
                }
                failed => {
                    // Kept, it would fail again at every look: the session would spin for ever.
                    *self = Self::default();
                    return Err(failed.err().unwrap_or(io::ErrorKind::WriteZero.into()));
                }
            }
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(stream).poll_flush(cx)
        {
            self.unflushed = false;
            flushed?;
        }
        if self.is_empty() && !self.bytes.is_empty() {
            let sent = std::mem::take(self).bytes;
            // There is none where the machine still uses it.
            DESK.with_borrow_mut(|desk| desk.as_mut().map(|desk| desk.recycle(sent)));
        }
        Ok(())
    }

    fn poll_step(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let rest = self.bytes.get(self.sent..).unwrap_or_default();
        let mark = self.urgent.and_then(|end| end.get().checked_sub(self.sent + 1));
        // There is no urgent data under TLS (P31).
        let (Some(mark), Stream::Plain(stream)) = (mark, &mut *stream) else {
            return Pin::new(stream).poll_write(cx, rest);
        };
        let before = rest.get(..mark).unwrap_or_default();
        if !before.is_empty() {
            return Pin::new(stream).poll_write(cx, before);
        }
        loop {
            std::task::ready!(stream.poll_write_ready(cx))?;
            match socket::send_urgent(stream, rest.get(..1).unwrap_or_default()) {
                Ok(_) => {
                    self.urgent = None;
                    return Poll::Ready(Ok(1));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}
