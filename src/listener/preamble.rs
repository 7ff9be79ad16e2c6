//! What comes before a session that a balancer brings: its PROXY header.
//!
//! Nothing is sent and no client is counted before the header is whole (P161). Who connects here is
//! a balancer or nobody, so what is bounded is how many of its connections have yet to say for whom
//! they are, and how long they may take.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::net::balancers::HeaderOptions;
use crate::net::preface::{self, NoHeader};
use crate::net::proxy_header::Origin;
use crate::registry::seats::{Seat, Seats};
use crate::session::driver::arrival::Arrival;
use crate::telemetry::seldom::Seldom;

/// Connections of a listener whose header is not whole: a balancer sends it at once, so a moment's
/// worth of new connections.
const WAITING: usize = 1024;
/// The same of one balancer, so that one which is broken leaves room for the others.
const WAITING_OF_ONE: usize = 512;

/// How long a connection that is the balancer's own is looked at before it gets a session: most
/// health checks only open and close, and are to make no session and no dial (P170).
const PROBE: Duration = Duration::from_millis(200);

/// The stage between accept and session, of one listener.
#[derive(Debug)]
pub(crate) struct Preamble {
    listener: Arc<str>,
    options: HeaderOptions,
    waiting: Mutex<HashMap<IpAddr, usize>>,
    seldom: Seldom,
}

/// A connection whose header is awaited; dropping it makes room.
#[derive(Debug)]
pub(super) struct Place {
    preamble: Arc<Preamble>,
    peer: IpAddr,
    /// It takes a descriptor, as a session does.
    _seat: Seat,
}

impl Preamble {
    /// Nobody waits yet.
    pub(crate) fn new(listener: Arc<str>, options: HeaderOptions) -> Arc<Self> {
        Arc::new(Self { listener, options, waiting: Mutex::default(), seldom: Seldom::default() })
    }

    /// Lets in who is a balancer, if there is room, in the `process` too.
    pub(super) fn enter(self: &Arc<Self>, peer: SocketAddr, process: &Arc<Seats>) -> Option<Place> {
        let ip = peer.ip().to_canonical();
        if !self.options.from.list(ip) {
            self.closed(peer, "unlisted", "it is not one of the balancers in `proxy_from`");
            return None;
        }
        let seat = process.take();
        if let Some(seat) = seat
            && self.wait(ip)
        {
            return Some(Place { preamble: self.clone(), peer: ip, _seat: seat });
        }
        self.closed(peer, "crowded", "too many connections have yet to send a PROXY header");
        None
    }

    fn wait(&self, peer: IpAddr) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (waiting.values().sum::<usize>(), waiting.get(&peer));
        let room = all < WAITING && own.is_none_or(|own| *own < WAITING_OF_ONE);
        if room {
            *waiting.entry(peer).or_default() += 1;
        }
        room
    }

    /// Reads the header; `None`: there is nobody to serve, and what had to be said was said.
    async fn read(&self, stream: &TcpStream, arrival: Arrival) -> Option<Arrival> {
        let (peer, within) = (arrival.peer, self.options.within);
        match timeout(within, preface::receive(stream)).await {
            Ok(Ok(Origin::Relayed { source, destination })) => {
                Some(Arrival { client: source, local: destination, ..arrival })
            }
            Ok(Ok(Origin::Local | Origin::Unknown)) => {
                let ended = timeout(PROBE, stream.peek(&mut [0])).await;
                (!matches!(ended, Ok(Ok(0) | Err(_)))).then_some(arrival)
            }
            Ok(Err(NoHeader::Nothing)) => {
                tracing::debug!(listener = &*self.listener, %peer, "closed without a word");
                None
            }
            Ok(Err(error)) => {
                self.closed(peer, "malformed", &error.to_string());
                None
            }
            Err(_) => {
                let sentence = format!("no whole PROXY header came within {within:?}");
                self.closed(peer, "late", &sentence);
                None
            }
        }
    }

    fn closed(&self, peer: SocketAddr, why: &'static str, sentence: &str) {
        if let Some(count) = self.seldom.count(why) {
            let listener = &*self.listener;
            tracing::warn!(listener, %peer, why, count, "connection closed: {sentence}");
        }
    }
}

impl Place {
    /// How the client came, once its header is there. Ends the stay in this stage.
    pub(super) async fn read(self, stream: &TcpStream, arrival: Arrival) -> Option<Arrival> {
        self.preamble.read(stream, arrival).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.preamble.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = waiting.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                waiting.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests;
