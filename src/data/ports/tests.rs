//! Leases against a model, strangers, sharing, randomness and neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::data::options::{Expose, PortRange};
use crate::data::testing::{LONG, connect, free_range, peer};

fn pool(count: u16) -> (Arc<PortPool>, IpAddr) {
    let (address, range) = free_range(count);
    (PortPool::new(PortOptions::new(range)), address)
}

/// How many ports are neither free nor resting.
fn missing(pool: &PortPool) -> usize {
    let unused = |ports: &Ports| ports.free.len() + ports.resting.len();
    pool.lock().values().map(|ports| pool.usable.len() - unused(ports)).sum()
}

#[tokio::test]
async fn whole_range_is_used_and_nothing_else() {
    for count in [1, 2, 11] {
        let (pool, local) = pool(count);
        let range = pool.options.range;
        let leases: Vec<_> =
            (0..count).map(|_| pool.lease(local, peer(1), None).unwrap()).collect();
        let ports: BTreeSet<_> = leases.iter().map(|l| l.listened().port()).collect();
        assert_eq!(ports, (range.first..=range.last).collect());
        assert!(matches!(pool.lease(local, peer(1), None), Err(LeaseError::Exhausted)));
        drop(leases);
        assert_eq!((missing(&pool), pool.in_use()), (0, 0));
        assert!(pool.lease(local, peer(1), None).is_ok());
    }
}

#[tokio::test]
async fn highest_port_of_all_is_no_edge() {
    let (local, _) = free_range(1);
    let pool = PortPool::new(PortOptions::new(PortRange { first: 65535, last: 65535 }));
    assert_eq!(pool.lease(local, peer(1), None).unwrap().listened().port(), 65535);
}

#[tokio::test]
async fn avoided_and_unmapped_ports_are_left_out() {
    let (local, range) = free_range(5);
    let ports: Vec<_> = (range.first..=range.last).collect();
    let map = ports[1..].iter().map(|p| (*p, p - 10_000)).collect();
    let options =
        PortOptions { avoid: vec![ports[4]], expose: Expose::Map(map), ..PortOptions::new(range) };
    let pool = PortPool::new(options);
    let leases: Vec<_> = (0..3).map(|_| pool.lease(local, peer(1), None).unwrap()).collect();
    assert!(matches!(pool.lease(local, peer(1), None), Err(LeaseError::Exhausted)));
    for lease in &leases {
        assert!(ports[1..4].contains(&lease.listened().port()));
        assert_eq!(lease.exposed_port(), lease.listened().port() - 10_000);
    }
}

#[test]
fn exposed_port_stays_a_port() {
    assert_eq!(Expose::Same.told(1), Some(1));
    assert_eq!(Expose::Shift(-10_000).told(50_000), Some(40_000));
    assert_eq!(Expose::Shift(-10_000).told(10_000), None);
    assert_eq!(Expose::Shift(10_000).told(60_000), None);
    assert_eq!(Expose::Shift(i32::MAX).told(1), None);
    assert_eq!(Expose::Map(BTreeMap::from([(7, 0)])).told(7), None);
}

#[tokio::test]
async fn listens_only_where_it_was_told() {
    let (elsewhere, range) = free_range(1);
    let options = PortOptions { bind: Some(elsewhere), ..PortOptions::new(range) };
    let pool = PortPool::new(options);
    assert_eq!(pool.lease(peer(9), peer(1), None).unwrap().listened().ip(), elsewhere);
    // An IPv4 socket is of no use to an IPv6 client.
    let v6 = pool.lease("::1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap(), None).unwrap();
    assert_eq!(v6.listened().ip(), "::1".parse::<IpAddr>().unwrap());
    let mapped = pool.lease("::ffff:127.0.0.1".parse::<IpAddr>().unwrap(), peer(2), None).unwrap();
    assert_eq!(mapped.listened().ip(), elsewhere);
}

#[tokio::test]
async fn foreign_address_is_our_own_fault() {
    let (pool, _) = pool(1);
    let refused = pool.lease(IpAddr::from([192, 0, 2, 1]), peer(1), None);
    assert!(matches!(refused, Err(LeaseError::Local(_))));
    assert_eq!(missing(&pool), 0);
}

#[tokio::test]
async fn right_peer_gets_in_and_the_port_closes() {
    let (pool, local) = pool(1);
    let mut lease = pool.lease(local, peer(1), None).unwrap();
    let to = lease.listened();
    let client = connect(to, peer(1)).await;
    let Visitor { stream: _stream, peer: from, claims } = lease.accept().await.unwrap();
    assert!(!claims);
    assert_eq!(from, client.local_addr().unwrap());
    assert_eq!(pool.in_use(), 0, "the right is used up before the lease is dropped");
    drop(lease);
    let again = socket::connect(to, Some(peer(1)), LONG).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(missing(&pool), 0);
}

#[tokio::test]
async fn a_thousand_strangers_do_no_harm() {
    let (pool, local) = pool(1);
    let mut lease = pool.lease(local, peer(1), None).unwrap();
    let to = lease.listened();
    let crowd = async {
        for n in 0..1000_u16 {
            let mut stranger = connect(to, peer(2 + (n % 200) as u8)).await;
            let end = stranger.read(&mut [0; 1]).await;
            assert!(!matches!(end, Ok(1..)), "a stranger is told nothing");
        }
        connect(to, peer(1)).await
    };
    let (accepted, client) = tokio::join!(lease.accept(), crowd);
    assert_eq!(accepted.unwrap().peer, client.local_addr().unwrap());
    assert_eq!(lease.strangers(), 1000);
}

#[tokio::test]
async fn eleven_ports_serve_two_hundred_addresses_at_once() {
    let (pool, local) = pool(11);
    let leases: Vec<_> =
        (1..=200).map(|n| (n, pool.lease(local, peer(n), None).unwrap())).collect();
    assert_eq!(pool.in_use(), 11);
    let accepting: Vec<_> = leases
        .into_iter()
        .map(|(n, mut lease)| {
            tokio::spawn(async move {
                let to = lease.listened();
                let arrives = async {
                    let mut client = connect(to, peer(n)).await;
                    client.write_all(&[n]).await.unwrap();
                    client
                };
                let (accepted, _client) = tokio::join!(lease.accept(), arrives);
                let mut byte = [0];
                accepted.unwrap().stream.read_exact(&mut byte).await.unwrap();
                assert_eq!(byte, [n], "each gets its own peer");
                lease.strangers()
            })
        })
        .collect();
    for task in accepting {
        assert_eq!(task.await.unwrap(), 0);
    }
    assert_eq!((missing(&pool), pool.in_use()), (0, 0));
}

#[tokio::test]
async fn shared_port_outlives_each_of_its_leases() {
    let (pool, local) = pool(1);
    let mut leases: Vec<_> = (1..=5).map(|n| pool.lease(local, peer(n), None).unwrap()).collect();
    let to = leases[0].listened();
    // The one that opened the port goes first, then one that was accepting.
    drop(leases.remove(0));
    let accepting = tokio::spawn({
        let mut lease = leases.remove(0);
        async move { lease.accept().await }
    });
    tokio::task::yield_now().await;
    accepting.abort();
    assert!(accepting.await.unwrap_err().is_cancelled());
    let _late = connect(to, peer(2)).await;
    for (n, lease) in (3..).zip(&mut leases) {
        let client = connect(to, peer(n)).await;
        assert_eq!(lease.accept().await.unwrap().peer, client.local_addr().unwrap());
    }
    drop(leases);
    assert_eq!(missing(&pool), 0);
}

#[test]
fn connections_cross_between_workers() {
    let (pool, local) = pool(1);
    let worker = |n: u8| {
        let (pool, barrier) =
            (Arc::clone(&pool), &*Box::leak(Box::new(std::sync::Barrier::new(2))));
        let (lend, borrow) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut lease = pool.lease(local, peer(n), None).unwrap();
                lend.send(lease.listened()).unwrap();
                let mut stream = lease.accept().await.unwrap().stream;
                drop(lease);
                let mut byte = [0];
                stream.read_exact(&mut byte).await.unwrap();
                barrier.wait();
                byte[0]
            })
        });
        (thread, borrow.recv().unwrap(), barrier)
    };
    let workers: Vec<_> = (1..=4).map(worker).collect();
    let mut clients = Vec::new();
    for (n, (_, to, barrier)) in (1..=4).zip(&workers).rev() {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(peer(n), 0).into()).unwrap();
        socket.connect(&(*to).into()).unwrap();
        socket.send(&[n]).unwrap();
        clients.push(socket);
        barrier.wait();
    }
    for (n, (thread, ..)) in (1..=4).zip(workers) {
        assert_eq!(thread.join().unwrap(), n);
    }
    assert_eq!(missing(&pool), 0);
}

#[tokio::test]
async fn two_processes_live_on_one_range() {
    let (local, range) = free_range(11);
    let [ours, theirs] = [(); 2].map(|()| PortPool::new(PortOptions::new(range)));
    let first: Vec<_> = (0..6).map(|_| ours.lease(local, peer(1), None).unwrap()).collect();
    let held: BTreeSet<_> = first.iter().map(|l| l.listened().port()).collect();
    let found: BTreeSet<_> = theirs.probe(local).into_iter().map(|(port, _)| port).collect();
    assert_eq!(found, held);
    let second: Vec<_> = (0..5).map(|_| theirs.lease(local, peer(1), None).unwrap()).collect();
    assert!(second.iter().all(|l| !held.contains(&l.listened().port())));
    assert!(matches!(theirs.lease(local, peer(1), None), Err(LeaseError::Exhausted)));
    assert!(theirs.passed_over() >= 6, "the last lease met all six");
    // Nothing of our own is lost by it.
    drop((first, second));
    assert_eq!(missing(&theirs), 0);
    let all: Vec<_> = (0..11).map(|_| theirs.lease(local, peer(1), None).unwrap()).collect();
    assert_eq!(all.len(), 11);
}

#[tokio::test]
async fn ports_are_spread_and_not_in_a_row() {
    let (pool, local) = pool(11);
    let picks: Vec<_> =
        (0..2200).map(|_| pool.lease(local, peer(1), None).unwrap().listened().port()).collect();
    let mut counts = BTreeMap::new();
    picks.iter().for_each(|port| *counts.entry(*port).or_insert(0_i32) += 1);
    let chi: f64 = counts.values().map(|n| f64::from((n - 200).pow(2)) / 200.0).sum();
    assert_eq!(counts.len(), 11);
    assert!(chi < 60.0, "chi-square {chi} over ten degrees of freedom: {counts:?}");
    let in_a_row = picks.windows(2).filter(|w| w[1] == w[0] + 1).count();
    assert!(in_a_row < 600, "{in_a_row} of 2200 follow their predecessor");
    assert!(picks.windows(2).all(|w| w[0] != w[1]), "a port rests after its use");
}

/// A step of the model test.
#[derive(Debug, Clone)]
enum Step {
    Lease(u8),
    Drop(prop::sample::Index),
    Arrive(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..=4_u8).prop_map(Step::Lease),
        1 => any::<prop::sample::Index>().prop_map(Step::Drop),
        1 => any::<prop::sample::Index>().prop_map(Step::Arrive),
    ]
}

async fn follow(count: u16, steps: Vec<Step>) {
    let (pool, local) = pool(count);
    let mut leases: Vec<(u8, PortLease)> = Vec::new();
    for step in steps {
        match step {
            Step::Lease(n) => {
                let held = leases.iter().filter(|(peer, _)| *peer == n).count();
                let in_use = pool.in_use();
                match pool.lease(local, peer(n), None) {
                    Ok(lease) => {
                        let shared = pool.in_use() == in_use;
                        assert_eq!(shared, in_use == usize::from(count), "unused ports first");
                        leases.push((n, lease));
                    }
                    Err(LeaseError::Exhausted) => assert_eq!(held, usize::from(count)),
                    Err(e) => panic!("{e}"),
                }
            }
            Step::Drop(at) if !leases.is_empty() => {
                leases.swap_remove(at.index(leases.len()));
            }
            Step::Arrive(at) if !leases.is_empty() => {
                let (n, mut lease) = leases.swap_remove(at.index(leases.len()));
                let client = connect(lease.listened(), peer(n)).await;
                let from = lease.accept().await.unwrap().peer;
                assert_eq!(from, client.local_addr().unwrap());
            }
            Step::Drop(_) | Step::Arrive(_) => {}
        }
        let keys: BTreeSet<_> = leases.iter().map(|(n, l)| (*n, l.listened().port())).collect();
        assert_eq!(keys.len(), leases.len(), "an address and a port are leased once");
        let ports: BTreeSet<_> = keys.iter().map(|(_, port)| *port).collect();
        assert_eq!((pool.in_use(), missing(&pool)), (ports.len(), ports.len()));
    }
    drop(leases);
    assert_eq!((pool.in_use(), missing(&pool)), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn leases_follow_the_model(count in 1..=4_u16, steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(count, steps));
    }
}

/// Addresses that peers choose are without number.
#[tokio::test]
async fn nothing_is_kept_of_a_borrowed_address() {
    let (local, range) = free_range(4);
    for (borrowed, kept) in [(false, 1), (true, 0)] {
        let pool = PortPool::new(PortOptions { borrowed, ..PortOptions::new(range) });
        let leases = [1, 2].map(|n| pool.lease(local, peer(n), None));
        // Where the privilege is missing there is nothing to keep either.
        let leased = leases.iter().all(Result::is_ok);
        assert_eq!(pool.lock().len(), usize::from(leased || !borrowed));
        drop(leases);
        assert_eq!(pool.lock().len(), kept);
    }
}
