//! The advertised address: which one is told to whom, and by which rule.
//!
//! [`rules`] decides (pure), [`sources`] keeps names and the file fresh, [`describe`] tells the
//! operator. A decision never waits: it reads what the background last found.

mod describe;
pub(crate) mod options;
mod rules;
mod sources;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tracing::warn;

pub(crate) use rules::{Choice, RuleName};

use options::AdvertiseOptions;
use rules::Known;
use sources::Told;

/// Decides what the clients of a listener are told. Shared by all its sessions.
#[derive(Debug)]
pub(crate) struct Advertiser {
    options: AdvertiseOptions,
    known: ArcSwap<Known>,
    told: Mutex<Told>,
    /// The fallback was used and the operator told so.
    warned: AtomicBool,
}

impl Advertiser {
    /// Knows nothing about names and the file until [`Self::refresh_once`].
    pub(crate) fn new(mut options: AdvertiseOptions) -> Arc<Self> {
        let written = options.address.is_some() || options.file.is_some();
        options.lan.get_or_insert_with(|| !(written && sources::in_container()));
        let known = ArcSwap::from_pointee(Known::default());
        Arc::new(Self { options, known, told: Mutex::default(), warned: AtomicBool::new(false) })
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
}
