use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::data::options::PortOptions;
use crate::data::testing::{free_range, peer};

#[tokio::test]
async fn through_the_router_only_what_it_maps_is_given_out() {
    let (local, range) = free_range(5);
    let pool = PortPool::new(PortOptions::new(range));
    let lease = |n| pool.lease_mapped(local, peer(n), None);
    let unasked = lease(1).unwrap();
    assert_eq!(unasked.exposed_port(), unasked.listened().port());
    drop(unasked);
    let mapped: Mapped = [(range.first, 1001), (range.last, 1002)].into();
    pool.set_mapped(Some(Arc::new(mapped)));
    for _ in 0..10 {
        let leases: Vec<_> = (0..2).map(|_| lease(1).unwrap()).collect();
        let told: BTreeSet<_> = leases.iter().map(PortLease::exposed_port).collect();
        assert_eq!(told, [1001, 1002].into());
        let listened: BTreeSet<_> = leases.iter().map(|l| l.listened().port()).collect();
        assert_eq!(listened, [range.first, range.last].into());
        assert!(matches!(lease(1), Err(LeaseError::Exhausted)));
        assert!([1001, 1002].contains(&lease(2).unwrap().exposed_port()), "shared as others are");
    }
}

#[tokio::test]
async fn who_comes_straight_has_all_ports_by_their_own_numbers() {
    let (local, range) = free_range(3);
    let pool = PortPool::new(PortOptions::new(range));
    pool.set_mapped(Some(Arc::new([(range.first, 1001)].into())));
    let leases: Vec<_> = (0..3).map(|_| pool.lease(local, peer(1), None).unwrap()).collect();
    assert!(leases.iter().all(|lease| lease.exposed_port() == lease.listened().port()));
    // A lease keeps the number it was told as.
    drop(leases);
    let lease = pool.lease_mapped(local, peer(1), None).unwrap();
    pool.set_mapped(None);
    assert_eq!(lease.exposed_port(), 1001);
}
