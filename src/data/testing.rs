//! What the tests of this room share: a piece of loopback of their own.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::guard::TransferTls;
use super::options::{DataOptions, PortOptions, PortRange};
use super::ports::PortPool;
use super::throttle::Throttle;
use super::transfer::{LegSource, Transfer};
use crate::net::socket::{self, Origin};
use crate::session::event::{Direction, Stage, TransferReport};

/// Long enough never to matter.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// Short, for waits that are to pass.
pub(super) const SHORT: Duration = Duration::from_millis(50);

/// An address nobody else listens on, and `count` ports of it that are free.
pub(super) fn free_range(count: u16) -> (IpAddr, PortRange) {
    loop {
        let [a, b, c] = rand::random::<[u8; 3]>();
        let address = IpAddr::V4(Ipv4Addr::new(127, a | 2, b, c.clamp(1, 254)));
        // Below what the kernel gives to sockets that ask for any port, perhaps on all addresses.
        let first = rand::random_range(15_000..32_000 - count);
        let range = PortRange { first, last: first + (count - 1) };
        let free = |port| socket::listen_data(SocketAddr::new(address, port), false).is_ok();
        if (range.first..=range.last).all(free) {
            return (address, range);
        }
    }
}

/// The `n`th address that a client may come from.
pub(super) fn peer(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 1, n))
}

/// Connects as a client of that address would.
pub(super) async fn connect(to: SocketAddr, from: IpAddr) -> TcpStream {
    socket::connect(to, Some(from), LONG).await.unwrap()
}

/// Waits that never pass in a test, unless the test shortens one.
pub(super) fn patient() -> DataOptions {
    DataOptions {
        accept: LONG,
        dial: LONG,
        stall: LONG,
        drain: LONG,
        grace: LONG,
        close: LONG,
        ..DataOptions::default()
    }
}

/// A pool with one port, and where it listens.
pub(super) fn one_port() -> (Arc<PortPool>, IpAddr) {
    let (address, range) = free_range(1);
    (PortPool::new(PortOptions::new(range)), address)
}

/// A listener of a peer, to be dialled by us.
pub(super) async fn listener() -> (TcpListener, LegSource) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    (listener, LegSource::Connect { to, from: Origin::default(), header: None })
}

/// The report, which must come.
pub(super) async fn report(transfer: &mut Transfer) -> TransferReport {
    let report = poll_fn(|cx| transfer.poll_report(cx));
    tokio::time::timeout(LONG, report).await.expect("a report")
}

/// A client and a server with a transfer between them.
pub(super) struct Joined {
    pub(super) client: TcpStream,
    pub(super) server: TcpStream,
    pub(super) transfer: Transfer,
    /// Our end of both legs: nobody else uses this address.
    pub(super) gateway: IpAddr,
}

/// Both passive, both legs up, the 1yz seen.
pub(super) async fn joined(options: DataOptions, throttle: Throttle, way: Direction) -> Joined {
    let (pool, local) = one_port();
    let lease = pool.lease(local, peer(1), None).unwrap();
    let to = lease.listened();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let upstream = LegSource::Connect {
        to: listener.local_addr().unwrap(),
        from: Origin::own(Some(SocketAddr::new(local, 0))),
        header: None,
    };
    let downstream = LegSource::Accept(lease);
    let transfer =
        Transfer::start(downstream, upstream, Arc::new(options), throttle, TransferTls::default());
    let client = connect(to, peer(1)).await;
    transfer.advance(Stage::Requested(way));
    let (server, _) = listener.accept().await.unwrap();
    transfer.advance(Stage::Started(way));
    Joined { client, server, transfer, gateway: local }
}

/// Reads to the end, which must be a clean one.
pub(super) async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("a clean end");
    bytes
}

/// Reads to the end, which must be a reset.
pub(super) async fn read_reset(stream: &mut TcpStream) {
    let error = stream.read_to_end(&mut Vec::new()).await.expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// Closes with a reset.
pub(super) fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}

/// Noise with a period that is prime, so that no block of any buffer is like another.
pub(super) fn noise(len: usize) -> Vec<u8> {
    static PERIOD: LazyLock<Vec<u8>> = LazyLock::new(|| rand::random_iter().take(65_521).collect());
    let mut bytes = PERIOD.repeat(len / PERIOD.len() + 1);
    bytes.truncate(len);
    bytes
}
