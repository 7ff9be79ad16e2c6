use std::collections::HashSet;

use super::seats::Seats;
use super::*;

const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";

fn limits() -> LimitOptions {
    LimitOptions {
        sessions: 4,
        sessions_per_client: 2,
        logins_pending: 3,
        connections_per_minute: 0,
        handshakes_per_minute: 0,
    }
}

fn admit(registry: &Arc<Registry>, client: &str) -> Result<SessionPermit, Refusal> {
    registry.admit(client.parse().unwrap(), &limits())
}

fn key(client: &str) -> ClientKey {
    ClientKey::of(client.parse().unwrap())
}

#[test]
fn one_client_has_its_share_and_gets_it_back() {
    let registry = Registry::new();
    let one = admit(&registry, A).unwrap();
    let _two = admit(&registry, "::ffff:192.0.2.1").unwrap();
    assert_eq!(admit(&registry, A).unwrap_err(), Refusal::PerClient);
    let _other = admit(&registry, B).unwrap();
    drop(one);
    let _again = admit(&registry, A).unwrap();
    assert_eq!(registry.sessions(), 3);
}

#[test]
fn an_address_that_hides_many_is_no_client() {
    let registry = Registry::new();
    let limits = LimitOptions { connections_per_minute: 1, ..limits() }.of_many();
    let many = || registry.admit(A.parse().unwrap(), &limits);
    let permits: Vec<_> = (0..3).map(|_| many().unwrap()).collect();
    assert_eq!(registry.sessions_of("::ffff:192.0.2.1".parse().unwrap()), 3);
    assert_eq!(registry.sessions_of(B.parse().unwrap()), 0);
    assert_eq!(many().unwrap_err(), Refusal::LoginsPending, "bounds on all of them stay");
    drop(permits);
    assert_eq!(registry.sessions_of(A.parse().unwrap()), 0);
}

#[test]
fn seats_are_given_back_with_the_session() {
    let registry = Registry::new();
    let (process, server) = (Seats::new(2), Seats::new(1));
    let seats = || Some([process.take()?, server.take()?]);
    let permit = admit(&registry, A).unwrap().holding(seats().unwrap());
    assert!(seats().is_none());
    // The one of the process was not kept by the attempt that found the server full.
    assert!(process.take().is_some());
    drop(permit);
    assert!(seats().is_some());
}

#[test]
fn an_ipv6_client_is_its_64() {
    let registry = Registry::new();
    let _one = admit(&registry, "2001:db8:1:2::1").unwrap();
    let _two = admit(&registry, "2001:db8:1:2:ffff::9").unwrap();
    assert_eq!(admit(&registry, "2001:db8:1:2::3").unwrap_err(), Refusal::PerClient);
    assert!(admit(&registry, "2001:db8:1:3::1").is_ok());
}

#[test]
fn who_does_not_log_in_leaves_room_for_who_did() {
    let registry = Registry::new();
    let mut permits: Vec<_> =
        ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|c| admit(&registry, c).unwrap()).into();
    assert_eq!(admit(&registry, "192.0.2.4").unwrap_err(), Refusal::LoginsPending);
    permits[0].logged_in();
    permits[0].logged_in();
    permits.push(admit(&registry, "192.0.2.4").unwrap());
    assert_eq!(admit(&registry, "192.0.2.5").unwrap_err(), Refusal::Sessions);
    permits.remove(0);
    assert_eq!(admit(&registry, "192.0.2.5").unwrap_err(), Refusal::LoginsPending);
    permits.clear();
    assert_eq!(registry.sessions(), 0);
    assert_eq!(registry.lock().logins_pending, 0);
}

#[test]
fn a_client_has_a_rate() {
    let limits = LimitOptions { connections_per_minute: 2, ..limits() };
    let mut state = State::default();
    let start = Instant::now();
    let mut visit = |client: &str, after: u64| {
        let key = key(client);
        state.admit(key, &limits, start + Duration::from_secs(after))?;
        state.leave(key, true);
        Ok(())
    };
    assert_eq!(visit(A, 0), Ok(()));
    assert_eq!(visit(A, 1), Ok(()));
    assert_eq!(visit(A, 2), Err(Refusal::Rate));
    assert_eq!(visit(B, 2), Ok(()));
    assert_eq!(visit(A, 59), Err(Refusal::Rate));
    assert_eq!(visit(A, 60), Ok(()));
    assert_eq!(visit(A, 61), Ok(()));
    assert_eq!(visit(A, 62), Err(Refusal::Rate));
}

#[test]
fn who_has_gone_is_forgotten() {
    let mut state = State::default();
    let start = Instant::now();
    let stays = key(B);
    state.admit(stays, &limits(), start).unwrap();
    for n in 0..100u32 {
        let key = ClientKey::V4(n.into());
        state.admit(key, &limits(), start).unwrap();
        state.leave(key, true);
    }
    assert_eq!(state.clients.len(), 101);
    state.admit(key(A), &limits(), start + WINDOW).unwrap();
    let left: HashSet<_> = state.clients.keys().copied().collect();
    assert_eq!(left, HashSet::from([stays, key(A)]));
}

#[test]
fn a_crowd_of_visitors_does_not_fill_the_memory() {
    let mut state = State::default();
    let now = Instant::now();
    for n in 0..200_000u32 {
        let key = ClientKey::V4(n.into());
        state.admit(key, &limits(), now).unwrap();
        state.leave(key, true);
        assert!(state.clients.len() <= REMEMBERED + 1);
    }
}

#[test]
fn every_refusal_is_one_whole_421() {
    let all = [
        Refusal::Sessions,
        Refusal::PerClient,
        Refusal::LoginsPending,
        Refusal::Rate,
        Refusal::Upstream,
        Refusal::Descriptors,
    ];
    for refusal in all {
        let reply = std::str::from_utf8(refusal.reply()).unwrap();
        let text = reply.strip_prefix("421 ").and_then(|r| r.strip_suffix("\r\n")).unwrap();
        assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)), "{reply:?}");
    }
    assert_eq!(all.map(Refusal::label).iter().collect::<HashSet<_>>().len(), all.len());
}

#[test]
fn names_are_short_unique_and_ascending() {
    let names: Vec<String> = (0..1000).map(|_| SessionId::next().to_string()).collect();
    assert!(names.is_sorted());
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 1000);
    assert!(names.iter().all(|n| n.len() == 10 && n.bytes().all(|b| b.is_ascii_alphanumeric())));
    assert_eq!(SessionId(0).to_string(), "0000000000");
    assert_eq!(SessionId(33).to_string(), "0000000011");
}
