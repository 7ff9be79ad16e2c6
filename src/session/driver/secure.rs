//! TLS of a session's connections: keys, handshakes, what came of them.

use std::time::{Duration, Instant};

use super::Driver;
use super::control::Shake;
use crate::data::guard::TransferTls;
use crate::data::ports::Proof;
use crate::net::proxy_header::TlsFacts;
use crate::session::event::{Event, Side};
use crate::tls::{self, ClientSession, HandshakeError, ServerSession, TlsInfo};

/// The TLS that belongs to one FTP session and dies with it. Without any it takes no room.
#[derive(Default)]
pub(super) struct SessionTls(Option<Box<Parts>>);

#[derive(Default)]
struct Parts {
    /// Towards the client.
    downstream: Option<ServerSession>,
    /// Towards the server.
    upstream: Option<ClientSession>,
    /// The server's name, where the client chose it.
    server_name: Option<Box<str>>,
    /// What the client's control connection agreed on.
    client: Option<TlsInfo>,
}

impl SessionTls {
    fn parts(&mut self) -> &mut Parts {
        self.0.get_or_insert_default()
    }

    /// The client goes to this server: it has to prove to be that one.
    pub(super) fn name_server(&mut self, host: &str) {
        self.parts().server_name = Some(host.into());
    }

    /// What the session's data connections need.
    pub(super) fn transfer(&self) -> TransferTls {
        let Some(parts) = &self.0 else { return TransferTls::default() };
        TransferTls {
            downstream: parts.downstream.clone().zip(parts.client.clone()),
            upstream: parts.upstream.clone(),
        }
    }

    /// By what the client's data connection can be told from others, if it waits at most so long.
    pub(super) fn proof(&self, patience: Duration) -> Option<Proof> {
        let session = self.0.as_ref()?.downstream.clone()?;
        Some(Proof { session, patience })
    }
}

impl SessionTls {
    /// The name that the client asked for.
    pub(super) fn authority(&self) -> Option<String> {
        self.0.as_ref()?.client.as_ref()?.sni.clone()
    }

    /// The TLS of the client's control connection, for whom it may concern.
    pub(super) fn facts(&self) -> Option<TlsFacts> {
        let info = self.0.as_ref()?.client.as_ref()?;
        let TlsInfo { version, cipher, peer_name, peer_subject, .. } = info;
        let client = peer_subject.as_ref().map(|_| peer_name.clone().unwrap_or_default());
        Some(TlsFacts { version: version.as_str(), cipher, client })
    }
}

impl Driver {
    /// Has the handshake begin when everything before it is written.
    pub(super) fn start_tls(&mut self, side: Side) -> Option<Event<'static>> {
        let within = self.rooms.policy.timeouts.tls;
        let shake: Option<Shake> = match side {
            Side::Downstream => self.rooms.client_tls.as_ref().map(|tls| -> Shake {
                let handshakes = self.rooms.handshakes.as_ref();
                let quota = handshakes.map(|all| all.of(self.info.client.ip()));
                let session = tls.session();
                let session = match quota {
                    Some(quota) => session.paced(quota),
                    None => session,
                };
                self.tls.parts().downstream = Some(session.clone());
                Box::new(move |stream| {
                    Box::pin(async move { session.accept_control(stream, within).await })
                })
            }),
            Side::Upstream => self.rooms.server_tls.as_ref().map(|tls| -> Shake {
                let parts = self.tls.parts();
                let session = match &parts.server_name {
                    Some(host) => tls.session_with(host),
                    None => tls.session(),
                };
                parts.upstream = Some(session.clone());
                Box::new(move |stream| {
                    Box::pin(async move { tls::connect(stream, &session, within).await })
                })
            }),
        };
        match shake {
            Some(shake) => {
                self.control(side).start_tls(shake);
                None
            }
            // The policy asks for TLS only where there is some.
            None => Some(Event::TlsFailed(side)),
        }
    }

    /// A handshake is over.
    pub(super) fn shaken(
        &mut self,
        side: Side,
        shaken: Result<TlsInfo, HandshakeError>,
        now: Instant,
    ) {
        let (session, client) = (self.permit.id(), self.info.client);
        let event = match shaken {
            Ok(info) => {
                let (version, cipher, sni) = (info.version.as_str(), info.cipher, &info.sni);
                tracing::debug!(
                    %session, side = side.label(), version, cipher, sni, "control connection secured"
                );
                self.info.secured(side, &info);
                if side == Side::Downstream {
                    self.tls.parts().client = Some(info);
                }
                Event::TlsUp(side)
            }
            Err(error) => {
                let (side_name, why) = (side.label(), error.label());
                tracing::warn!(%session, %client, side = side_name, why, "no TLS: {error}");
                Event::TlsFailed(side)
            }
        };
        self.machine.handle(event, now);
    }
}
