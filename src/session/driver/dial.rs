//! The control connection to the server.

use std::time::Instant;

use tokio::net::TcpStream;

use super::Driver;
use super::control::Control;
use crate::ftp::addr::canonical_end;
use crate::net::socket;
use crate::session::event::{Event, Side};
use crate::upstream::UpstreamError;
use crate::upstream::options::HostPort;

impl Driver {
    /// To the configured server, or to the one that the client aims at.
    pub(super) fn dial(&mut self) {
        let upstream = self.rooms.upstream.clone();
        let (to, within) = (self.aim, self.rooms.connect);
        let client = Some(self.info.client.ip());
        let dial = async move { upstream.connect(to, client, within).await };
        self.connecting = Some(self.introduced(dial));
    }

    /// To the server that the client named.
    pub(super) fn dial_named(&mut self, host: String, port: u16) {
        self.tls.name_server(&host);
        let (upstream, rooms) = (self.rooms.upstream.clone(), self.rooms.clone());
        let server = HostPort { host, port };
        let client = Some(self.info.client.ip());
        let dial = async move {
            upstream.connect_named(server, &rooms.destinations, client, rooms.connect).await
        };
        self.connecting = Some(self.introduced(dial));
    }

    pub(super) fn connected(&mut self, server: TcpStream, now: Instant) {
        let ends = server.peer_addr().and_then(|peer| Ok((peer, server.local_addr()?)));
        let tuned = socket::tune_control(&server, self.rooms.keepalive);
        let (Ok((peer, local)), Ok(())) = (ends, tuned) else {
            return self.machine.handle(Event::ConnectFailed, now);
        };
        let epsv = self.rooms.upstream.epsv_allowed(peer.ip(), now);
        self.info.server = Some(peer);
        *self.control(Side::Upstream) = Control::new(server, canonical_end(local));
        self.machine.handle(Event::Connected { peer, local, epsv }, now);
    }

    pub(super) fn not_connected(&mut self, error: &UpstreamError, now: Instant) {
        let upstream = &*self.rooms.upstream.options().name;
        tracing::warn!(session = %self.permit.id(), upstream, why = error.label(), "{error}");
        self.machine.handle(Event::ConnectFailed, now);
    }
}
