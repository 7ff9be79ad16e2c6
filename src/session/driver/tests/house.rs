//! A gateway of one session at a time, the server behind it and the client before it.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::advertise::Advertiser;
use crate::advertise::options::AdvertiseOptions;
use crate::data::mirror::Mirror;
use crate::data::options::{DataOptions, Peers, PortOptions, PortRange};
use crate::data::ports::PortPool;
use crate::data::throttle::Throttle;
use crate::limits::LimitOptions;
use crate::net::socket;
use crate::registry::Registry;
use crate::session::driver::arrival::Arrival;
use crate::session::driver::rooms::Rooms;
use crate::session::driver::serve;
use crate::session::policy::Policy;
use crate::upstream::Upstream;
use crate::upstream::destinations::Mode;
use crate::upstream::options::{HostPort, Source, UpstreamOptions};

/// What must come comes within this time, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what must come.
pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come"),
    }
}

/// What sessions share, and the two listening ends.
pub(super) struct House {
    rooms: Arc<Rooms>,
    pub(super) registry: Arc<Registry>,
    door: TcpListener,
    server: Option<TcpListener>,
    pub(super) drain: CancellationToken,
}

/// One session, both ends of which are in the test's hands.
pub(super) struct Session {
    pub(super) client: End,
    pub(super) server: End,
    pub(super) task: JoinHandle<()>,
}

impl House {
    pub(super) async fn new(policy: Policy) -> Self {
        let [a, b, c] = rand::random::<[u8; 3]>();
        // An address of loopback that nobody else uses: its data ports are ours alone.
        let address = IpAddr::V4(Ipv4Addr::new(127, a | 2, b, c.clamp(1, 254)));
        let door = TcpListener::bind((address, 0)).await.unwrap();
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let data = DataOptions {
            downstream: PortOptions::new(PortRange { first: 15_000, last: 15_015 }),
            upstream: PortOptions::new(PortRange { first: 15_100, last: 15_115 }),
            ..DataOptions::default()
        };
        let upstream = UpstreamOptions {
            name: "main".into(),
            address: Some(HostPort {
                host: "127.0.0.1".into(),
                port: server.local_addr().unwrap().port(),
            }),
            tls: None,
            sessions: None,
            retry_epsv: PATIENCE,
            proxy: [None; 2],
            source: Source::Auto,
            device: None,
            mark: None,
        };
        let rooms = Rooms {
            name: "test".into(),
            mode: Mode::Gateway,
            lends: false,
            policy: Arc::new(policy),
            upstream: Upstream::new(upstream, Vec::new()),
            destinations: Arc::default(),
            connect: PATIENCE,
            downstream_ports: PortPool::new(data.downstream.clone()),
            upstream_ports: PortPool::new(data.upstream.clone()),
            mirror: None,
            advertiser: Advertiser::new(AdvertiseOptions::default()),
            throttle: Throttle::listener(&data.rates),
            data: Arc::new(data),
            keepalive: Duration::from_secs(60),
            client_tls: None,
            handshakes: None,
            server_tls: None,
            xferlog: None,
        };
        // As the listener does it.
        socket::tune_control(&door, rooms.keepalive).unwrap();
        let (registry, drain) = (Registry::new(), CancellationToken::new());
        Self { rooms: Arc::new(rooms), registry, door, server: Some(server), drain }
    }

    /// A client connects, and nothing more.
    pub(super) async fn knock(&self) -> (End, JoinHandle<()>) {
        let client = connect(self.door.local_addr().unwrap()).await;
        let (stream, peer) = self.door.accept().await.unwrap();
        let permit = self.registry.admit(peer.ip(), &LimitOptions::default()).unwrap();
        let arrival = Arrival::direct(&stream, peer).unwrap();
        let session = serve(stream, arrival, self.rooms.clone(), permit, self.drain.clone());
        (End::new(client), tokio::spawn(session))
    }

    /// A client connects and is greeted by the server.
    pub(super) async fn session(&self) -> Session {
        let (mut client, task) = self.knock().await;
        let mut server = self.dialled().await;
        server.say("220 ready").await;
        client.hears("220 ready").await;
        Session { client, server, task }
    }

    /// The same, and the login.
    pub(super) async fn login(&self) -> Session {
        let mut session = self.session().await;
        session.ask("USER ann", "331 password").await;
        session.ask("PASS secret", "230 in").await;
        session
    }

    /// Whether the server was dialled and nobody has taken the connection yet.
    pub(super) async fn was_dialled(&self) -> bool {
        has_caller(self.server.as_ref().unwrap()).await
    }

    /// The server's end of our connection to it.
    pub(super) async fn dialled(&self) -> End {
        let server = self.server.as_ref().unwrap();
        End::new(soon("our connection", server.accept()).await.unwrap().0)
    }

    /// A port that leads to the same port of the server.
    pub(super) async fn mirror(&mut self, port: u16) -> SocketAddr {
        let ip = self.door.local_addr().unwrap().ip();
        let listener = socket::listen_data((ip, port).into(), false).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let address = listener.local_addr().unwrap();
        let mirror = Mirror::new(vec![address], Peers::Direct);
        tokio::spawn(mirror.clone().keep(listener));
        Arc::get_mut(&mut self.rooms).unwrap().mirror = Some(mirror);
        address
    }

    /// From now on the server refuses.
    pub(super) fn close_server(&mut self) {
        self.server = None;
    }

    /// Nothing of any session is left.
    pub(super) fn assert_empty(&self) {
        assert_eq!(self.registry.sessions(), 0);
        assert_eq!(self.ports(), 0);
    }

    /// Data ports that listen.
    pub(super) fn ports(&self) -> usize {
        self.rooms.downstream_ports.in_use() + self.rooms.upstream_ports.in_use()
    }
}

impl Session {
    /// A command goes through to the server, its reply back to the client.
    pub(super) async fn ask(&mut self, command: &str, reply: &str) {
        self.client.say(command).await;
        self.server.hears(command).await;
        self.server.say(reply).await;
        self.client.hears(reply).await;
    }

    /// PASV, the server's port being that of `data`: where the client is to connect.
    pub(super) async fn passive(&mut self, data: &TcpListener) -> SocketAddr {
        self.client.say("PASV").await;
        self.server.hears("PASV").await;
        let port = data.local_addr().unwrap().port();
        self.server.say(&format!("227 =10,9,8,7,{},{}", port / 256, port % 256)).await;
        let line = self.client.line().await;
        let numbers = line.split_once('(').unwrap().1.trim_end_matches(')');
        let n: Vec<u8> = numbers.split(',').map(|n| n.parse().unwrap()).collect();
        let [a, b, c, d, high, low] = n[..] else { panic!("{line}") };
        SocketAddr::new([a, b, c, d].into(), u16::from_be_bytes([high, low]))
    }

    /// PASV and RETR with both data connections up: the client's, the server's.
    pub(super) async fn retr(&mut self) -> (TcpStream, TcpStream) {
        let data = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let to = self.passive(&data).await;
        let client = connect(to).await;
        self.ask("RETR f", "150 here it comes").await;
        let (server, _) = soon("our data connection", data.accept()).await.unwrap();
        (client, server)
    }

    /// The session's task has ended, and both its ends with it.
    pub(super) async fn ended(self) {
        soon("the end of the session", self.task).await.unwrap();
    }
}

/// One end of a control connection.
pub(super) struct End(pub(super) BufReader<TcpStream>);

impl End {
    pub(super) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub(super) async fn say(&mut self, line: &str) {
        self.write(format!("{line}\r\n").as_bytes()).await;
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        soon("room for words", self.0.write_all(bytes)).await.unwrap();
    }

    /// The next line, without its end.
    pub(super) async fn line(&mut self) -> String {
        let mut line = Vec::new();
        soon("a line", self.0.read_until(b'\n', &mut line)).await.unwrap();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("the end after {line:?}")).to_owned()
    }

    pub(super) async fn hears(&mut self, line: &str) {
        assert_eq!(self.line().await, line);
    }

    /// Exactly these bytes come.
    pub(super) async fn gets(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        soon("bytes", self.0.read_exact(&mut got)).await.unwrap();
        assert_eq!(got, bytes);
    }

    /// Nothing more comes: end of file, or a reset.
    pub(super) async fn ends(&mut self) {
        let mut rest = Vec::new();
        let read = soon("the end", self.0.read_to_end(&mut rest)).await;
        assert!(rest.is_empty() || read.is_err(), "{:?}", String::from_utf8_lossy(&rest));
    }

    /// Closes with a reset.
    pub(super) fn reset(self) {
        reset(self.0.into_inner());
    }
}

pub(super) async fn connect(to: SocketAddr) -> TcpStream {
    socket::connect(to, None, PATIENCE).await.unwrap()
}

/// Whether somebody connected: a connection of ours is in line before it.
pub(super) async fn has_caller(bait: &TcpListener) -> bool {
    let probe = connect(bait.local_addr().unwrap()).await;
    let (_, first) = soon("the probe", bait.accept()).await.unwrap();
    first != probe.local_addr().unwrap()
}

/// Closes with a reset.
pub(super) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}
