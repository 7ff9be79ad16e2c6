//! What an address may have, by a clock that the test moves.

use std::cell::Cell;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;

const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
const SECOND: Duration = Duration::from_secs(1);

fn handshakes(per_minute: u32) -> Arc<Handshakes> {
    Handshakes::new("test".into(), per_minute).unwrap()
}

#[test]
fn a_minutes_worth_at_once_then_one_at_a_time() {
    let (handshakes, now) = (handshakes(60), Instant::now());
    for _ in 0..60 {
        assert_eq!(handshakes.take(ONE, Duration::ZERO, now), Ok(Duration::ZERO));
    }
    assert_eq!(handshakes.take(ONE, Duration::ZERO, now), Err(TooMany));
    assert_eq!(handshakes.take(OTHER, Duration::ZERO, now), Ok(Duration::ZERO));
    // Those that wait come in a row.
    for wait in 1..=15 {
        assert_eq!(handshakes.take(ONE, 15 * SECOND, now), Ok(wait * SECOND));
    }
    assert_eq!(handshakes.take(ONE, 15 * SECOND, now), Err(TooMany));
    assert_eq!(handshakes.take(ONE, 15 * SECOND, now + SECOND), Ok(15 * SECOND));
    // After a pause all is forgotten.
    let later = now + 2 * WINDOW;
    for _ in 0..60 {
        assert_eq!(handshakes.take(ONE, Duration::ZERO, later), Ok(Duration::ZERO));
    }
    assert_eq!(handshakes.take(ONE, Duration::ZERO, later), Err(TooMany));
}

#[test]
fn no_limit_is_none() {
    assert!(Handshakes::new("test".into(), 0).is_none());
}

#[test]
fn a_network_of_addresses_is_one() {
    let (handshakes, now) = (handshakes(1), Instant::now());
    let take = |address: &str| handshakes.take(address.parse().unwrap(), Duration::ZERO, now);
    assert!(take("2001:db8::1").is_ok());
    assert!(take("2001:db8::ffff:2").is_err());
    assert!(take("2001:db8:0:1::1").is_ok());
    assert!(take("192.0.2.1").is_ok() && take("::ffff:192.0.2.1").is_err());
}

#[test]
fn the_log_is_not_flooded() {
    let now = Instant::now();
    let mut clients = Clients::default();
    let account = clients.account(ONE, now);
    assert_eq!(account.say(true, now), Some((1, 0)));
    for n in 0..100 {
        assert_eq!(account.say(n % 2 == 0, now + SECOND), None);
    }
    assert_eq!(account.say(false, now + SAID_EVERY), Some((50, 51)));
}

/// What the last line of an address does not count is said when the next would be due, once.
#[tokio::test(start_paused = true)]
async fn an_address_that_goes_quiet_is_told_to_its_end() {
    let handshakes = handshakes(1);
    let quota = handshakes.of(ONE);
    let account = |what: fn(&mut Account) -> (u32, bool)| {
        what(handshakes.lock().accounts.get_mut(&ClientKey::of(ONE)).unwrap())
    };
    quota.take(Duration::ZERO).await.unwrap();
    for _ in 0..8 {
        assert_eq!(quota.take(Duration::ZERO).await, Err(TooMany));
    }
    let state = |account: &mut Account| (account.refused, account.resting);
    assert_eq!(account(state), (7, true), "one is said, seven wait");
    tokio::time::sleep(SAID_EVERY / 2).await;
    assert_eq!(account(state), (7, true));
    tokio::time::sleep(SAID_EVERY / 2 + SECOND).await;
    assert_eq!(account(state), (0, false), "said, and nothing is left to say");
    assert_eq!(quota.take(Duration::ZERO).await, Err(TooMany));
    assert_eq!(account(state), (1, true), "no sooner than after a pause");
}

#[test]
fn memory_is_bounded() {
    let (handshakes, now) = (handshakes(60), Instant::now());
    for n in 0..REMEMBERED as u32 + 10 {
        assert!(handshakes.take(IpAddr::V4(n.into()), Duration::ZERO, now).is_ok());
        assert!(handshakes.lock().accounts.len() <= REMEMBERED);
    }
    handshakes.take(ONE, Duration::ZERO, now + 2 * WINDOW).unwrap();
    assert_eq!(handshakes.lock().accounts.len(), 1, "nothing to remember of the others");
}

#[tokio::test(start_paused = true)]
async fn who_is_over_it_waits() {
    let quota = handshakes(60).of(ONE);
    for _ in 0..50 {
        quota.take(Duration::ZERO).await.unwrap();
    }
    // Those that were thought to be free count too.
    for _ in 0..10 {
        quota.charge();
    }
    let before = Instant::now();
    assert_eq!(quota.take(Duration::ZERO).await, Err(TooMany));
    for _ in 0..5 {
        quota.take(15 * SECOND).await.unwrap();
    }
    assert_eq!(Instant::now() - before, 5 * SECOND);
}

/// A crowd of one address computes one after the other, and whoever else has come runs in between.
#[tokio::test]
async fn others_have_their_turn() {
    let handshakes = handshakes(1_000_000);
    let done = Rc::new(Cell::new(0));
    let tasks = tokio::task::LocalSet::new();
    let step = |client, done: &Rc<Cell<u32>>| {
        let (quota, done) = (handshakes.of(client), done.clone());
        async move {
            let before = quota.in_turn(async { done.replace(done.get() + 1) }).await;
            // What comes after the first step needs no turn.
            tokio::task::yield_now().await;
            before
        }
    };
    for _ in 0..100 {
        tasks.spawn_local(step(ONE, &done));
    }
    let other = tasks.spawn_local(step(OTHER, &done));
    let before = tasks.run_until(other).await.unwrap();
    tasks.await;
    assert_eq!(done.get(), 101);
    assert!(before <= 2, "{before} went before");
}

/// Who waits for its client keeps no other handshake of the address waiting.
#[tokio::test]
async fn a_slow_client_keeps_no_turn() {
    let handshakes = handshakes(60);
    let (slow, quick) = (handshakes.of(ONE), handshakes.of(ONE));
    tokio::select! {
        biased;
        () = slow.in_turn(std::future::pending()) => unreachable!(),
        () = quick.in_turn(std::future::ready(())) => {}
    }
}

proptest! {
    /// Whatever the order and the pauses: never more than a window's worth and what has come since.
    #[test]
    fn the_limit_holds(
        per_minute in 1..1000_u32,
        steps in prop::collection::vec((0..2000_u64, 0..20_000_u64), 1..300),
    ) {
        let handshakes = handshakes(per_minute);
        let (start, mut now) = (Instant::now(), Instant::now());
        let mut granted = Vec::new();
        for (pause, patience) in steps {
            now += Duration::from_millis(pause);
            if let Ok(wait) = handshakes.take(ONE, Duration::from_millis(patience), now) {
                prop_assert!(wait <= Duration::from_millis(patience));
                granted.push(now + wait);
            }
        }
        for (n, at) in granted.iter().enumerate() {
            let allowed = f64::from(per_minute) * (1.0 + (*at - start).as_secs_f64() / 60.0);
            prop_assert!((n + 1) as f64 <= allowed + 1.001, "{} by {:?}", n + 1, *at - start);
        }
    }
}
