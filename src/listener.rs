//! The doors: accept, look who it is, start a session.

pub(crate) mod preamble;
pub(crate) mod team;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ftp::addr::canonical;
use crate::ftp::canned;
use crate::limits::{AccessList, LimitOptions};
use crate::net::socket;
use crate::registry::seats::Seats;
use crate::registry::{Refusal, Registry, SessionPermit};
use crate::session::driver;
use crate::session::driver::arrival::Arrival;
use crate::session::driver::rooms::Rooms;
use preamble::Preamble;
use team::{Member, Team};

/// First and longest pause after accept(2) failed: a lack of descriptors must not spin (S24).
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Sessions at once from an address that hides others, from where on it is told: one or two may be
/// a health check, or somebody on the machine in between.
const HIDDEN: usize = 4;

/// One `[[listener]]`: who may come in, how many, and where they go.
#[derive(Debug)]
pub(crate) struct Door {
    /// What its sessions share.
    pub(crate) rooms: Arc<Rooms>,
    /// Who may connect.
    pub(crate) access: AccessList,
    /// How many.
    pub(crate) limits: LimitOptions,
    /// The PROXY header that has to come first, where balancers bring the clients.
    pub(crate) preamble: Option<Arc<Preamble>>,
    /// Its live sessions.
    pub(crate) registry: Arc<Registry>,
    /// The places of the process, which all listeners share.
    pub(crate) process: Arc<Seats>,
    /// Those of its server, which listeners with the same one share.
    pub(crate) server: Arc<Seats>,
    /// That sources are hidden was told.
    pub(crate) hidden_told: AtomicBool,
}

impl Door {
    /// Accepts until `drain`, on the worker number `own` of the team. Sessions run there too, unless
    /// another one has much less to do.
    pub(crate) async fn keep(
        self: Arc<Self>,
        listener: TcpListener,
        (team, own): (Team, usize),
        drain: CancellationToken,
    ) {
        let Some(member) = team.get(own) else { return };
        if let Err(error) = socket::tune_control(&listener, self.rooms.keepalive) {
            tracing::warn!(listener = &*self.rooms.name, %error, "connections are not kept alive");
        }
        let mut pause = BACK_OFF.0;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = drain.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = BACK_OFF.0;
                    // The client waits for the greeting.
                    socket::expect_nothing(&stream);
                    match team::relief(&team, own) {
                        Some(other) => self.hand_over(stream, peer, other, &drain),
                        None => self.welcome(stream, peer, &member.sessions, &drain),
                    }
                }
                Err(error) if is_peers_doing(&error) => {}
                Err(error) => {
                    let listener = &*self.rooms.name;
                    tracing::error!(
                        listener,
                        %error,
                        "cannot accept connections; raise the descriptor limit (LimitNOFILE=, \
                         ulimit -n) or lower limits.sessions"
                    );
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(BACK_OFF.1);
                }
            }
        }
    }

    /// Has another worker welcome the client.
    fn hand_over(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        to: &Member,
        drain: &CancellationToken,
    ) {
        let Ok(stream) = stream.into_std() else { return };
        let (door, sessions, drain) = (self.clone(), to.sessions.clone(), drain.clone());
        let welcome = async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                door.welcome(stream, peer, &sessions, &drain);
            }
        };
        to.sessions.spawn_on(welcome, &to.runtime);
    }

    /// Starts a session, if there is room for it, that is counted in `sessions`.
    pub(crate) fn welcome(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        sessions: &TaskTracker,
        drain: &CancellationToken,
    ) {
        let listener = &*self.rooms.name;
        let arrival = match Arrival::new(&stream, peer, self.rooms.mode) {
            Ok(arrival) => arrival,
            Err(error) => {
                tracing::debug!(listener, client = %peer, %error, "gone, or not redirected to us");
                return turn_away(&stream, canned::NOT_WELCOME);
            }
        };
        let Some(preamble) = &self.preamble else {
            return self.begin(stream, arrival, sessions, drain);
        };
        let Some(place) = preamble.enter(peer, &self.process) else { return };
        let (door, tracker, drain) = (self.clone(), sessions.clone(), drain.clone());
        sessions.spawn(async move {
            let arrival = tokio::select! {
                arrival = place.read(&stream, arrival) => arrival,
                () = drain.cancelled() => None,
            };
            if let Some(arrival) = arrival {
                door.begin(stream, arrival, &tracker, &drain);
            }
        });
    }

    /// The client is known: its session begins, or it is turned away.
    fn begin(
        &self,
        stream: TcpStream,
        arrival: Arrival,
        sessions: &TaskTracker,
        drain: &CancellationToken,
    ) {
        let listener = &*self.rooms.name;
        let client = arrival.client;
        match self.admit(&arrival) {
            Ok(permit) => {
                let session =
                    driver::serve(stream, arrival, self.rooms.clone(), permit, drain.clone());
                sessions.spawn(session);
            }
            Err((why, reply)) => {
                let server = arrival.server.map(tracing::field::display);
                tracing::info!(listener, %client, server, why, "refused");
                turn_away(&stream, reply);
            }
        }
    }

    fn admit(&self, arrival: &Arrival) -> Result<SessionPermit, (&'static str, &'static [u8])> {
        let client = canonical(arrival.client.ip());
        if !self.access.admits(client) {
            return Err(("access", canned::NOT_WELCOME));
        }
        if let Some(server) = arrival.server {
            let refused = |why| (why, canned::NOT_THAT_SERVER);
            self.rooms.destinations.admits(server).map_err(|why| refused(why.label()))?;
            if self.rooms.upstream.is_ourselves(server) {
                return Err(refused("destination-ourselves"));
            }
        }
        let hidden = self.rooms.advertiser.hides(client, arrival.local.ip());
        let permit = self.place(client, hidden).map_err(|why| (why.label(), why.reply()))?;
        if hidden {
            self.tell_hidden(client);
        }
        Ok(permit)
    }

    /// `hidden`: the address may stand for any number of clients (P177).
    fn place(&self, client: IpAddr, hidden: bool) -> Result<SessionPermit, Refusal> {
        let process = self.process.take().ok_or(Refusal::Descriptors)?;
        let server = self.server.take().ok_or(Refusal::Upstream)?;
        let permit = if hidden {
            self.registry.admit(client, &self.limits.of_many())?
        } else {
            self.registry.admit(client, &self.limits)?
        };
        Ok(permit.holding([process, server]))
    }

    fn tell_hidden(&self, client: IpAddr) {
        let many = || self.registry.sessions_of(client) >= HIDDEN;
        if !self.hidden_told.load(Ordering::Relaxed)
            && many()
            && !self.hidden_told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                listener = &*self.rooms.name,
                %client,
                "clients come from the address of our own gateway: a container's proxy or a source \
                 NAT hides theirs. Their data connections are not told apart, so each that is \
                 awaited takes a port of its own, and sessions_per_client and \
                 connections_per_minute are not applied to them. To see their addresses, turn the proxy off (Docker: \"userland-proxy\": false), use the host's \
                 network, or keep the source address (Kubernetes: externalTrafficPolicy: Local)"
            );
        }
    }
}

/// The cheap path (S18): one write into an empty socket buffer, no task, no wait.
fn turn_away(stream: &TcpStream, reply: &[u8]) {
    let _ = socket2::SockRef::from(stream).send(reply);
    let _ = socket::shutdown_write(stream);
}

/// The connection was gone before we took it.
fn is_peers_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
