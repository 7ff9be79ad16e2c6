use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::net::proxy_header::{Facts, Version};
use crate::net::socket;

const LONG: Duration = Duration::from_secs(60);

fn preamble(within: Duration) -> Arc<Preamble> {
    let from = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/24".parse().unwrap()].into();
    Preamble::new("test".into(), HeaderOptions { from, within })
}

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A connection of a balancer's, which sends this and keeps it open or not, and what comes of it.
async fn outcome(preamble: &Arc<Preamble>, bytes: &[u8], open: bool) -> Option<Arrival> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut ours = socket::connect(listener.local_addr().unwrap(), None, LONG).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    ours.write_all(bytes).await.unwrap();
    let kept = open.then_some(ours);
    let arrival = Arrival::direct(&stream, peer).unwrap();
    let place = preamble.enter(peer, &Seats::new(1)).unwrap();
    let arrival = place.read(&stream, arrival).await;
    drop(kept);
    assert!(preamble.waiting.lock().unwrap().is_empty());
    arrival
}

#[tokio::test]
async fn the_header_says_who_the_client_is() {
    let (client, reached) = (peer("192.0.2.1:40000"), peer("203.0.113.7:21"));
    for version in [Version::V1, Version::V2] {
        let header = version.header(client, reached, &Facts::default());
        let arrival = outcome(&preamble(LONG), &header, true).await.unwrap();
        assert_eq!((arrival.client, arrival.local, arrival.server), (client, reached, None));
        assert_eq!(arrival.peer.ip(), peer("127.0.0.1:0").ip());
        // A probe that wants to be greeted.
        let arrival = outcome(&preamble(LONG), &version.own(), true).await.unwrap();
        assert_eq!(arrival.client, arrival.peer);
        assert_eq!(outcome(&preamble(LONG), &version.own(), false).await, None);
    }
}

#[tokio::test]
async fn whoever_has_none_is_nobody() {
    let said =
        |preamble: &Preamble| ["malformed", "late"].map(|why| preamble.seldom.count(why).is_none());
    let quiet = preamble(LONG);
    assert_eq!(outcome(&quiet, b"", false).await, None);
    assert_eq!(said(&quiet), [false, false]);
    let malformed = preamble(LONG);
    assert_eq!(outcome(&malformed, b"USER ann\r\n", true).await, None);
    assert_eq!(said(&malformed), [true, false]);
    let late = preamble(Duration::from_millis(50));
    assert_eq!(outcome(&late, b"PROXY TCP4 192.0.2.1", true).await, None);
    assert_eq!(said(&late), [false, true]);
}

#[test]
fn only_balancers_and_not_too_many() {
    let (preamble, process) = (preamble(LONG), Seats::new(usize::MAX));
    assert!(preamble.enter(peer("192.0.2.1:1"), &process).is_none());
    assert!(preamble.enter(peer("[::ffff:192.0.2.1]:1"), &process).is_none());
    let enter = |text| preamble.enter(peer(text), &process);
    let mut first: Vec<_> = (0..WAITING_OF_ONE).map(|_| enter("10.0.0.1:1").unwrap()).collect();
    assert!(enter("[::ffff:10.0.0.1]:2").is_none());
    let second: Vec<_> = (WAITING_OF_ONE..WAITING).map(|_| enter("10.0.0.2:1").unwrap()).collect();
    assert!(enter("10.0.0.3:1").is_none());
    first.pop();
    assert!(enter("10.0.0.3:1").is_some());
    assert!(preamble.enter(peer("10.0.0.3:1"), &Seats::new(0)).is_none());
    drop((first, second));
    assert!(preamble.waiting.lock().unwrap().is_empty());
}
