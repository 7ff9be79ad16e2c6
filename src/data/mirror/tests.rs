use std::net::Ipv4Addr;

use tokio::io::AsyncReadExt;

use super::*;
use crate::data::options::Peers;

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 99));

/// A forwarded port on loopback, and who watches it.
async fn port() -> (Arc<Mirror>, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mirror = Mirror::new(vec![address], Peers::Direct);
    tokio::spawn(mirror.clone().keep(listener));
    (mirror, address)
}

async fn next(hall: &mut Hall) -> (TcpStream, SocketAddr, u16) {
    std::future::poll_fn(|cx| hall.poll_caller(cx)).await.unwrap()
}

async fn connect(to: SocketAddr) -> TcpStream {
    crate::net::socket::connect(to, None, Duration::from_secs(30)).await.unwrap()
}

/// It was closed without a byte.
async fn is_closed(mut stream: TcpStream) {
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_client_with_a_session_is_handed_to_it() {
    let (mirror, at) = port().await;
    let mut hall = mirror.admit(at.ip(), SERVER);
    let client = connect(at).await;
    let (_stream, peer, port) = next(&mut hall).await;
    assert_eq!((peer, port), (client.local_addr().unwrap(), at.port()));
}

#[tokio::test]
async fn nobody_else_gets_anything() {
    let (mirror, at) = port().await;
    is_closed(connect(at).await).await;
    let _hall = mirror.admit("192.0.2.1".parse().unwrap(), SERVER);
    is_closed(connect(at).await).await;
    assert_eq!(mirror.strangers.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_session_that_is_over_takes_nothing() {
    let (mirror, at) = port().await;
    let (first, mut second) = (mirror.admit(at.ip(), SERVER), mirror.admit(at.ip(), SERVER));
    drop(first);
    let client = connect(at).await;
    assert_eq!(next(&mut second).await.1, client.local_addr().unwrap());
    drop(second);
    is_closed(connect(at).await).await;
}

#[tokio::test]
async fn what_one_session_does_not_take_the_next_one_does() {
    let (mirror, at) = port().await;
    let (mut first, second) = (mirror.admit(at.ip(), SERVER), mirror.admit(at.ip(), SERVER));
    let mut clients = Vec::new();
    for _ in 0..=MAX_PER_SESSION {
        clients.push(connect(at).await);
    }
    let last = clients.last().unwrap().local_addr().unwrap();
    assert_eq!(next(&mut first).await.1, last);
    drop(second);
}

#[tokio::test]
async fn of_two_servers_neither_is_guessed() {
    let (mirror, at) = port().await;
    let _one = mirror.admit(at.ip(), SERVER);
    let other = mirror.admit(at.ip(), Ipv4Addr::LOCALHOST.into());
    is_closed(connect(at).await).await;
    drop(other);
}

#[tokio::test]
async fn our_own_ports_are_known_by_every_name() {
    let any = Mirror::new(vec!["0.0.0.0:50000".parse().unwrap()], Peers::Direct);
    let local: IpAddr = "192.0.2.1".parse().unwrap();
    assert!(any.is_own("192.0.2.1:50000".parse().unwrap(), local));
    assert!(any.is_own("[::ffff:192.0.2.1]:50000".parse().unwrap(), local));
    assert!(!any.is_own("192.0.2.1:50001".parse().unwrap(), local));
    assert!(!any.is_own("192.0.2.2:50000".parse().unwrap(), local));
    let one = Mirror::new(vec!["192.0.2.2:50000".parse().unwrap()], Peers::Direct);
    assert!(one.is_own("192.0.2.2:50000".parse().unwrap(), local));
}
