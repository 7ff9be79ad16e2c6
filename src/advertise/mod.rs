//! The advertised address: which one is told to whom, and by which rule.
//!
//! [`rules`] decides (pure); [`sources`] keeps names, the file, the cloud's answer ([`cloud`]) and
//! the one of STUN ([`stun`]) fresh; [`mapping`] has a router in front let our ports through;
//! [`describe`] tells the operator. A decision never waits: it reads what the background last found.

mod cloud;
mod describe;
pub(crate) mod mapping;
pub(crate) mod options;
mod rules;
mod sources;
mod stun;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tracing::warn;

pub(crate) use rules::{Choice, RuleName};

use cloud::Platform;
use options::{AdvertiseOptions, Mapping};
use rules::{Addresses, Known};
use sources::Journal;

/// Decides what the clients of a listener are told. Shared by all its sessions.
#[derive(Debug)]
pub(crate) struct Advertiser {
    options: AdvertiseOptions,
    /// The cloud we are in, if it is one we know.
    platform: Option<Platform>,
    in_container: bool,
    known: ArcSwap<Known>,
    journal: Mutex<Journal>,
    /// The fallback was used and the operator told so.
    warned: AtomicBool,
}

impl Advertiser {
    /// Knows nothing about names and the other sources until [`Self::refresh_once`].
    pub(crate) fn new(mut options: AdvertiseOptions) -> Arc<Self> {
        let written = options.address.is_some() || options.file.is_some();
        let in_container = sources::in_container();
        options.lan.get_or_insert(!(written && in_container));
        let platform = options.cloud.as_ref().and_then(|cloud| cloud.recognise());
        let (known, journal) = (ArcSwap::from_pointee(Known::default()), Mutex::default());
        let warned = AtomicBool::new(false);
        Arc::new(Self { options, platform, in_container, known, journal, warned })
    }

    /// The address to tell `client`, who reached us on `local`; `None` is answered with 425 (P66).
    pub(crate) fn choose(&self, client: IpAddr, local: IpAddr) -> Option<Choice> {
        let choice = rules::choose(&self.options, &self.known.load(), client, local);
        if let Some(Choice { address, rule: RuleName::Fallback }) = choice
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            warn!(%client, %address, "{}", describe::fallback_advice(address));
        }
        choice
    }

    /// How a router in front is asked for ports.
    pub(crate) fn mapping(&self) -> Mapping {
        self.options.mapping
    }

    /// Whether `client`, who reached us on `local`, comes through the router whose ports are mapped:
    /// whoever is not told the local address itself.
    pub(crate) fn is_through_router(&self, client: IpAddr, local: IpAddr) -> bool {
        let mapped = self.options.mapping != Mapping::Off && local.to_canonical().is_ipv4();
        mapped && {
            let choice = rules::choose(&self.options, &self.known.load(), client, local);
            choice.is_none_or(|choice| choice.address != local.to_canonical())
        }
    }

    /// What the router in front calls itself outside; `None`: it maps nothing for us now.
    pub(crate) fn set_router(&self, address: Option<Ipv4Addr>) {
        let router = address.map(|v4| Addresses { v4: Some(v4), v6: None });
        self.known.rcu(|known| Known { router, ..Known::clone(known) });
    }

    /// Whether `client`, who reached us on `local`, may be anybody: something on the way, a
    /// container's proxy or a router, puts its own address in place of the sender's (P177).
    pub(crate) fn hides(&self, client: IpAddr, local: IpAddr) -> bool {
        let (client, local) = (client.to_canonical(), local.to_canonical());
        // Rootless containers have no gateway: there the proxy is inside.
        let proxied = self.in_container && (client == local || client.is_loopback());
        proxied || self.known.load().gateways.contains(&client)
    }
}
