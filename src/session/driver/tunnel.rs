//! A session whose AUTH the server took: bytes both ways, of which nothing is known (P122).

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::net::TcpStream;

use super::control::Short;
use super::{Driver, LAST_WORDS, OUTPUT_LIMIT, SCRATCH, now};
use crate::data::mirror::{Hall, MAX_PER_SESSION};
use crate::data::transfer::{LegSource, Transfer};
use crate::session::event::{CloseReason, Direction, Leg, Side, Stage, TransferReport};

/// Which way the bytes go is the client's and the server's secret.
const WAY: Direction = Direction::Either;

/// What a tunnelled session consists of.
struct Tunnel {
    /// Where its data connections come in, if there are ports for them.
    hall: Option<Hall>,
    /// Those that are open.
    transfers: Vec<Transfer>,
    /// When something was last heard.
    last: Instant,
    /// When the client ended: what the server still says is carried, for a while.
    client_gone: Option<Instant>,
    draining: bool,
}

/// What it waits for.
enum News {
    Read(Side, usize),
    Eof(Side),
    Caller(io::Result<(TcpStream, SocketAddr, u16)>),
    Report(TransferReport),
    Deadline,
    Drain,
}

impl Driver {
    /// Carries bytes until an end, and the client's data connections to theirs.
    pub(super) async fn tunnel(&mut self) {
        // Whether anybody logs in is not seen any more: the server's own deadline has to do.
        self.permit.logged_in();
        self.info.tunnel = true;
        tracing::debug!(session = %self.permit.id(), "AUTH taken by the server: a byte pipe now");
        let ends = self.info.server.map(|server| (self.info.client.ip(), server.ip()));
        let hall = self.rooms.mirror.as_ref().zip(ends);
        let mut tunnel = Tunnel {
            hall: hall.map(|(mirror, (client, server))| mirror.admit(client, server)),
            transfers: Vec::new(),
            last: now(),
            client_gone: None,
            draining: self.drain.is_none(),
        };
        while self.closing.is_none() {
            let news = poll_fn(|cx| self.poll_tunnel(&mut tunnel, cx)).await;
            self.closing = self.heed(&mut tunnel, news);
        }
        tunnel.hall = None;
        tunnel.transfers.iter().for_each(|transfer| transfer.advance(Stage::Finished(WAY)));
        while !tunnel.transfers.is_empty() {
            let report = poll_fn(|cx| {
                for side in [Side::Upstream, Side::Downstream] {
                    let _ = self.control(side).poll_finish(cx);
                }
                tunnel.poll_report(cx)
            });
            let report = report.await;
            self.info.forwarded(&report);
        }
    }

    /// As [`poll_input`](Self::poll_input): writes first, reads last and in turns.
    fn poll_tunnel(&mut self, tunnel: &mut Tunnel, cx: &mut Context<'_>) -> Poll<News> {
        for side in [Side::Downstream, Side::Upstream] {
            if side == Side::Upstream && tunnel.client_gone.is_some() {
                let _ = self.control(side).poll_finish(cx);
            } else if self.control(side).poll_flush(cx).is_err() {
                return Poll::Ready(News::Eof(side));
            }
        }
        if let Poll::Ready(report) = tunnel.poll_report(cx) {
            return Poll::Ready(News::Report(report));
        }
        if let Some(hall) = &mut tunnel.hall
            && let Poll::Ready(caller) = hall.poll_caller(cx)
        {
            return Poll::Ready(News::Caller(caller));
        }
        if let Some(drain) = &mut self.drain
            && drain.as_mut().poll(cx).is_ready()
        {
            self.drain = None;
            return Poll::Ready(News::Drain);
        }
        let due = self.tunnel_deadline(tunnel);
        if due.is_some_and(|due| self.alarm.poll(due, cx).is_ready()) {
            return Poll::Ready(News::Deadline);
        }
        for side in [self.turn, self.turn.other()] {
            let ended = side == Side::Downstream && tunnel.client_gone.is_some();
            if ended || self.control(side.other()).unsent() >= OUTPUT_LIMIT {
                continue;
            }
            let short = if side == Side::Downstream { Short::SaysNothing } else { Short::IsAll };
            let control = self.control(side);
            let read = SCRATCH.with_borrow_mut(|scratch| control.poll_read(scratch, short, cx));
            if let Poll::Ready(read) = read {
                self.turn = side.other();
                return Poll::Ready(match read {
                    Ok(read @ 1..) => News::Read(side, read),
                    Ok(0) | Err(_) => News::Eof(side),
                });
            }
        }
        Poll::Pending
    }

    /// `T_idle` stands still while data moves, as ever (P55). When the process stops, a moment in
    /// which neither says anything is the best end that can be seen from outside.
    fn tunnel_deadline(&self, tunnel: &Tunnel) -> Option<Instant> {
        let timeouts = &self.rooms.policy.timeouts;
        if let Some(at) = tunnel.client_gone {
            return Some(at + LAST_WORDS);
        }
        let patience = if tunnel.draining { timeouts.grace } else { timeouts.idle };
        tunnel.transfers.is_empty().then(|| tunnel.last + patience)
    }

    /// What comes of it: the end of the session, or nothing.
    fn heed(&mut self, tunnel: &mut Tunnel, news: News) -> Option<CloseReason> {
        let now = now();
        match news {
            // No await lies between the read and here: the worker's buffer is still ours.
            News::Read(side, len) => {
                let bytes = SCRATCH.with_borrow(|s| s.get(..len).unwrap_or_default().to_vec());
                self.control(side.other()).push(bytes, false);
            }
            News::Eof(Side::Downstream) if tunnel.client_gone.is_none() => {
                tunnel.client_gone = Some(now);
            }
            News::Eof(_) if tunnel.client_gone.is_some() => return Some(CloseReason::ClientGone),
            News::Eof(_) => return Some(CloseReason::ServerGone),
            News::Caller(Ok((stream, peer, port))) => self.forward(tunnel, stream, peer, port),
            News::Caller(Err(error)) => tracing::warn!(%error, "cannot take a data connection on"),
            News::Report(report) => self.info.forwarded(&report),
            News::Drain => tunnel.draining = true,
            News::Deadline if tunnel.client_gone.is_some() => {
                return Some(CloseReason::ClientGone);
            }
            News::Deadline if tunnel.draining => return Some(CloseReason::Drain),
            News::Deadline => return Some(CloseReason::Idle),
        }
        tunnel.last = now;
        None
    }

    /// Joins a data connection of the client with the same port of the server.
    fn forward(&self, tunnel: &mut Tunnel, stream: TcpStream, peer: SocketAddr, port: u16) {
        let [_, control] = &self.controls;
        let (Some(server), Some(local)) = (self.info.server, control.local()) else { return };
        let to = SocketAddr::new(server.ip(), port);
        let own = tunnel.hall.as_ref().is_some_and(|hall| hall.is_own(to, local.ip()));
        if own || tunnel.transfers.len() >= MAX_PER_SESSION {
            let session = self.permit.id();
            tracing::debug!(%session, %peer, %to, own, "data connection not forwarded");
            return;
        }
        let Some(upstream) = self.server_leg(Leg::Connect(to), None) else { return };
        let downstream = LegSource::Up { stream, peer };
        let (options, throttle) = (self.rooms.data.clone(), self.throttle.clone());
        let transfer =
            Transfer::start(downstream, upstream, options, throttle, self.tls.transfer());
        transfer.advance(Stage::Requested(WAY));
        transfer.advance(Stage::Started(WAY));
        tunnel.transfers.push(transfer);
    }
}

impl Tunnel {
    /// Ready each time a data connection is over.
    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<TransferReport> {
        for (index, transfer) in self.transfers.iter_mut().enumerate() {
            if let Poll::Ready(report) = transfer.poll_report(cx) {
                self.transfers.swap_remove(index);
                return Poll::Ready(report);
            }
        }
        Poll::Pending
    }
}
