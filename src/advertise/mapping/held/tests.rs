use tokio::net::UdpSocket;

use super::*;
use crate::data::options::{PortOptions, PortRange};

const GATEWAY: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Mappings on a router that does not answer any more.
async fn held(lease: Option<Duration>) -> Held {
    let link = Link { gateway: GATEWAY, local: GATEWAY };
    Held {
        router: Router::open(Protocol::Pcp, link).await.unwrap(),
        wanted: Wanted { ports: vec![(21, 21), (60000, 60000)], ..Wanted::default() },
        ports: [(21, 21), (60000, 7000)].into(),
        refused: Vec::new(),
        address: "203.0.113.7".parse().ok(),
        lease,
        since: Instant::now(),
        unheard: None,
        stop: CancellationToken::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_router_keeps_what_it_has_until_the_lease_ends() {
    let held = held(Some(LEASE)).await;
    assert_eq!(held.words().len(), 2, "what is mapped, and the number that differs");
    tokio::time::advance(LEASE / 2).await;
    let held = held.keep().await.unwrap();
    assert_eq!(held.len(), 2);
    let words = format!("{:?}", held.words());
    assert!(words.contains("renews no mapping (no answer)"), "{words}");
    assert_eq!(held.wait(Duration::from_secs(60)), Duration::from_secs(60), "in no hurry");
    tokio::time::advance(LEASE / 2).await;
    let why = held.keep().await.unwrap_err();
    assert!(why.contains("maps no port (PCP: no answer): forward TCP 21, 60000"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn renewal_comes_at_half_of_the_lease() {
    let held = held(Some(Duration::from_secs(120))).await;
    let pulse = Duration::from_secs(3600);
    assert_eq!(held.wait(pulse), Duration::from_secs(60));
    tokio::time::advance(Duration::from_millis(59_900)).await;
    assert_eq!(held.wait(pulse), SHORTEST);
}

/// What has no lease does not end by silence.
#[tokio::test(start_paused = true)]
async fn permanent_mappings_stay() {
    let held = held(None).await;
    tokio::time::advance(LEASE * 2).await;
    assert_eq!(held.keep().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_pool_has_its_own_ports_of_it() {
    let pool = PortPool::new(PortOptions::new(PortRange { first: 60000, last: 60001 }));
    assert_eq!(held(None).await.of(&pool), [(60000, 7000)].into());
}

/// A stop that comes in the middle asks for nothing more.
#[tokio::test]
async fn nothing_is_asked_for_after_the_stop() {
    let Held { router, wanted, stop, .. } = held(None).await;
    stop.cancel();
    let (why, _) = Held::acquire(router, &wanted, &stop).await.unwrap_err();
    assert_eq!(why, "we are stopping");
}

/// A router that speaks NAT-PMP (RFC 6886), whose port is fixed, on an address of its own.
async fn natpmp() -> (UdpSocket, Ipv4Addr) {
    loop {
        let [a, b, c] = rand::random();
        let address = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
        if let Ok(socket) = UdpSocket::bind((address, 5351)).await {
            return (socket, address);
        }
    }
}

/// Grants whatever is asked. The port of a mapping, and for how long; 0 is its removal.
async fn grant(socket: &UdpSocket) -> Option<(u16, u32)> {
    let mut request = [0; 16];
    let (len, from) = socket.recv_from(&mut request).await.unwrap();
    let (epoch, ok) = ([0, 0, 1, 0], [0, 0]);
    let head = [&[0, request[1] | 128], &ok[..], &epoch].concat();
    let answer = if len > 2 {
        [&head, &request[4..12]].concat()
    } else {
        [&head, &[203, 0, 113, 7][..]].concat()
    };
    socket.send_to(&answer, from).await.unwrap();
    let port = u16::from_be_bytes([request[4], request[5]]);
    let lease = u32::from_be_bytes([request[8], request[9], request[10], request[11]]);
    (len > 2).then_some((port, lease))
}

/// A stop in the middle of a renewal: what was not asked for again is mapped still, and removed.
#[tokio::test]
async fn a_stop_in_the_middle_of_a_renewal_forgets_no_mapping() {
    let (socket, gateway) = natpmp().await;
    let mut held = held(Some(Duration::ZERO)).await;
    let stop = held.stop.clone();
    let link = Link { gateway, local: GATEWAY };
    held.router = Router::open(Protocol::NatPmp, link).await.unwrap();
    let mut removed = Vec::new();
    let router = async {
        loop {
            if let Some((port, lease)) = grant(&socket).await {
                stop.cancel();
                removed.extend((lease == 0).then_some(port));
            }
        }
    };
    tokio::select! {
        () = router => {}
        () = async { held.keep().await.unwrap().remove().await } => {}
    }
    assert_eq!(removed, [21, 60000]);
}
