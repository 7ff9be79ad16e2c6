use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;
use crate::data::options::{Peers, PortOptions, PortRange};
use crate::data::ports::{LeaseError, PortLease};
use crate::data::testing::{LONG, connect, free_range, peer};
use crate::net::proxy_header::{Facts, Version};
use crate::net::socket;

/// Where the balancer connects from.
fn balancer() -> IpAddr {
    peer(9)
}

/// Who they are, as the balancer says.
fn client(n: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, n])
}

fn pool(count: u16, within: Duration, expose: Option<Expose>) -> (Arc<PortPool>, IpAddr) {
    let (address, range) = free_range(count);
    let from = vec![balancer().into()].into();
    let peers = Peers::Announced(HeaderOptions { from, within });
    let expose = expose.unwrap_or(Expose::Same);
    (PortPool::new(PortOptions { peers, expose, ..PortOptions::new(range) }), address)
}

fn header(source: IpAddr, told: u16) -> Vec<u8> {
    let (source, destination) = (SocketAddr::new(source, 40_000), SocketAddr::new(client(7), told));
    Version::V2.header(source, destination, &Facts::default())
}

async fn bring(to: SocketAddr, header: &[u8]) -> TcpStream {
    let mut stream = connect(to, balancer()).await;
    stream.write_all(header).await.unwrap();
    stream
}

/// The lease's connection: whom it is from, and the word it begins with.
async fn taken(lease: &mut PortLease) -> (IpAddr, String) {
    let mut visitor = timeout(LONG, lease.accept()).await.unwrap().unwrap();
    let mut word = [0; 4];
    visitor.stream.read_exact(&mut word).await.unwrap();
    (visitor.peer.ip(), String::from_utf8_lossy(&word).into_owned())
}

async fn refused(mut stream: TcpStream) {
    let read = timeout(LONG, stream.read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn who_the_header_names_gets_in() {
    let (pool, local) = pool(1, LONG, None);
    let mut lease = pool.lease(local, client(1), None).unwrap();
    let to = lease.listened();
    // Not a balancer; nobody who is awaited; not a header; itself, and it is not awaited.
    let others = async {
        // It may be closed before it is even up.
        if let Ok(mut spoofed) = socket::connect(to, Some(peer(1)), LONG).await {
            let _ = spoofed.write_all(&header(client(1), to.port())).await;
            refused(spoofed).await;
        }
        refused(bring(to, &header(client(2), to.port())).await).await;
        refused(bring(to, b"STOR").await).await;
        refused(bring(to, &Version::V2.own()).await).await;
    };
    tokio::select! {
        _ = lease.accept() => panic!("a stranger got in"),
        () = others => {}
    }
    assert_eq!(lease.strangers(), 4);
    // One that says nothing is in nobody's way, and what follows the header is data.
    let _silent = bring(to, b"").await;
    let _good = bring(to, &[&header(client(1), to.port())[..], b"data"].concat()).await;
    assert_eq!(taken(&mut lease).await, (client(1), "data".into()));
    assert_eq!(pool.in_use(), 0);
}

#[tokio::test]
async fn a_header_that_is_late_is_none() {
    let (pool, local) = pool(1, Duration::from_millis(50), None);
    let mut lease = pool.lease(local, client(1), None).unwrap();
    let silent = bring(lease.listened(), b"\r\n").await;
    tokio::select! {
        _ = lease.accept() => panic!("a stranger got in"),
        () = refused(silent) => {}
    }
    assert_eq!(lease.strangers(), 1);
}

/// The balancer's own client, if it is one: like with like (P165).
#[tokio::test]
async fn the_balancer_itself() {
    let (pool, local) = pool(1, LONG, None);
    let mut lease = pool.lease(local, balancer(), None).unwrap();
    let _own = bring(lease.listened(), &[&Version::V1.own()[..], b"data"].concat()).await;
    assert_eq!(taken(&mut lease).await, (balancer(), "data".into()));
}

/// A shared port: who accepts a connection may be gone before its header is there.
#[tokio::test]
async fn a_lease_that_ends_takes_nobody_elses_connection_along() {
    let (pool, local) = pool(1, LONG, None);
    let mut first = pool.lease(local, client(1), None).unwrap();
    let mut second = pool.lease(local, client(2), None).unwrap();
    let (to, port) = (first.listened(), first.listened().port());
    let mut slow = bring(to, b"\r\n\r\n").await;
    // In line behind the slow one.
    let _fast = bring(to, &[&header(client(1), port)[..], b"fast"].concat()).await;
    assert_eq!(taken(&mut first).await.1, "fast");
    drop(first);
    let rest = [&header(client(2), port)[4..], b"slow"].concat();
    slow.write_all(&rest).await.unwrap();
    assert_eq!(taken(&mut second).await, (client(2), "slow".into()));
}

/// One client with two leases: the port it was told decides, wherever the balancer brings it.
#[tokio::test]
async fn the_told_port_decides() {
    let (pool, local) = pool(2, LONG, Some(Expose::Shift(-10_000)));
    let mut leases: Vec<_> = (0..2).map(|_| pool.lease(local, client(1), None).unwrap()).collect();
    let to = leases[0].listened();
    let [first, second] = [0, 1].map(|n| leases[n].exposed_port());
    let _one = bring(to, &[&header(client(1), second)[..], b"two."].concat()).await;
    let (other, own) = leases.split_at_mut(1);
    tokio::select! {
        _ = other[0].accept() => panic!("not its connection"),
        taken = taken(&mut own[0]) => assert_eq!(taken.1, "two."),
    }
    let _other = bring(to, &[&header(client(1), first)[..], b"one."].concat()).await;
    assert_eq!(taken(&mut leases[0]).await.1, "one.");
    // A port that we never told says nothing; where it came in does.
    drop(leases);
    let mut lease = pool.lease(local, client(1), None).unwrap();
    let _odd = bring(lease.listened(), &[&header(client(1), 9)[..], b"odd."].concat()).await;
    assert_eq!(taken(&mut lease).await.1, "odd.");
}

/// Told ports without sockets of their own (P166).
#[tokio::test]
async fn one_socket_for_all_ports() {
    let told = PortRange { first: 40_000, last: 40_002 };
    let (pool, local) = pool(1, LONG, Some(Expose::Any(told)));
    let to = SocketAddr::new(local, pool.options.range.first);
    let mut leases: Vec<_> = (0..3).map(|_| pool.lease(local, client(1), None).unwrap()).collect();
    assert!(matches!(pool.lease(local, client(1), None), Err(LeaseError::Exhausted)));
    // Another client may wait on one of the same.
    let mut other = pool.lease(local, client(2), None).unwrap();
    let mut ports: Vec<_> = leases.iter().map(PortLease::exposed_port).collect();
    ports.sort_unstable();
    assert_eq!(ports, [40_000, 40_001, 40_002]);
    let unknown = bring(to, &header(client(1), 40_003)).await;
    tokio::select! {
        _ = other.accept() => panic!("a stranger got in"),
        () = refused(unknown) => {}
    }
    let port = other.exposed_port();
    let _stream = bring(to, &[&header(client(2), port)[..], b"side"].concat()).await;
    assert_eq!(taken(&mut other).await.1, "side");
    while let Some(mut lease) = leases.pop() {
        let word = lease.exposed_port().to_string();
        let bytes = [&header(client(1), lease.exposed_port())[..], &word.as_bytes()[1..]].concat();
        let _stream = bring(to, &bytes).await;
        assert_eq!(taken(&mut lease).await.1, word[1..]);
    }
    drop(other);
    assert!(socket::listen_data(to, false).is_ok(), "the socket is still open");
    assert!(pool.lease(local, client(1), None).is_ok());
}
