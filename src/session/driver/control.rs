//! One control connection: bytes in, bytes out, plain or under TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::output::Output;
use crate::data::turn;
use crate::net::socket;
use crate::net::stream::Stream;
use crate::tls::{HandshakeError, TlsInfo};

/// Reads of what a peer still sends after our last words: a flood must not hold the worker.
const LAST_READS: usize = 64;

/// A handshake that has not begun: it takes the socket when everything before it is written.
pub(super) type Shake = Box<dyn FnOnce(TcpStream) -> Handshake + Send>;

/// A handshake under way.
pub(super) type Handshake =
    Pin<Box<dyn Future<Output = Result<(Stream, TlsInfo), HandshakeError>> + Send>>;

/// What a short read from a peer tells: it also ends at the urgent mark of a client's Synch, with
/// ABOR behind it (P29).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    /// There is no more for now.
    IsAll,
    /// So it is if it ends a line.
    LineIsAll,
    /// Nothing.
    SaysNothing,
}

/// One end of the session, with what is still to be written to it.
#[derive(Default)]
pub(super) struct Control {
    state: State,
    output: Output,
    /// To begin as soon as the output is written.
    shake: Option<Shake>,
    local: Option<SocketAddr>,
}

#[derive(Default)]
enum State {
    /// Not there yet, or gone.
    #[default]
    Absent,
    Up(Stream),
    Shaking(Handshake),
}

impl Control {
    /// A connection that is up, from our end `local`.
    pub(super) fn new(stream: TcpStream, local: SocketAddr) -> Self {
        Self { state: State::Up(stream.into()), local: Some(local), ..Self::default() }
    }

    /// Our end's address.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Bytes not written yet.
    pub(super) fn unsent(&self) -> usize {
        self.output.len()
    }

    /// Queues whole lines. `urgent`: the last byte goes out as TCP urgent data.
    pub(super) fn push(&mut self, bytes: Vec<u8>, urgent: bool) {
        self.output.push(bytes, urgent);
    }

    /// Has TLS begin once what is queued is written.
    pub(super) fn start_tls(&mut self, shake: Shake) {
        self.shake = Some(shake);
    }

    /// The connection is gone.
    pub(super) fn drop_stream(&mut self) {
        self.state = State::Absent;
        self.shake = None;
    }

    /// Writes as much as goes.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match &mut self.state {
            State::Up(stream) => self.output.poll_flush(stream, cx),
            State::Absent | State::Shaking(_) => Ok(()),
        }
    }

    /// Ready when a handshake that was asked for is over.
    pub(super) fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<TlsInfo, HandshakeError>> {
        if self.output.is_empty()
            && let Some(shake) = self.shake.take()
        {
            self.state = match std::mem::take(&mut self.state) {
                State::Up(Stream::Plain(stream)) => State::Shaking(shake(stream)),
                other => other,
            };
        }
        let State::Shaking(handshake) = &mut self.state else { return Poll::Pending };
        match ready!(handshake.as_mut().poll(cx)) {
            Ok((stream, info)) => {
                self.state = State::Up(stream);
                Poll::Ready(Ok(info))
            }
            Err(error) => {
                self.state = State::Absent;
                Poll::Ready(Err(error))
            }
        }
    }

    /// One read into `scratch`; 0 is the end.
    pub(super) fn poll_read(
        &mut self,
        scratch: &mut [u8],
        short: Short,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let read = match &mut self.state {
            State::Up(Stream::Plain(stream)) if short != Short::IsAll => {
                poll_plain(stream, scratch, short == Short::LineIsAll, cx)
            }
            State::Up(stream) => {
                let mut buffer = ReadBuf::new(scratch);
                Pin::new(stream).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
            }
            State::Absent | State::Shaking(_) => Poll::Pending,
        };
        if read.is_ready() {
            turn::spoken(Instant::now());
        }
        read
    }

    /// Writes the last words, then close_notify where there is TLS (P159), then FIN.
    pub(super) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_flush(cx).is_err() {
            return Poll::Ready(());
        }
        if !self.output.is_empty() && matches!(self.state, State::Up(_)) {
            return Poll::Pending;
        }
        match &mut self.state {
            State::Up(stream) => Pin::new(stream).poll_shutdown(cx).map(drop),
            State::Absent | State::Shaking(_) => Poll::Ready(()),
        }
    }

    /// What is left unread would turn the end into a reset and eat the last words.
    pub(super) fn discard_unread(&self, scratch: &mut [u8]) {
        if let State::Up(stream) = &self.state {
            let mut reads = 0..LAST_READS;
            let tcp = stream.tcp();
            while reads.next().is_some() && tcp.try_read(scratch).is_ok_and(|n| n > 0) {}
        }
    }
}

/// Not AsyncRead, which takes any short read for an empty socket. Here only one that ends a line may
/// be: before the mark comes the IAC or IP of a Synch (RFC 854), or else a part of a line.
fn poll_plain(
    stream: &TcpStream,
    scratch: &mut [u8],
    line_is_all: bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let room = scratch.len();
    loop {
        ready!(stream.poll_read_ready(cx))?;
        let is_all =
            |bytes: &[u8]| line_is_all && bytes.len() < room && bytes.last() == Some(&b'\n');
        match socket::read(stream, scratch, is_all) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read),
        }
    }
}
