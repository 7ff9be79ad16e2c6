//! PROXY headers of data connections: whose is believed, how many are awaited at once, what they
//! say (P163, P164).

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::net::balancers::HeaderOptions;
use crate::net::preface::{self, NoHeader};
use crate::net::proxy_header::Origin;
use crate::registry::seats::{Seat, Seats};
use crate::telemetry::seldom::Seldom;

/// Headers that are awaited at once on the ports of a listener: a balancer sends its header with the
/// connection, so a moment's worth of those.
const AWAITED: usize = 1024;

/// Those of the data ports of a listener.
#[derive(Debug)]
pub(super) struct Headers {
    awaited: Arc<Seats>,
    seldom: Seldom,
}

/// Who opened a data connection, as the header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced {
    /// Where it comes from.
    pub(super) client: SocketAddr,
    /// The port that it reached at the balancer, if it came through there.
    pub(super) told: Option<u16>,
}

impl Headers {
    /// None is awaited yet.
    pub(super) fn new() -> Self {
        Self { awaited: Seats::new(AWAITED), seldom: Seldom::default() }
    }

    /// A place to await the header of a connection from `peer`, if it may have one.
    pub(super) fn admit(&self, options: &HeaderOptions, peer: SocketAddr) -> Option<Seat> {
        if !options.from.list(peer.ip()) {
            return None;
        }
        let seat = self.awaited.take();
        if seat.is_none() {
            self.closed(peer, "crowded", "too many connections have yet to send a PROXY header");
        }
        seat
    }

    /// Reads the header; `None`: there is none, and what had to be said was said.
    pub(super) async fn read(
        &self,
        options: &HeaderOptions,
        stream: &TcpStream,
        peer: SocketAddr,
    ) -> Option<Announced> {
        match timeout(options.within, preface::receive(stream)).await {
            Ok(Ok(Origin::Relayed { source, destination })) => {
                Some(Announced { client: source, told: Some(destination.port()) })
            }
            Ok(Ok(Origin::Local | Origin::Unknown)) => Some(Announced { client: peer, told: None }),
            Ok(Err(NoHeader::Nothing)) => None,
            Ok(Err(error)) => {
                self.closed(peer, "malformed", &error.to_string());
                None
            }
            Err(_) => {
                self.closed(peer, "late", "no whole PROXY header came in time");
                None
            }
        }
    }

    fn closed(&self, peer: SocketAddr, why: &'static str, sentence: &str) {
        if let Some(count) = self.seldom.count(why) {
            tracing::warn!(%peer, why, count, "data connection closed: {sentence}");
        }
    }
}
