//! What the machine wants of the data plane: ports, the address to tell, a transfer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Driver;
use super::control::Control;
use crate::data::ports::{LeaseError, PortLease};
use crate::data::transfer::{LegSource, Transfer};
use crate::session::event::{Leg, ListenError, Side, TransferPlan};

impl Driver {
    pub(super) fn listen(
        &mut self,
        side: Side,
        expected: IpAddr,
        advertise: bool,
    ) -> Result<SocketAddr, ListenError> {
        let local = self.control(side).local().ok_or(ListenError::Local)?;
        let address = match side {
            Side::Downstream if advertise => self.advertised()?,
            _ => local.ip(),
        };
        let (pool, advertiser) = (self.rooms.ports(side), &self.rooms.advertiser);
        let routed = side == Side::Downstream
            && advertiser.is_through_router(self.info.client.ip(), local.ip());
        let lease =
            if routed { pool.lease_mapped(local, expected) } else { pool.lease(local, expected) };
        let lease = match lease {
            Ok(lease) => lease,
            Err(error) => return Err(self.no_lease(side, &error)),
        };
        self.exhausted = false;
        let addr = SocketAddr::new(address, lease.exposed_port());
        if let Some(slot) = self.leases.get_mut(side.index()) {
            *slot = Some(lease);
        }
        Ok(addr)
    }

    fn no_lease(&mut self, side: Side, error: &LeaseError) -> ListenError {
        let (session, listener) = (self.permit.id(), &*self.rooms.name);
        match error {
            LeaseError::Exhausted => {
                // Asked again and again while the client waits: said once.
                if !std::mem::replace(&mut self.exhausted, true) {
                    let (pool, side) = (self.rooms.ports(side), side.label());
                    let (in_use, taken) = (pool.in_use(), pool.passed_over());
                    tracing::warn!(
                        %session, listener, side, in_use, taken,
                        "no data port is free for this address; make the range larger"
                    );
                }
                ListenError::Exhausted
            }
            LeaseError::Local(error) => {
                tracing::warn!(%session, listener, %error, "cannot open a data port");
                ListenError::Local
            }
        }
    }

    /// What this client may see in place of the server's address: what it would be told, or
    /// nothing, never an inner one (P25).
    pub(super) fn outer(&self, local: IpAddr) -> IpAddr {
        let choice = self.rooms.advertiser.choose(self.info.client.ip(), local);
        let nothing = match local.to_canonical() {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        choice.map_or(nothing, |choice| choice.address)
    }

    /// The address to put into 227, by the rule that is logged with it (P66).
    fn advertised(&mut self) -> Result<IpAddr, ListenError> {
        let (client, local) = (self.info.client.ip(), self.arrival.local.ip());
        let choice = self.rooms.advertiser.choose(client, local);
        let choice = choice.ok_or(ListenError::NoAddress)?;
        tracing::debug!(
            session = %self.permit.id(),
            client = %self.info.client,
            address = %choice.address,
            rule = choice.rule.label(),
            "advertised address"
        );
        let address = choice.address;
        self.info.rule = Some(choice.rule);
        Ok(address)
    }

    pub(super) fn open(&mut self, plan: TransferPlan) {
        let [downstream, upstream] = &mut self.leases;
        let [client, server] = &self.controls;
        let port = self.rooms.data.source_port;
        let downstream = source(plan.downstream, downstream.take(), client, port);
        let upstream = source(plan.upstream, upstream.take(), server, 0);
        if let (Some(downstream), Some(upstream)) = (downstream, upstream) {
            let options = self.rooms.data.clone();
            let throttle = self.throttle.clone();
            self.transfer =
                Some(Transfer::start(downstream, upstream, options, throttle, self.tls.transfer()));
        }
    }
}

fn source(leg: Leg, lease: Option<PortLease>, control: &Control, port: u16) -> Option<LegSource> {
    let mut to = match leg {
        Leg::Accept => return lease.map(LegSource::Accept),
        Leg::Connect(to) => to,
    };
    // Data leaves from the address of its control connection (P41), and by the same link.
    let mut from = control.local();
    if let Some(from) = &mut from {
        from.set_port(port);
        if let (SocketAddr::V6(from), SocketAddr::V6(to)) = (from, &mut to) {
            to.set_scope_id(from.scope_id());
        }
    }
    Some(LegSource::Connect { to, from })
}
