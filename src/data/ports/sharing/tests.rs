//! Several leases of one address: who may share a port, and whose a connection is.

use std::sync::LazyLock;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::data::options::PortOptions;
use crate::data::ports::{LeaseError, PortLease, PortPool};
use crate::data::testing::{LONG, connect, free_range, one_port, peer};
use crate::tls::TlsVersion;
use crate::tls::testing::Authority;

/// FTP sessions, each with the first words of a client that resumes it.
static SESSIONS: LazyLock<Vec<(Proof, Vec<u8>)>> = LazyLock::new(|| {
    let make = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ca = Authority::new();
            let mut sessions = Vec::new();
            for version in [TlsVersion::V12, TlsVersion::V13].repeat(4) {
                let (session, _, peer) = ca.acquainted(version).await;
                sessions.push((Proof { session, patience: LONG }, peer.hello()));
            }
            sessions
        })
    };
    std::thread::spawn(make).join().unwrap()
});

fn proof(n: usize) -> Option<Proof> {
    Some(SESSIONS[n].0.clone())
}

/// A connection from the common address, with the first words of this session's client.
async fn call(lease: &PortLease, n: usize) -> TcpStream {
    let mut stream = connect(lease.listened(), peer(1)).await;
    stream.write_all(&SESSIONS[n].1).await.unwrap();
    stream
}

/// Lets all the leases accept until this one is handed something.
async fn accept(leases: &mut [PortLease], wanted: usize) -> crate::data::ports::Visitor {
    let (before, rest) = leases.split_at_mut(wanted);
    let (lease, after) = rest.split_first_mut().unwrap();
    let others = before.iter_mut().chain(after).map(|lease| async {
        let visitor = lease.accept().await;
        panic!("another's connection: {visitor:?}");
    });
    let visitor = tokio::select! {
        visitor = lease.accept() => visitor.unwrap(),
        () = async { futures_all(others).await } => unreachable!(),
    };
    visitor
}

/// Polls all of them, for ever.
async fn futures_all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        for future in &mut futures {
            let _ = future.as_mut().poll(cx);
        }
        std::task::Poll::<()>::Pending
    })
    .await;
}

/// Reads to the end.
async fn answer(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

#[tokio::test]
async fn each_is_handed_the_connection_that_names_it() {
    let (pool, local) = one_port();
    let lease = |n| pool.lease(local, peer(1), proof(n)).unwrap();
    let mut leases: Vec<_> = (0..SESSIONS.len()).map(lease).collect();
    assert_eq!(pool.in_use(), 1);
    for n in [3, 0, 7, 1, 2, 6, 4, 5] {
        let client = call(&leases[n], n).await;
        let visitor = accept(&mut leases, n).await;
        assert!(visitor.claims && visitor.peer == client.local_addr().unwrap());
        // It is only a claim: another one may come.
        let client = call(&leases[n], n).await;
        assert_eq!(accept(&mut leases, n).await.peer, client.local_addr().unwrap());
    }
    assert!(leases.iter().all(|lease| lease.strangers() == 0));
}

#[tokio::test]
async fn who_cannot_prove_it_shares_with_nobody_of_his_address() {
    let (pool, local) = one_port();
    let lease = |n, proof| pool.lease(local, peer(n), proof);
    let plain = lease(1, None).unwrap();
    assert!(matches!(lease(1, None), Err(LeaseError::Exhausted)));
    assert!(matches!(lease(1, proof(0)), Err(LeaseError::Exhausted)));
    let _other = lease(2, proof(1)).unwrap();
    drop(plain);
    let proving = lease(1, proof(0)).unwrap();
    assert!(matches!(lease(1, None), Err(LeaseError::Exhausted)));
    let second = lease(1, proof(2)).unwrap();
    drop(proving);
    assert!(matches!(lease(1, None), Err(LeaseError::Exhausted)));
    drop(second);
    assert!(lease(1, None).is_ok());
}

#[tokio::test]
async fn sharing_is_the_last_resort() {
    let (local, range) = free_range(3);
    let pool = PortPool::new(PortOptions::new(range));
    let port = |lease: &PortLease| lease.listened().port();
    let leases: Vec<_> = (0..3).map(|n| pool.lease(local, peer(1), proof(n)).unwrap()).collect();
    assert_eq!(pool.in_use(), 3, "unused ports first");
    let fourth = pool.lease(local, peer(1), proof(3)).unwrap();
    let fifth = pool.lease(local, peer(1), proof(4)).unwrap();
    let sixth = pool.lease(local, peer(1), proof(5)).unwrap();
    let mut shared = [port(&fourth), port(&fifth), port(&sixth)];
    shared.sort_unstable();
    assert_eq!(shared, [range.first, range.first + 1, range.last], "evenly");
    drop((leases, fourth, fifth));
    // Of the two open to it now, the one where nobody of its address waits.
    let other = pool.lease(local, peer(2), None).unwrap();
    let third = pool.lease(local, peer(2), None).unwrap();
    assert!(port(&other) != port(&sixth) && port(&third) != port(&sixth));
    let last = pool.lease(local, peer(1), proof(0)).unwrap();
    assert_ne!(port(&last), port(&sixth));
}

#[tokio::test]
async fn a_port_is_shared_by_so_many_and_no_more() {
    let (pool, local) = one_port();
    let lease = || pool.lease(local, peer(1), proof(0));
    let leases: Vec<_> = (0..MOST_SHARERS).map(|_| lease().unwrap()).collect();
    assert!(matches!(lease(), Err(LeaseError::Exhausted)));
    drop(leases);
    assert!(lease().is_ok());
}

#[tokio::test]
async fn strangers_hear_so_and_do_no_harm() {
    let (pool, local) = one_port();
    let mut leases = [0, 1].map(|n| pool.lease(local, peer(1), proof(n)).unwrap());
    for n in [2, 5] {
        let stranger = call(&leases[0], n).await;
        let mut stranger = tokio::spawn(answer(stranger));
        let [one, other] = &mut leases;
        let refused = tokio::select! {
            visitor = one.accept() => panic!("{visitor:?}"),
            visitor = other.accept() => panic!("{visitor:?}"),
            answer = &mut stranger => answer.unwrap(),
        };
        assert_eq!(refused, tls::ACCESS_DENIED);
    }
    let mut nonsense = connect(leases[0].listened(), peer(1)).await;
    nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let own = call(&leases[0], 1).await;
    assert_eq!(accept(&mut leases, 1).await.peer, own.local_addr().unwrap());
    assert_eq!(answer(nonsense).await, b"");
    assert_eq!(leases.map(|lease| lease.strangers()), [3, 3]);
}

/// Those that say nothing make room: the oldest goes first, and none outlives the leases.
#[tokio::test]
async fn silence_is_bounded() {
    let (pool, local) = one_port();
    let mut leases = [0, 1].map(|n| pool.lease(local, peer(1), proof(n)).unwrap());
    let to = leases[0].listened();
    let mut silent = Vec::new();
    for _ in 0..2 + SPARE {
        silent.push(connect(to, peer(1)).await);
    }
    let own = call(&leases[0], 0).await;
    assert_eq!(accept(&mut leases, 0).await.peer, own.local_addr().unwrap());
    assert!(answer(silent.remove(0)).await.is_empty(), "the oldest had to go");
    let one_more = call(&leases[1], 1).await;
    assert_eq!(accept(&mut leases, 1).await.peer, one_more.local_addr().unwrap());
    let mut byte = [0];
    let open = silent[0].read(&mut byte);
    tokio::select! {
        biased;
        read = open => panic!("closed too early: {read:?}"),
        () = tokio::task::yield_now() => {}
    }
    drop(leases);
    for stream in silent {
        assert!(tokio::time::timeout(LONG, answer(stream)).await.unwrap().is_empty());
    }
}

/// A connection that is late may be that of a lease that is gone.
#[tokio::test]
async fn who_has_shared_asks_for_proof_to_the_end() {
    let (pool, local) = one_port();
    let one = pool.lease(local, peer(1), proof(0)).unwrap();
    let mut leases = [pool.lease(local, peer(1), proof(1)).unwrap()];
    let late = call(&one, 0).await;
    drop(one);
    let own = call(&leases[0], 1).await;
    assert_eq!(accept(&mut leases, 0).await.peer, own.local_addr().unwrap());
    assert_eq!(tokio::join!(answer(late), async { leases[0].strangers() }).1, 1);
    // A new one on the port starts afresh.
    drop(leases);
    let mut fresh = [pool.lease(local, peer(1), proof(0)).unwrap()];
    let _client = connect(fresh[0].listened(), peer(1)).await;
    assert!(!accept(&mut fresh, 0).await.claims);
}

/// A step of the model test: an address leases with or without proof, a lease goes, a client comes.
#[derive(Debug, Clone)]
enum Step {
    Lease(u8, Option<usize>),
    Drop(prop::sample::Index),
    Arrive(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let proof = prop::option::weighted(0.8, 0..SESSIONS.len());
    prop_oneof![
        4 => (1..=2_u8, proof).prop_map(|(n, proof)| Step::Lease(n, proof)),
        1 => any::<prop::sample::Index>().prop_map(Step::Drop),
        1 => any::<prop::sample::Index>().prop_map(Step::Arrive),
    ]
}

/// A lease and what the model knows of it.
struct Held {
    from: u8,
    proof: Option<usize>,
    port: u16,
    shares: bool,
}

async fn follow(count: u16, steps: Vec<Step>) {
    let (local, range) = free_range(count);
    let pool = PortPool::new(PortOptions::new(range));
    let (mut model, mut leases): (Vec<Held>, Vec<PortLease>) = Default::default();
    for step in steps {
        match step {
            Step::Lease(from, with) => {
                // A session waits once at a time.
                if with.is_some() && model.iter().any(|held| held.proof == with) {
                    continue;
                }
                let suits = |port: u16| {
                    let mut rivals = model.iter().filter(|h| h.port == port && h.from == from);
                    rivals.clone().next().is_none()
                        || (with.is_some() && rivals.all(|h| h.proof.is_some()))
                };
                let possible = (range.first..=range.last).any(suits);
                match pool.lease(local, peer(from), with.map(|n| SESSIONS[n].0.clone())) {
                    Ok(lease) => {
                        let port = lease.listened().port();
                        assert!(suits(port));
                        let mut shares = false;
                        for rival in model.iter_mut().filter(|h| h.port == port && h.from == from) {
                            (rival.shares, shares) = (true, true);
                        }
                        model.push(Held { from, proof: with, port, shares });
                        leases.push(lease);
                    }
                    Err(LeaseError::Exhausted) => assert!(!possible),
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Drop(at) if !leases.is_empty() => {
                let at = at.index(leases.len());
                drop((model.swap_remove(at), leases.swap_remove(at)));
            }
            Step::Arrive(at) if !leases.is_empty() => {
                let at = at.index(leases.len());
                let mut client = connect(leases[at].listened(), peer(model[at].from)).await;
                if let Some(n) = model[at].proof {
                    client.write_all(&SESSIONS[n].1).await.unwrap();
                }
                let visitor = accept(&mut leases, at).await;
                assert_eq!(visitor.peer, client.local_addr().unwrap());
                assert_eq!(visitor.claims, model[at].shares);
                drop((model.swap_remove(at), leases.swap_remove(at)));
            }
            Step::Drop(_) | Step::Arrive(_) => {}
        }
        let ports: std::collections::BTreeSet<_> = model.iter().map(|held| held.port).collect();
        assert_eq!(pool.in_use(), ports.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn sharing_follows_the_model(count in 1..=3_u16, steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(count, steps));
    }
}
