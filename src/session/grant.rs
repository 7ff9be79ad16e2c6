//! The data grant: at most one a session, in the states D0–D7 (`requirements.md` §18).
//!
//! D0 is [`Grant::None`], D1 [`Grant::Asking`], D2/D3 [`Grant::Ready`], D4–D7
//! [`Grant::Running`]. Any client mode joins with any server mode: each is one leg, and legs know
//! nothing of each other (P79).

use std::time::Instant;

use super::asking::Asking;
use super::event::{Action, Side};
use super::machine::Machine;
use super::policy::DataCommand;
use super::transfer::Running;

/// The data grant: at most one a session.
#[derive(Debug)]
pub(super) enum Grant {
    None,
    Asking(Box<Asking>),
    Ready {
        modes: Modes,
        expired: bool,
    },
    /// The client had its reply before the server refused: the transfer command gets this.
    Refused(Box<[u8]>),
    Running(Box<Running>),
}

/// Which commands set the connection up, on either side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modes {
    pub(super) client: DataCommand,
    pub(super) server: DataCommand,
}

impl Grant {
    /// Whether the client may give its next command.
    pub(super) const fn is_settled(&self) -> bool {
        matches!(self, Self::None | Self::Ready { .. } | Self::Refused(_))
    }

    /// Whether a transfer runs that has not reported yet.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self, Self::Running(running) if running.is_moving())
    }

    /// Whether a transfer runs of which the server has said that it began.
    pub(super) fn has_started(&self) -> bool {
        matches!(self, Self::Running(running) if running.has_started())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Asking(asking) => asking.deadline(),
            _ => None,
        }
    }
}

impl Machine {
    /// Any state → D0.
    pub(super) fn release(&mut self) {
        if !matches!(self.grant, Grant::None) {
            self.grant = Grant::None;
            self.act(Action::CloseTransfer);
        }
    }

    /// D1 → D0: the client is told why, or will be, ports go back.
    pub(super) fn refuse_grant(&mut self, reply: impl AsRef<[u8]>, now: Instant) {
        let told = matches!(&self.grant, Grant::Asking(asking) if asking.told());
        self.agreed = None;
        self.release();
        if told {
            self.grant = Grant::Refused(reply.as_ref().into());
        } else {
            self.say(Side::Downstream, reply);
        }
        self.last_activity = now;
    }
}

impl DataCommand {
    /// As it stands on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pasv => "PASV",
            Self::Epsv => "EPSV",
            Self::Port => "PORT",
            Self::Eprt => "EPRT",
        }
    }

    /// Whether the one who gets this command listens.
    pub const fn is_passive(self) -> bool {
        matches!(self, Self::Pasv | Self::Epsv)
    }
}
