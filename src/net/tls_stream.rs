//! TLS on a connection. The library's unbuffered interface leaves the buffers to us: a read takes
//! what the socket has, and a write sends many records at once, both through buffers of the worker.
//! A connection that is silent holds none.

mod engine;
mod queue;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, CommonState, Error, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use engine::{Engine, Say, Sinks, Turn};
use queue::Queue;

/// The largest record on the wire (RFC 5246 6.2.3; RFC 8446 5.2 allows less).
const RECORD: usize = 5 + (16 << 10) + 2048;
/// Most that waits for its rest: a record of a handshake message that may have 64 KiB.
const UNFINISHED: usize = (64 << 10) + RECORD;
/// Most that one read takes from the socket, bytes.
const READ: usize = (256 << 10) + RECORD;
/// Most plaintext that one write takes, bytes.
const WRITE: usize = 256 << 10;
/// What its records take beyond that: no cipher suite adds more than 64 bytes to one.
const OVERHEAD: usize = 64;
/// Up to this many bytes wait for a flush, or for more to go with them: the ticket after a
/// handshake, the data of a small file and their close_notify are one packet.
const HOLD: usize = 8 << 10;

thread_local! {
    /// Every TLS connection of a worker reads and writes through these; nothing stays in them
    /// across a wait.
    static INPUT: RefCell<Vec<u8>> = RefCell::new(vec![0; UNFINISHED + READ]);
    static OUTPUT: RefCell<Vec<u8>> = RefCell::new(vec![0; HOLD + room_for(WRITE)]);
}

/// What so much plaintext takes as records, at most.
const fn room_for(plain: usize) -> usize {
    plain + (plain / (16 << 10) + 1) * OVERHEAD
}

/// A connection under TLS.
#[derive(Debug)]
pub(crate) struct TlsStream {
    tcp: TcpStream,
    engine: Engine,
    /// Received, and no whole record or handshake message yet.
    unfinished: Vec<u8>,
    /// Decrypted, and more than the reader had room for.
    plain: Queue,
    /// Encrypted, and not sent yet.
    unsent: Queue,
    /// How what the peer sends has ended.
    end: Option<End>,
    /// Our close_notify was written.
    said_end: bool,
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// By close_notify.
    Clean,
    /// Without.
    Cut,
    /// By something that is no TLS, or not ours.
    Broken,
}

impl TlsStream {
    /// The server's end, before its handshake.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub(crate) fn server(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let connection = UnbufferedServerConnection::new(config).map_err(broken)?;
        Ok(Self::new(tcp, Engine::Server(connection)))
    }

    /// The client's end, before its handshake with the server of this name.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub(crate) fn client(
        tcp: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let connection = UnbufferedClientConnection::new(config, name).map_err(broken)?;
        Ok(Self::new(tcp, Engine::Client(connection)))
    }

    fn new(tcp: TcpStream, engine: Engine) -> Self {
        let (plain, unsent) = (Queue::default(), Queue::default());
        Self { tcp, engine, unfinished: Vec::new(), plain, unsent, end: None, said_end: false }
    }

    /// The socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Bytes written and not sent yet.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// What was agreed on.
    pub(crate) fn common(&self) -> &CommonState {
        self.engine.common()
    }

    /// Ready when the handshake is done. The tickets of a TLS 1.3 server go with what it sends next:
    /// nobody waits for them.
    ///
    /// # Errors
    /// The socket's; [`io::ErrorKind::InvalidData`] for what the peer did wrong, after our alert.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut nothing = ReadBuf::new(&mut []);
        let mut unfinished = std::mem::take(&mut self.unfinished);
        let mut turn = self.take_in(&mut unfinished, &mut nothing, cx)?;
        loop {
            match turn {
                Turn::Idle if self.engine.had_last_word() => return Poll::Ready(Ok(())),
                Turn::Idle => return self.poll_send(cx),
                Turn::Waits if self.end.is_none() => {}
                _ => {
                    let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "end of handshake");
                    return Poll::Ready(Err(cut));
                }
            }
            ready!(self.poll_send(cx))?;
            turn = ready!(self.poll_receive(&mut nothing, cx))?;
        }
    }

    /// One read from the socket. What it brings in plaintext goes `into` it, as far as there is room.
    fn poll_receive(
        &mut self,
        into: &mut ReadBuf<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Turn>> {
        INPUT.with_borrow_mut(|buffer| {
            let held = self.unfinished.len();
            let room = held + (into.remaining() + RECORD).min(READ);
            let (head, free) = buffer.get_mut(..room).unwrap_or_default().split_at_mut(held);
            let mut read = ReadBuf::new(free);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut read))?;
            let count = read.filled().len();
            if count == 0 {
                self.end = Some(End::Cut);
                return Poll::Ready(Ok(Turn::Waits));
            }
            head.copy_from_slice(&self.unfinished);
            let received = buffer.get_mut(..held + count).unwrap_or_default();
            Poll::Ready(self.take_in(received, into, cx))
        })
    }

    /// Has TLS take in all of `input`; what it cannot yet stays in `unfinished`.
    fn take_in(
        &mut self,
        input: &mut [u8],
        into: &mut ReadBuf<'_>,
        cx: &mut Context<'_>,
    ) -> io::Result<Turn> {
        let plain = &mut self.plain;
        let mut keep = |bytes: &[u8]| {
            let (fits, rest) = bytes.split_at(bytes.len().min(into.remaining()));
            into.put_slice(fits);
            plain.push(rest);
        };
        let mut done = 0;
        let turned = loop {
            let rest = input.get_mut(done..).unwrap_or_default();
            let sinks = Sinks { plain: &mut keep, answers: &mut self.unsent, say: None };
            let (taken, turn) = self.engine.turn(rest, sinks);
            done += taken;
            match turn {
                Ok(Turn::More) => {}
                Ok(Turn::PeerEnded) => self.end = Some(End::Clean),
                turn => break turn,
            }
        };
        let rest = input.get_mut(done..).unwrap_or_default();
        if let Err(error) = turned {
            // The library must not see more of it: it has said all it has to say.
            self.end = Some(End::Broken);
            self.alert(cx);
            return Err(broken(error));
        }
        // What comes after close_notify is nothing.
        let rest = if self.end.is_some() { &mut [] } else { rest };
        if rest.len() > UNFINISHED {
            self.end = Some(End::Broken);
            return Err(broken(Error::General("a handshake message without end".into())));
        }
        self.unfinished = rest.to_vec();
        turned.map_err(broken)
    }

    /// Tells the peer what it did wrong, if that goes at once.
    fn alert(&mut self, cx: &mut Context<'_>) {
        while self.engine.common().wants_write() {
            let sinks = Sinks { plain: &mut |_| {}, answers: &mut self.unsent, say: None };
            let _ = self.engine.turn(&mut [], sinks);
        }
        let _ = self.poll_send(cx);
    }

    /// Encrypts what is to be said into `into`, and tells how many bytes it takes there.
    fn say(&mut self, what: Say<'_>, into: &mut [u8]) -> io::Result<usize> {
        if matches!(self.end, Some(End::Broken)) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        loop {
            let say = Some((what, &mut *into));
            let sinks = Sinks { plain: &mut |_| {}, answers: &mut self.unsent, say };
            let (taken, turn) = self.engine.turn(&mut self.unfinished, sinks);
            self.unfinished.drain(..taken);
            match turn {
                Ok(Turn::Said(count)) => return Ok(count),
                // All that can be taken in was when it came: no plaintext is left.
                Ok(Turn::More) => {}
                Ok(_) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(error) => return Err(broken(error)),
            }
        }
    }

    /// Encrypts through the worker's buffer, behind what waits already. Sends what goes at once if
    /// told to; the rest waits.
    fn put(&mut self, what: Say<'_>, send: Option<&mut Context<'_>>) -> io::Result<()> {
        OUTPUT.with_borrow_mut(|buffer| {
            let (head, free) = buffer.split_at_mut_checked(HOLD).unwrap_or_default();
            let count = self.say(what, free)?;
            let waits = self.unsent.rest();
            let start = head.len().checked_sub(waits.len());
            let (Some(cx), Some(start)) = (send, start) else {
                self.unsent.push(free.get(..count).unwrap_or_default());
                return Ok(());
            };
            head.get_mut(start..).unwrap_or_default().copy_from_slice(waits);
            let mut rest = buffer.get(start..HOLD + count).unwrap_or_default();
            while !rest.is_empty() {
                match Pin::new(&mut self.tcp).poll_write(cx, rest) {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(sent) => rest = rest.get(sent?..).unwrap_or_default(),
                    Poll::Pending => break,
                }
            }
            self.unsent = Queue::of(rest);
            Ok(())
        })
    }

    /// Sends what waits.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.tcp).poll_write(cx, self.unsent.rest()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.unsent.take(sent),
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn broken(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if !this.plain.is_empty() {
                let count = this.plain.len().min(buf.remaining());
                buf.put_slice(this.plain.rest().get(..count).unwrap_or_default());
                this.plain.take(count);
            }
            if buf.filled().len() > before || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            match this.end {
                Some(End::Clean) => return Poll::Ready(Ok(())),
                Some(End::Cut) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Some(End::Broken) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                None => {}
            }
            ready!(this.poll_receive(buf, cx))?;
            // What the peer must hear, such as that a key was updated, need not wait for our data.
            let _ = this.poll_send(cx)?;
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if this.unsent.len() > HOLD {
            ready!(this.poll_send(cx))?;
        }
        let bytes = buf.get(..WRITE).unwrap_or(buf);
        let hold = this.unsent.len() + bytes.len() <= HOLD;
        this.put(Say::Bytes(bytes), (!hold).then_some(cx))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx)
    }

    /// close_notify, then FIN (P155).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.said_end {
            this.said_end = true;
            this.put(Say::End, None)?;
        }
        ready!(this.poll_send(cx))?;
        match ready!(Pin::new(&mut this.tcp).poll_shutdown(cx)) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests;
