//! What is counted, and that resuming is free.

use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::registry::handshakes::Handshakes;
use crate::tls::TlsVersion;
use crate::tls::testing::{Authority, PATIENCE, Peer, Seen, loopback};

const CLIENT: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// So short that a turn which is not there does not come.
const SHORT: Duration = Duration::from_millis(300);

type Shaken = Result<(TlsInfo, Seen), HandshakeError>;

async fn visit(
    session: &ServerSession,
    peer: &Peer,
    data: Option<(&TlsInfo, bool)>,
    timeout: Duration,
) -> Shaken {
    let (near, far) = loopback().await;
    let serve = async {
        let (mut stream, info) = session.accept(far, data, timeout).await?;
        stream.shutdown().await.unwrap();
        Ok(info)
    };
    let (info, seen) = tokio::join!(serve, peer.call(near));
    Ok((info?, seen.unwrap()))
}

/// A session of a client that may have so many full handshakes in a minute.
fn session(ca: &Authority, per_minute: u32) -> ServerSession {
    let handshakes = Handshakes::new("test".into(), per_minute).unwrap();
    ca.server().session().paced(handshakes.of(CLIENT))
}

#[tokio::test]
async fn full_ones_count_and_resumed_ones_do_not() {
    let ca = Authority::new();
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let (session, peer) = (session(&ca, 3), ca.client(version));
        let (control, _) = visit(&session, &peer, None, PATIENCE).await.unwrap();
        for _ in 0..6 {
            let (info, _) = visit(&session, &peer, Some((&control, true)), PATIENCE).await.unwrap();
            assert!(info.resumed);
        }
        let forgetful = ca.client(version);
        for _ in 0..2 {
            let (info, _) =
                visit(&session, &forgetful, Some((&control, true)), PATIENCE).await.unwrap();
            assert!(!info.resumed);
        }
        let refused = visit(&session, &forgetful, Some((&control, true)), SHORT).await;
        assert_eq!(refused.unwrap_err().class, Class::TooMany);
        // Those that resume still go on.
        let (info, _) = visit(&session, &peer, Some((&control, false)), PATIENCE).await.unwrap();
        assert!(info.resumed);
    }
}

/// A session's own ticket with another name leads to a full handshake (P151).
#[tokio::test]
async fn who_only_says_that_he_resumes_is_charged() {
    let ca = Authority::new();
    let session = session(&ca, 2);
    let peer = ca.client(TlsVersion::V12);
    let (control, _) = visit(&session, &peer, None, PATIENCE).await.unwrap();
    let (mut near, far) = loopback().await;
    let shaken = session.accept_data(far, (&control, true), PATIENCE);
    let lie = async {
        near.write_all(&peer.hello()).await.unwrap();
        near.write_all(b"nonsense").await.unwrap();
        near
    };
    assert!(tokio::join!(shaken, lie).0.is_err());
    let refused = visit(&session, &ca.client(TlsVersion::V12), None, SHORT).await;
    assert_eq!(refused.unwrap_err().class, Class::TooMany);
}

#[tokio::test]
async fn silence_costs_nothing() {
    let ca = Authority::new();
    let (session, peer) = (session(&ca, 1), ca.client(TlsVersion::V13));
    for _ in 0..5 {
        let (_near, far) = loopback().await;
        let error = session.accept_control(far, Duration::from_millis(10)).await.unwrap_err();
        assert_eq!(error.class, Class::Timeout);
    }
    assert!(visit(&session, &peer, None, PATIENCE).await.is_ok());
    let another = ca.client(TlsVersion::V13);
    assert_eq!(visit(&session, &another, None, SHORT).await.unwrap_err().class, Class::TooMany);
}

/// What is no TLS is called so, with a limit and without.
#[tokio::test]
async fn nonsense_is_called_so() {
    let ca = Authority::new();
    for session in [session(&ca, 10), ca.server().session()] {
        for (words, class) in [(&b"USER ann\r\n"[..], Class::NotTls), (b"", Class::Closed)] {
            let (mut near, far) = loopback().await;
            near.write_all(words).await.unwrap();
            near.shutdown().await.unwrap();
            let error = session.accept_control(far, PATIENCE).await.unwrap_err();
            assert_eq!(error.class, class);
        }
    }
}

#[test]
fn the_remedy_is_named() {
    let said = HandshakeError::new(Role::Server, Class::TooMany).to_string();
    assert!(said.contains("limits.handshakes_per_minute"), "{said}");
}
