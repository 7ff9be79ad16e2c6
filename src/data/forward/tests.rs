use std::net::Ipv4Addr;

use tokio::io::AsyncReadExt;

use super::*;

/// A forwarded port on loopback, and who watches it.
async fn port() -> (Arc<Forward>, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let forward = Forward::new(vec![address]);
    tokio::spawn(forward.clone().keep(listener));
    (forward, address)
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
    let (forward, at) = port().await;
    let mut hall = forward.admit(at.ip());
    let client = connect(at).await;
    let (_stream, peer, port) = next(&mut hall).await;
    assert_eq!((peer, port), (client.local_addr().unwrap(), at.port()));
}

#[tokio::test]
async fn nobody_else_gets_anything() {
    let (forward, at) = port().await;
    is_closed(connect(at).await).await;
    let _hall = forward.admit("192.0.2.1".parse().unwrap());
    is_closed(connect(at).await).await;
    assert_eq!(forward.strangers.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_session_that_is_over_takes_nothing() {
    let (forward, at) = port().await;
    let (first, mut second) = (forward.admit(at.ip()), forward.admit(at.ip()));
    drop(first);
    let client = connect(at).await;
    assert_eq!(next(&mut second).await.1, client.local_addr().unwrap());
    drop(second);
    is_closed(connect(at).await).await;
}

#[tokio::test]
async fn what_one_session_does_not_take_the_next_one_does() {
    let (forward, at) = port().await;
    let (mut first, second) = (forward.admit(at.ip()), forward.admit(at.ip()));
    let mut clients = Vec::new();
    for _ in 0..=MAX_PER_SESSION {
        clients.push(connect(at).await);
    }
    let last = clients.last().unwrap().local_addr().unwrap();
    assert_eq!(next(&mut first).await.1, last);
    drop(second);
}

#[tokio::test]
async fn our_own_ports_are_known_by_every_name() {
    let any = Forward::new(vec!["0.0.0.0:50000".parse().unwrap()]);
    let local: IpAddr = "192.0.2.1".parse().unwrap();
    assert!(any.is_own("192.0.2.1:50000".parse().unwrap(), local));
    assert!(any.is_own("[::ffff:192.0.2.1]:50000".parse().unwrap(), local));
    assert!(!any.is_own("192.0.2.1:50001".parse().unwrap(), local));
    assert!(!any.is_own("192.0.2.2:50000".parse().unwrap(), local));
    let one = Forward::new(vec!["192.0.2.2:50000".parse().unwrap()]);
    assert!(one.is_own("192.0.2.2:50000".parse().unwrap(), local));
}
