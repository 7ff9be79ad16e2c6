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
