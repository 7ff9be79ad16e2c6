//! D4–D7: a transfer command was forwarded; the server's verdict and the data plane's report have
//! to come together before the client hears either.

use std::time::{Duration, Instant};

use super::event::{
    Action, Direction, Fault, Outcome, Protection, Side, Stage, TransferRecord, TransferReport,
};
use super::grant::{Grant, Modes};
use super::machine::{Machine, Phase, within};
use super::pending::{Kind, Pending};
use super::replies::{Veil, print};
use crate::ftp::canned;
use crate::ftp::command::Command;
use crate::ftp::reply::ReplyLine;

/// What is kept of a final reply that waits for the data; inner lines beyond are left out (P24).
const MAX_HELD_REPLY: usize = 64 << 10;

/// D4–D7: a transfer command was forwarded.
#[derive(Debug)]
pub(super) struct Running {
    modes: Modes,
    verb: String,
    path: Vec<u8>,
    direction: Direction,
    started: bool,
    /// The data plane was told to stop; it is not told anything after that.
    stopped: bool,
    report: Option<TransferReport>,
    /// The server's final reply, held until the data plane has reported (P48).
    held: Vec<u8>,
    server_code: Option<u16>,
}

impl Running {
    /// Whether the data plane has still to report.
    pub(super) const fn is_moving(&self) -> bool {
        self.report.is_none()
    }

    /// Whether a 1yz came (P17).
    pub(super) const fn has_started(&self) -> bool {
        self.started
    }
}

impl Machine {
    /// A transfer command: D2/D3 → D4, or 425 when nothing was agreed on (P39).
    pub(super) fn transfer(&mut self, command: &Command<'_>, direction: Direction, now: Instant) {
        let Grant::Ready { modes, expired: false } = self.grant else {
            let reply = match &mut self.grant {
                Grant::Ready { .. } => canned::DATA_TIMED_OUT.into(),
                Grant::Refused(reply) => std::mem::take(reply),
                _ => canned::USE_PASV_FIRST.into(),
            };
            return self.refuse_grant(reply, now);
        };
        if self.data_must_be_protected() {
            return self.answer(canned::DATA_MUST_BE_PROTECTED);
        }
        self.grant = Grant::Running(Box::new(Running {
            modes,
            verb: String::from_utf8_lossy(command.name).to_ascii_uppercase(),
            path: command.arg.to_vec(),
            direction,
            started: false,
            stopped: false,
            report: None,
            held: Vec::new(),
            server_code: None,
        }));
        self.write(Side::Upstream, |line| command.write_to(line));
        let protection = self.secure.protection();
        if protection != Protection::default() {
            self.advance(Stage::Protected(protection));
        }
        self.advance(Stage::Requested(direction));
        if self.client_gone {
            self.act(Action::Hurry);
        }
        let wait = now + self.policy.timeouts.preliminary;
        self.pending.push_back(Pending::new(Kind::Transfer, wait));
    }

    /// A 1yz to the transfer command: D4 → D5.
    pub(super) fn transfer_started(&mut self) {
        let Grant::Running(running) = &mut self.grant else { return };
        let direction = running.direction;
        let first = !std::mem::replace(&mut running.started, true);
        if running.report.is_none() {
            // From here on the data plane bounds the wait.
            let stopped = running.stopped;
            self.bound_transfer_wait(None);
            if first && !stopped {
                self.advance(Stage::Started(direction));
            }
        }
    }

    /// Both legs are up: D4 → D5, though some servers never say so with a 1yz (P17).
    pub(super) fn transfer_joined(&mut self) {
        if self.grant.is_moving() {
            self.bound_transfer_wait(None);
        }
    }

    /// Cuts the data connection of a transfer that runs: any state → D7.
    pub(super) fn stop_transfer(&mut self) {
        let Grant::Running(running) = &mut self.grant else { return };
        if running.report.is_none() && !std::mem::replace(&mut running.stopped, true) {
            self.advance(Stage::Failed);
        }
    }

    /// The final reply to the transfer command is in: D5 → D6 or D7.
    pub(super) fn transfer_answered(&mut self, code: u16, now: Instant) {
        let Grant::Running(running) = &mut self.grant else { return };
        running.server_code = Some(code);
        let direction = running.direction;
        if running.report.is_some() {
            return self.resolve(now);
        }
        if !(200..300).contains(&code) {
            self.stop_transfer();
        } else if !running.stopped {
            self.advance(Stage::Finished(direction));
        }
    }

    /// Keeps a line of the final reply until the data plane has reported.
    pub(super) fn hold_line(&mut self, reply: &ReplyLine<'_>) {
        let veil = self.veil();
        if let Grant::Running(running) = &mut self.grant {
            hold(&mut running.held, reply, veil);
        }
    }

    /// The same for the reply to ABOR, which comes after that and in one piece.
    pub(super) fn hold_abor_line(&mut self, reply: &ReplyLine<'_>) {
        let veil = self.veil();
        hold(&mut self.held_abor, reply, veil);
    }

    /// The reply to ABOR is whole. If it overtook the data, nobody wants the rest of them (P33).
    pub(super) fn abor_answered(&mut self) {
        if self.grant.is_moving() {
            self.stop_transfer();
        } else {
            self.say_held_abor();
        }
    }

    fn say_held_abor(&mut self) {
        let held = std::mem::take(&mut self.held_abor);
        if !held.is_empty() {
            self.answer(held);
        }
    }

    /// Whether the server has confirmed or refused a transfer whose data still move (D6).
    pub(super) fn is_draining_data(&self) -> bool {
        let Grant::Running(running) = &self.grant else { return false };
        running.is_moving() && running.server_code.is_some()
    }

    /// The data plane has spoken its last word.
    pub(super) fn transfer_done(&mut self, report: TransferReport, now: Instant) {
        match &mut self.grant {
            Grant::Ready { expired, .. } => *expired = true,
            Grant::Running(running) => {
                running.report = Some(report);
                if running.server_code.is_some() {
                    self.resolve(now);
                } else {
                    let wait = self.patience_after(report.outcome);
                    self.bound_transfer_wait(within(now, wait));
                }
            }
            Grant::None | Grant::Asking(_) | Grant::Refused(_) => {}
        }
        if let Phase::Ending { reason, .. } = self.phase {
            self.close(reason);
        }
    }

    /// How long the server's final reply may take, now that the data is over (P44).
    fn patience_after(&self, outcome: Outcome) -> Duration {
        let timeouts = &self.policy.timeouts;
        match outcome {
            Outcome::Delivered | Outcome::NoData => timeouts.reply_long,
            Outcome::NotOpened(Side::Upstream, _) => timeouts.grace,
            Outcome::NotOpened(..) | Outcome::Broken(..) | Outcome::Stopped => timeouts.abort,
        }
    }

    fn bound_transfer_wait(&mut self, deadline: Option<Instant>) {
        let transfer = self.pending.iter_mut().find(|p| matches!(p.kind, Kind::Transfer));
        if let Some(pending) = transfer {
            pending.deadline = deadline;
        }
    }

    /// Both are in, the server's verdict and the data plane's: the client gets its reply (P48–P50).
    fn resolve(&mut self, now: Instant) {
        let Grant::Running(running) = std::mem::replace(&mut self.grant, Grant::None) else {
            return;
        };
        let mut running = running;
        let (Some(code), Some(report)) = (running.server_code, running.report) else { return };
        let good = (200..300).contains(&code);
        let reply = match report.outcome {
            Outcome::NotOpened(_, Fault::Tls) if good => Some(canned::DATA_TLS_FAILED),
            Outcome::NotOpened(Side::Downstream, Fault::Tls) => Some(canned::DATA_TLS_FAILED),
            Outcome::NotOpened(..) if good => Some(canned::CANNOT_OPEN_DATA),
            Outcome::NotOpened(Side::Downstream, _) if running.started => {
                Some(canned::CANNOT_OPEN_DATA)
            }
            Outcome::Broken(..) | Outcome::Stopped if good => Some(canned::TRANSFER_BROKEN),
            _ => None,
        };
        match reply {
            Some(line) => self.answer(line),
            None => self.answer(std::mem::take(&mut running.held)),
        }
        let client_code = reply.map_or(code, canned::code);
        self.finish(*running, client_code, now);
    }

    /// The server is late with its final reply: the client is not made to wait for it.
    ///
    /// Returns whether there was a transfer to answer for.
    pub(super) fn answer_for_server(&mut self, now: Instant) -> bool {
        let Grant::Running(running) = std::mem::replace(&mut self.grant, Grant::None) else {
            return false;
        };
        let line = match running.report.map(|report| report.outcome) {
            Some(Outcome::Broken(..) | Outcome::Stopped) => canned::TRANSFER_BROKEN,
            Some(Outcome::NotOpened(_, Fault::Tls)) => canned::DATA_TLS_FAILED,
            Some(Outcome::NotOpened(..)) | None => canned::CANNOT_OPEN_DATA,
            Some(Outcome::Delivered | Outcome::NoData) => {
                // Delivered, but the server never confirmed it: not ours to promise (P49).
                canned::NOT_CONFIRMED
            }
        };
        self.answer(line);
        if running.report.is_none() {
            self.act(Action::CloseTransfer);
        }
        self.finish(*running, canned::code(line), now);
        true
    }

    /// The session ends in the middle of a transfer: its record is written all the same (S30).
    pub(super) fn record_unfinished(&mut self) {
        if let Grant::Running(running) = std::mem::replace(&mut self.grant, Grant::None) {
            self.record(*running, 0);
        }
    }

    fn finish(&mut self, running: Running, client_code: u16, now: Instant) {
        self.last_activity = now;
        self.record(running, client_code);
        let aborting = self.pending.iter().any(|p| matches!(p.kind, Kind::Abor { .. }));
        if !aborting {
            self.say_held_abor();
        }
    }

    fn record(&mut self, running: Running, client_code: u16) {
        self.act(Action::Record(Box::new(TransferRecord {
            verb: running.verb,
            path: running.path,
            user: self.login.user.to_vec(),
            direction: running.direction,
            binary: self.binary,
            client_mode: running.modes.client.name(),
            server_mode: running.modes.server.name(),
            server_code: running.server_code,
            client_code,
            report: running.report,
        })));
    }
}

/// What is too long is cut in the middle, never at its end.
pub(super) fn hold(held: &mut Vec<u8>, reply: &ReplyLine<'_>, veil: Option<Veil>) {
    let before = held.len();
    print(reply, veil, held);
    if !reply.ends() && held.len() > MAX_HELD_REPLY {
        held.truncate(before);
    }
}
