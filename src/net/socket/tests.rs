//! What the kernel makes of our options.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn any_port(ip: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(ip.into(), 0)
}

/// Two ends of a connection whose accepting end comes from `listener`.
async fn pair(listener: std::net::TcpListener) -> (TcpStream, TcpStream) {
    let to = listener.local_addr().unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let (client, server) = tokio::join!(connect(to, None, LONG), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

#[test]
fn nobody_listens_beside_a_data_listener() {
    let first = listen_data(any_port(Ipv4Addr::LOCALHOST), false).unwrap();
    let addr = first.local_addr().unwrap();
    let wildcard = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port());
    for taken in [addr, wildcard] {
        assert_eq!(listen_data(taken, false).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(listen_control(taken, true).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
    drop(first);
    assert!(listen_data(addr, false).is_ok());
}

#[test]
fn workers_share_a_control_address() {
    let first = listen_control(any_port(Ipv4Addr::LOCALHOST), true).unwrap();
    let addr = first.local_addr().unwrap();
    assert!(listen_control(addr, true).is_ok());
    assert_eq!(listen_control(addr, false).unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn ipv6_listener_leaves_ipv4_alone() {
    let v6 = listen_data(any_port(Ipv6Addr::UNSPECIFIED), false).unwrap();
    let port = v6.local_addr().unwrap().port();
    assert!(listen_data(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), false).is_ok());
}

#[tokio::test]
async fn accepted_data_connections_inherit_the_reset() {
    let listener = listen_data(any_port(Ipv4Addr::LOCALHOST), false).unwrap();
    let (mut client, server) = pair(listener).await;
    assert!(server.nodelay().unwrap());
    drop(server);
    let error = client.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn dialled_data_connection_is_reset_unless_closed_plainly() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    for plain in [true, false] {
        let ours = connect_data(to, Origin::default(), LONG).await.unwrap();
        let (mut theirs, _) = listener.accept().await.unwrap();
        assert!(ours.nodelay().unwrap());
        if plain {
            close_plainly(&ours);
        }
        drop(ours);
        let end = theirs.read(&mut [0; 1]).await.map_err(|e| e.kind());
        assert_eq!(end, if plain { Ok(0) } else { Err(ErrorKind::ConnectionReset) });
    }
}

#[tokio::test]
async fn connects_from_the_address_it_is_told() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    let from = IpAddr::from([127, 0, 0, 77]);
    let stream = connect(to, Some(from), LONG).await.unwrap();
    assert_eq!(stream.local_addr().unwrap().ip(), from);
    let foreign = connect(to, Some(IpAddr::from([192, 0, 2, 1])), LONG).await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
}

#[tokio::test]
async fn refusal_and_silence_are_told_apart() {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&any_port(Ipv4Addr::LOCALHOST).into()).unwrap();
    listener.listen(0).unwrap();
    let to = listener.local_addr().unwrap().as_socket().unwrap();
    // Nobody accepts: once the backlog is full, no answer comes.
    let mut waiting = Vec::new();
    let silent = loop {
        match connect(to, None, Duration::from_millis(100)).await {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
        assert!(waiting.len() < 100);
    };
    assert_eq!(silent.kind(), ErrorKind::TimedOut);
    drop(listener);
    let refused = connect(to, None, LONG).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn control_connections_are_tuned_and_take_urgent_data_in_line() {
    let listener = listen_control(any_port(Ipv4Addr::LOCALHOST), false).unwrap();
    let (client, mut server) = pair(listener).await;
    tune_control(&server, Duration::from_secs(120)).unwrap();
    let socket = SockRef::from(&server);
    assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(120));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(30));
    client.writable().await.unwrap();
    assert_eq!(send_urgent(&client, b"\xff\xf4\xff\xf2").unwrap(), 4);
    drop(client);
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"\xff\xf4\xff\xf2");
}

#[test]
fn soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let limit = descriptor_limit().unwrap();
    let now = getrlimit(Resource::Nofile);
    assert_eq!(now.current, now.maximum);
    assert_eq!(now.current.unwrap_or(u64::MAX), limit);
}
