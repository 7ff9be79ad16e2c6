//! Ports on the router in front, for the listeners that want them.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::advertise::mapping::{Interest, Keeper};
use crate::advertise::options::Mapping;
use crate::listener::Door;

/// Has the router asked, once for each way that listeners want; returns when it has answered or has
/// had its time.
pub(super) async fn start(doors: impl Iterator<Item = (&Door, Vec<SocketAddr>)>) -> Vec<Keeper> {
    let mut wanted: Vec<(Mapping, Interest)> = Vec::new();
    for (door, controls) in doors {
        let (advertiser, pool) = (&door.rooms.advertiser, &door.rooms.downstream_ports);
        let mapping = advertiser.mapping();
        if mapping == Mapping::Off {
            continue;
        }
        let mut interest = match wanted.iter().position(|(known, _)| *known == mapping) {
            Some(place) => wanted.swap_remove(place).1,
            None => Interest::default(),
        };
        interest.controls.extend(controls);
        interest.advertisers.push(advertiser.clone());
        if !interest.pools.iter().any(|known| Arc::ptr_eq(known, pool)) {
            interest.pools.push(pool.clone());
        }
        wanted.push((mapping, interest));
    }
    let mut keepers: Vec<Keeper> =
        wanted.into_iter().map(|(mapping, interest)| Keeper::start(mapping, interest)).collect();
    for keeper in &mut keepers {
        keeper.asked().await;
    }
    keepers
}

/// Has the mappings removed.
pub(super) async fn close(keepers: Vec<Keeper>) {
    for keeper in keepers {
        keeper.close().await;
    }
}
