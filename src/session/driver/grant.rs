//! What the machine wants of the data plane: ports, the address to tell, a transfer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Driver;
use crate::data::options::Reuse;
use crate::data::ports::{LeaseError, PortLease};
use crate::data::transfer::{LegSource, Transfer};
use crate::net::socket::Origin;
use crate::session::event::{Leg, ListenError, Side, TransferPlan};

impl Driver {
    pub(super) fn listen(
        &mut self,
        side: Side,
        expected: IpAddr,
        advertise: bool,
        protected: bool,
    ) -> Result<SocketAddr, ListenError> {
        let local = self.control(side).local().ok_or(ListenError::Local)?;
        let address = match side {
            Side::Downstream if advertise => self.advertised()?,
            _ => local.ip(),
        };
        let (pool, data) = (self.rooms.ports(side), &self.rooms.data);
        let proof = if protected && data.tls.reuse == Reuse::Require {
            self.tls.proof(data.accept)
        } else {
            None
        };
        let routed = side == Side::Downstream
            && self.rooms.advertiser.is_through_router(self.info.client.ip(), local.ip());
        let lease = if routed {
            pool.lease_mapped(local, expected, proof)
        } else {
            pool.lease(local, expected, proof)
        };
        let lease = match lease {
            Ok(lease) => lease,
            Err(error) => return Err(self.no_lease(side, expected, &error)),
        };
        self.exhausted = false;
        let addr = SocketAddr::new(address, lease.exposed_port());
        if let Some(slot) = self.leases.get_mut(side.index()) {
            *slot = Some(lease);
        }
        Ok(addr)
    }

    fn no_lease(&mut self, side: Side, expected: IpAddr, error: &LeaseError) -> ListenError {
        let (session, listener) = (self.permit.id(), &*self.rooms.name);
        match error {
            LeaseError::Exhausted => {
                // Asked again and again while the client waits: said once.
                if !std::mem::replace(&mut self.exhausted, true) {
                    let (pool, side) = (self.rooms.ports(side), side.label());
                    let (in_use, taken) = (pool.in_use(), pool.passed_over());
                    tracing::warn!(
                        %session, listener, side, %expected, in_use, taken,
                        "no data port is free: each waits for a connection of this address already, \
                         or is held by another program; make the range larger"
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
        let (client, local) = (self.info.client.ip(), self.reached.ip());
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
        let client = self.origin(Side::Downstream);
        let [mut downstream, mut upstream] = std::mem::take(&mut self.leases);
        let downstream = source(plan.downstream, downstream.take(), client);
        let upstream = self.server_leg(plan.upstream, upstream.take());
        if let (Some(downstream), Some(upstream)) = (downstream, upstream) {
            let options = self.rooms.data.clone();
            let throttle = self.throttle.clone();
            self.transfer =
                Some(Transfer::start(downstream, upstream, options, throttle, self.tls.transfer()));
        }
    }

    /// The server's end of a transfer, told for whom it is where it is to be.
    pub(super) fn server_leg(&self, leg: Leg, lease: Option<PortLease>) -> Option<LegSource> {
        let mut leg = source(leg, lease, self.origin(Side::Upstream));
        if let Some(LegSource::Connect { to, header, .. }) = &mut leg {
            *header = self.data_header(*to);
        }
        leg
    }

    /// How our data connections to a side leave: from the address of its control connection (P41),
    /// which towards a client that aims at the server is the server's (P174).
    pub(super) fn origin(&self, side: Side) -> Origin {
        let [client, server] = &self.controls;
        let rooms = &self.rooms;
        let device = rooms.upstream.options().device.filter(|_| side == Side::Upstream);
        let (from, port, borrowed) = match side {
            Side::Downstream if rooms.lends => (Some(self.reached), rooms.data.source_port, true),
            Side::Downstream => (client.local(), rooms.data.source_port, false),
            Side::Upstream => {
                let port = rooms.data.upstream_source_port;
                (server.local(), port, rooms.data.upstream.borrowed)
            }
        };
        let at_port = |mut from: SocketAddr| {
            from.set_port(port);
            from
        };
        let tuning = match side {
            Side::Downstream => rooms.data.downstream.tuning,
            Side::Upstream => rooms.data.upstream.tuning,
        };
        Origin { from: from.map(at_port), device, borrowed, mark: rooms.upstream.mark(), tuning }
    }
}

fn source(leg: Leg, lease: Option<PortLease>, mut from: Origin) -> Option<LegSource> {
    let mut to = match leg {
        Leg::Accept => return lease.map(LegSource::Accept),
        Leg::Connect(to) => to,
    };
    // By the link of its control connection.
    if let (Some(SocketAddr::V6(from)), SocketAddr::V6(to)) = (from.from, &mut to) {
        to.set_scope_id(from.scope_id());
    }
    // A balancer may have brought us the client in another family.
    if from.from.is_some_and(|from| from.is_ipv4() != to.is_ipv4()) {
        (from.from, from.borrowed) = (None, false);
    }
    Some(LegSource::Connect { to, from, header: None })
}
