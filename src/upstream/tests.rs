use tokio::net::{TcpListener, TcpSocket};

use super::options::HostPort;
use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn options(host: &str, port: u16) -> UpstreamOptions {
    UpstreamOptions {
        name: "main".into(),
        address: Some(HostPort { host: host.into(), port }),
        tls: None,
        sessions: None,
        retry_epsv: Duration::from_secs(600),
        proxy: [None; 2],
        source: Source::Auto,
        device: None,
        mark: None,
    }
}

async fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A port that refuses for as long as the socket lives: bound, but not listening.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn a_literal_and_a_name_are_reached() {
    let (_listener, address) = listening().await;
    for host in ["127.0.0.1", "localhost", "::ffff:127.0.0.1"] {
        let upstream = Upstream::new(options(host, address.port()), Vec::new());
        let stream = upstream.connect(None, None, PATIENCE).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address, "{host}");
    }
}

#[tokio::test]
async fn a_refusal_says_where_and_what_to_do() {
    let (_socket, address) = refusing();
    let upstream = Upstream::new(options("127.0.0.1", address.port()), Vec::new());
    let error = upstream.connect(None, None, PATIENCE).await.unwrap_err();
    assert_eq!(error.label(), "refused");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn the_next_address_is_tried() {
    let (_socket, dead) = refusing();
    let (_listener, alive) = listening().await;
    let upstream = Upstream::new(options("two.example", 21), Vec::new());
    upstream.resolver.as_ref().unwrap().remember(Ok([dead, alive].into())).await;
    let stream = upstream.connect(None, None, PATIENCE).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), alive);
}

#[tokio::test]
async fn nothing_resolved_is_told() {
    let upstream = Upstream::new(options("none.example", 21), Vec::new());
    upstream.resolver.as_ref().unwrap().remember(Ok([].into())).await;
    let error = upstream.connect(None, None, PATIENCE).await.unwrap_err();
    assert_eq!(error.label(), "no-address");
    assert!(error.to_string().contains("none.example:21"), "{error}");
}

#[tokio::test]
async fn we_never_dial_ourselves() {
    let (_listener, address) = listening().await;
    let wildcard = SocketAddr::new("0.0.0.0".parse().unwrap(), address.port());
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), address.port());
    for own in [address, wildcard, mapped] {
        let upstream = Upstream::new(options("127.0.0.1", address.port()), vec![own]);
        let error = upstream.connect(None, None, PATIENCE).await.unwrap_err();
        assert_eq!(error.label(), "ourselves", "{own}");
    }
}

#[test]
fn labels_tell_kinds_apart() {
    let connect = |kind: std::io::ErrorKind| UpstreamError::Connect {
        address: "192.0.2.1:21".parse().unwrap(),
        source: Arc::new(kind.into()),
    };
    assert_eq!(connect(std::io::ErrorKind::TimedOut).label(), "timeout");
    assert_eq!(connect(std::io::ErrorKind::HostUnreachable).label(), "unreachable");
    assert_eq!(connect(std::io::ErrorKind::PermissionDenied).label(), "connect");
}

#[tokio::test]
async fn it_is_reached_from_the_address_that_is_set() {
    let (listener, address) = listening().await;
    let ours: IpAddr = "127.0.0.9".parse().unwrap();
    let source = Source::Address(ours);
    let options = UpstreamOptions { source, ..options("127.0.0.1", address.port()) };
    let upstream = Upstream::new(options, Vec::new());
    let stream = upstream.connect(None, None, PATIENCE).await.unwrap();
    assert_eq!(stream.local_addr().unwrap().ip(), ours);
    assert_eq!(listener.accept().await.unwrap().1.ip(), ours);
}

#[tokio::test]
async fn only_addresses_of_its_family_are_tried() {
    let (_listener, alive) = listening().await;
    let (_socket, dead) = refusing();
    let v6 = SocketAddr::new("::1".parse().unwrap(), dead.port());
    let from = |ip: &str| {
        let source = Source::Address(ip.parse().unwrap());
        Upstream::new(UpstreamOptions { source, ..options("two.example", 21) }, Vec::new())
    };
    let upstream = from("127.0.0.1");
    upstream.resolver.as_ref().unwrap().remember(Ok([v6, alive].into())).await;
    let stream = upstream.connect(None, None, PATIENCE).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), alive);
    let upstream = from("::1");
    upstream.resolver.as_ref().unwrap().remember(Ok([alive].into())).await;
    let error = upstream.connect(None, None, PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached from `source` ::1"), "{error}");
}
