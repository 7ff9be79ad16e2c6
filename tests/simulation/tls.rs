//! What must hold of TLS on the control connections: a shadow that knows what was asked for.

use ftpgate::session::event::{Side, Stage};
use ftpgate::session::policy::{ClientTls, ServerTls, TlsPolicy};

use super::dice::Dice;
use super::ledger::Verdict;

/// Which sides are protected, and whether they had to be.
pub(crate) struct Tls {
    policy: TlsPolicy,
    shaking: [bool; 2],
    up: [bool; 2],
    protected: bool,
}

impl Tls {
    pub(crate) const fn new(policy: TlsPolicy) -> Self {
        Self { policy, shaking: [false; 2], up: [false; 2], protected: false }
    }

    pub(crate) const fn is_shaking(&self, side: Side) -> bool {
        self.shaking[side.index()]
    }

    /// The machine asks for a handshake.
    pub(crate) fn start(&mut self, side: Side) -> Verdict {
        let off = match side {
            Side::Downstream => {
                matches!(self.policy.client, ClientTls::Off | ClientTls::Passthrough)
            }
            Side::Upstream => self.policy.server == ServerTls::Off,
        };
        if off || self.up[side.index()] || self.shaking[side.index()] {
            return Err(format!("a handshake that should not be, {}", side.label()));
        }
        self.shaking[side.index()] = true;
        Ok(())
    }

    /// AUTH was the server's.
    pub(crate) fn tunnelled(&self) -> Verdict {
        match self.policy.client {
            ClientTls::Passthrough => Ok(()),
            _ => Err("a tunnel that nobody asked for".into()),
        }
    }

    /// The handshake is over.
    pub(crate) fn over(&mut self, side: Side, up: bool) {
        self.shaking[side.index()] = false;
        self.up[side.index()] = up;
    }

    /// Names and passwords travel in the clear only where that is allowed (S15, P114).
    pub(crate) fn told_server(&self, line: &[u8]) -> Verdict {
        let verb = line.split(|b| *b == b' ').next().unwrap_or_default().to_ascii_uppercase();
        if !matches!(&*verb, b"USER" | b"PASS" | b"ACCT") {
            return Ok(());
        }
        let [client, server] = self.up;
        let client_must = matches!(self.policy.client, ClientTls::Required | ClientTls::Implicit);
        let server_must = match self.policy.server {
            ServerTls::Explicit | ServerTls::Implicit => true,
            ServerTls::Same => client,
            ServerTls::Auto | ServerTls::Off => false,
        };
        if client_must && !client || server_must && !server {
            return Err("a login in the clear".into());
        }
        Ok(())
    }

    /// Data travel in the clear only where that is allowed (P117, P118).
    pub(crate) fn advanced(&mut self, stage: Stage) -> Verdict {
        match stage {
            Stage::Protected(legs) => {
                self.protected = legs.downstream;
                if legs.downstream && !self.up[0] || legs.upstream && !self.up[1] {
                    return Err("protected data beside an open dialogue".into());
                }
            }
            Stage::Requested(_) => {
                let protected = std::mem::take(&mut self.protected);
                if self.policy.client_data && !protected {
                    return Err("data in the clear".into());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Mostly none at all.
pub(crate) fn policy(dice: &mut Dice) -> TlsPolicy {
    if dice.once_in(8) {
        return TlsPolicy { client: ClientTls::Passthrough, ..TlsPolicy::default() };
    }
    if !dice.once_in(3) {
        return TlsPolicy::default();
    }
    let client = *dice.pick(&[
        ClientTls::Off,
        ClientTls::Optional,
        ClientTls::Optional,
        ClientTls::Required,
        ClientTls::Implicit,
    ]);
    TlsPolicy {
        client,
        client_data: client != ClientTls::Off && dice.once_in(3),
        server: *dice.pick(&[
            ServerTls::Off,
            ServerTls::Explicit,
            ServerTls::Implicit,
            ServerTls::Auto,
            ServerTls::Same,
        ]),
        server_data: dice.once_in(2),
    }
}
