//! What else happens around the machine: the data plane, the connections, their handshakes.

use std::net::SocketAddr;
use std::time::Duration;

use ftpgate::session::event::{Event, Fault, Outcome, Side, Stage, TransferReport};
use ftpgate::session::policy::ServerTls;

use super::ledger::Verdict;
use super::world::World;

impl World {
    /// The data plane reports what it may report at this stage.
    pub(super) fn data_ends(&mut self) -> Verdict {
        let Some(stage) = self.data else { return Ok(()) };
        if stage != Stage::Granted && self.dice.once_in(4) {
            return self.give(Event::TransferJoined);
        }
        let side = *self.dice.pick(&[Side::Downstream, Side::Upstream]);
        let fault = *self.dice.pick(&[Fault::Reset, Fault::Stalled, Fault::Local]);
        let missing = *self.dice.pick(&[Fault::Unreachable, Fault::NotOpened, Fault::Local]);
        let outcome = match (stage, self.dice.below(8)) {
            (Stage::Granted, 0) => Outcome::NotOpened(side, missing),
            (Stage::Granted, _) => return Ok(()),
            (Stage::Failed, 0..6) => Outcome::Stopped,
            (Stage::Finished(_), 0) => Outcome::NoData,
            (_, 0..2) => Outcome::NotOpened(side, missing),
            (_, 2..4) => Outcome::Broken(side, fault),
            (_, _) => Outcome::Delivered,
        };
        self.report(outcome)
    }

    pub(super) fn report(&mut self, outcome: Outcome) -> Verdict {
        let report = TransferReport {
            outcome,
            downloaded: self.dice.below(200) as u64,
            uploaded: 0,
            client: None,
            server: None,
            closed_first: None,
            elapsed: Duration::ZERO,
            strangers: 0,
            client_tls: None,
            server_tls: None,
        };
        self.data = None;
        self.ledger.reported(report);
        self.give(Event::TransferDone(report))
    }

    /// What was sent behind the last line in the clear is no dialogue any more: in the sockets it
    /// spoils the handshake, and in the machine it must not be (S12, S13).
    pub(super) fn start_tls(&mut self, side: Side) -> Verdict {
        self.tls.start(side)?;
        self.tally.count(format!("tls {}", side.label()));
        match side {
            Side::Downstream => self.typed.clear(),
            Side::Upstream => self.server.said.clear(),
        }
        self.ledger.starts_anew(side);
        Ok(())
    }

    pub(super) fn is_shaking(&self) -> bool {
        [Side::Downstream, Side::Upstream].into_iter().any(|side| self.tls.is_shaking(side))
    }

    /// A handshake that is under way ends.
    pub(super) fn shake(&mut self, fails: bool) -> Verdict {
        for side in [Side::Downstream, Side::Upstream] {
            if !self.tls.is_shaking(side) {
                continue;
            }
            if self.machine.wants_input(side) {
                return Err("reads in the middle of a handshake".into());
            }
            self.tls.over(side, !fails);
            if side == Side::Upstream && !fails && self.policy.tls.server == ServerTls::Implicit {
                self.server.greet(&mut self.dice);
            }
            return self.give(if fails { Event::TlsFailed(side) } else { Event::TlsUp(side) });
        }
        Ok(())
    }

    pub(super) fn connection_answers(&mut self) -> Verdict {
        if self.is_shaking() {
            let fails = self.dice.once_in(10);
            return self.shake(fails);
        }
        if !self.dialing {
            return Ok(());
        }
        match self.dice.once_in(20) {
            true => {
                self.dialing = false;
                self.give(Event::ConnectFailed)
            }
            false => self.connect(),
        }
    }

    pub(super) fn connect(&mut self) -> Verdict {
        (self.dialing, self.connected) = (false, true);
        let v6 = self.dice.once_in(4);
        let (peer, local) = if v6 {
            ("[fd00::2]:21", "[fd00::1]:33000")
        } else {
            ("10.0.0.2:21", "10.0.0.1:33000")
        };
        let (peer, local): (SocketAddr, SocketAddr) =
            (peer.parse().unwrap(), local.parse().unwrap());
        self.ledger.server = Some(peer.ip());
        if self.policy.tls.server != ServerTls::Implicit {
            self.server.greet(&mut self.dice);
        }
        let epsv = !self.dice.once_in(3);
        self.give(Event::Connected { peer, local, epsv })
    }

    pub(super) fn hang_up(&mut self, side: Side) -> Verdict {
        if std::mem::replace(&mut self.gone[side.index()], true) {
            return Ok(());
        }
        self.ledger.server_gone |= side == Side::Upstream;
        self.give(Event::Eof(side))
    }
}
