//! One record for each transfer and each session (S30). The keys are stable.
//!
//! | key | meaning |
//! |---|---|
//! | `session` | the session's name, in every record of it |
//! | `listener` | the listener's name in the configuration |
//! | `client`, `server` | address and port of the two control connections' far ends |
//! | `user` | as sent with USER |
//! | `verb`, `path` | the command; escaped, cut at 512 bytes (S28) |
//! | `direction` | `download`, `upload`, `either` |
//! | `bytes_up`, `bytes_down` | bytes written towards the server, towards the client |
//! | `seconds` | of the data connection, or of the whole session |
//! | `outcome` | `ok`, `failed` (nothing moved), `incomplete` (something did), `aborted`; of a tunnel `forwarded`, for nobody told us |
//! | `why` | for any other than `ok`: what went wrong, and on whose side |
//! | `closed_first` | whose end of file or reset came first: `client`, `server` |
//! | `client_mode`, `server_mode` | PASV, EPSV, PORT, EPRT as asked, and as asked of the server |
//! | `client_code`, `server_code` | final reply that the client was given, that the server gave |
//! | `client_data`, `server_data` | far ends of the two data connections |
//! | `strangers` | connections to the data port that came from somebody else |
//! | `client_tls`, `server_tls` | TLS version of the data connection, or of the control connection |
//! | `client_resumed`, `server_resumed` | whether a data connection resumed its control connection's TLS session |
//! | `client_cipher`, `server_cipher`, `client_certificate` | of the control connections; the subject of the client's certificate |
//! | `rule` | the rule that chose the advertised address |
//! | `tunnel` | `true`: AUTH was the server's, and after it we carry bytes and know nothing else |
//! | `reason` | why the session ended |
//! | `transfers` | transfers of the session |

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tracing::{field, info};

use super::address::Address;
use super::escape::escape;
use super::xferlog::Xferlog;
use crate::advertise::RuleName;
use crate::registry::SessionId;
use crate::session::event::{Direction, Fault, Outcome, Side, TransferRecord, TransferReport};
use crate::tls::TlsInfo;

/// What the records of one session have in common, and its totals.
#[derive(Debug)]
pub(crate) struct SessionInfo {
    /// Its name.
    pub(crate) id: SessionId,
    /// The listener's name.
    pub(crate) listener: Arc<str>,
    /// The client's end of the control connection.
    pub(crate) client: SocketAddr,
    /// The server's, once connected.
    pub(crate) server: Option<SocketAddr>,
    /// The rule that chose the address last advertised.
    pub(crate) rule: Option<RuleName>,
    /// AUTH was the server's: nothing more is known of the session.
    pub(crate) tunnel: bool,
    /// TLS of the client's and the server's control connection.
    tls: [Option<Box<ControlTls>>; 2],
    opened: Instant,
    transfers: u64,
    uploaded: u64,
    downloaded: u64,
    xferlog: Option<Arc<Xferlog>>,
}

/// TLS of a control connection, for the record.
#[derive(Debug)]
struct ControlTls {
    version: &'static str,
    cipher: &'static str,
    /// Whom the peer's certificate names.
    subject: Option<String>,
}

impl SessionInfo {
    /// Of a session that opens now.
    pub(crate) fn new(
        id: SessionId,
        listener: Arc<str>,
        client: SocketAddr,
        xferlog: Option<Arc<Xferlog>>,
    ) -> Self {
        Self {
            id,
            listener,
            client,
            server: None,
            rule: None,
            tunnel: false,
            tls: [None, None],
            opened: Instant::now(),
            transfers: 0,
            uploaded: 0,
            downloaded: 0,
            xferlog,
        }
    }

    /// A control connection is under TLS now.
    pub(crate) fn secured(&mut self, side: Side, info: &TlsInfo) {
        let (version, cipher) = (info.version.as_str(), info.cipher);
        let subject = info.peer_subject.clone();
        self.tls[side.index() & 1] = Some(Box::new(ControlTls { version, cipher, subject }));
    }

    /// Writes the record of a transfer that is over, and its line of the xferlog.
    pub(crate) fn transfer(&mut self, record: &TransferRecord) {
        let (outcome, why) = verdict(record);
        let report = record.report.as_ref();
        self.count(record);
        info!(
            target: "ftpgate::transfer",
            session = %self.id,
            listener = &*self.listener,
            client = %Address(self.client),
            server = self.server.map(Address).map(field::display),
            user = &*escape(&record.user),
            verb = &*escape(record.verb.as_bytes()),
            path = &*escape(&record.path),
            direction = direction(record.direction),
            bytes_up = report.map_or(0, |r| r.uploaded),
            bytes_down = report.map_or(0, |r| r.downloaded),
            seconds = report.map(|r| r.elapsed.as_millis() as f64 / 1000.0),
            outcome,
            why = why.map(field::display),
            closed_first = report.and_then(|r| r.closed_first).map(Side::label),
            client_mode = record.client_mode,
            server_mode = record.server_mode,
            client_code = record.client_code,
            server_code = record.server_code,
            client_data = report.and_then(|r| r.client).map(Address).map(field::display),
            server_data = report.and_then(|r| r.server).map(Address).map(field::display),
            strangers = report.map_or(0, |r| r.strangers),
            rule = self.rule.map(field::display),
            client_tls = report.and_then(|r| r.client_tls).map(|tls| tls.version),
            client_resumed = report.and_then(|r| r.client_tls).map(|tls| tls.resumed),
            server_tls = report.and_then(|r| r.server_tls).map(|tls| tls.version),
            server_resumed = report.and_then(|r| r.server_tls).map(|tls| tls.resumed),
            "transfer"
        );
        if let Some(xferlog) = &self.xferlog {
            xferlog.transfer(self.client.ip(), record, outcome == OK);
        }
    }

    /// Writes the record of the session. `user` is as sent with USER; `reason` is a stable word such
    /// as [`CloseReason::label`](crate::session::event::CloseReason::label).
    pub(crate) fn closed(&self, user: &[u8], reason: &'static str) {
        let subject = self.tls[0].as_ref().and_then(|tls| tls.subject.as_deref());
        let subject = subject.map(|subject| escape(subject.as_bytes()));
        info!(
            target: "ftpgate::session",
            session = %self.id,
            listener = &*self.listener,
            client = %Address(self.client),
            server = self.server.map(Address).map(field::display),
            user = (!user.is_empty()).then(|| field::display(escape(user))),
            seconds = self.opened.elapsed().as_millis() as f64 / 1000.0,
            reason,
            transfers = self.transfers,
            bytes_up = self.uploaded,
            bytes_down = self.downloaded,
            rule = self.rule.map(field::display),
            client_tls = self.tls[0].as_ref().map(|tls| tls.version),
            client_cipher = self.tls[0].as_ref().map(|tls| tls.cipher),
            client_certificate = subject.map(field::display),
            server_tls = self.tls[1].as_ref().map(|tls| tls.version),
            server_cipher = self.tls[1].as_ref().map(|tls| tls.cipher),
            tunnel = self.tunnel.then_some(true),
            "session"
        );
    }

    /// Writes the record of a data connection of which nothing is known but its ends and bytes.
    pub(crate) fn forwarded(&mut self, report: &TransferReport) {
        self.add(report);
        let (outcome, why) = match report.outcome {
            Outcome::NotOpened(side, fault) => (FAILED, Some(Why::Fault(side, fault))),
            Outcome::Broken(side, fault) => (FORWARDED, Some(Why::Fault(side, fault))),
            _ => (FORWARDED, None),
        };
        info!(
            target: "ftpgate::transfer",
            session = %self.id,
            listener = &*self.listener,
            client = %Address(self.client),
            server = self.server.map(Address).map(field::display),
            direction = direction(Direction::Either),
            bytes_up = report.uploaded,
            bytes_down = report.downloaded,
            seconds = report.elapsed.as_millis() as f64 / 1000.0,
            outcome,
            why = why.map(field::display),
            closed_first = report.closed_first.map(Side::label),
            client_data = report.client.map(Address).map(field::display),
            server_data = report.server.map(Address).map(field::display),
            tunnel = true,
            "transfer"
        );
    }

    fn count(&mut self, record: &TransferRecord) {
        match &record.report {
            Some(report) => self.add(report),
            None => self.transfers += 1,
        }
    }

    fn add(&mut self, report: &TransferReport) {
        self.transfers += 1;
        self.uploaded += report.uploaded;
        self.downloaded += report.downloaded;
    }
}

const OK: &str = "ok";
const FAILED: &str = "failed";
const INCOMPLETE: &str = "incomplete";
const ABORTED: &str = "aborted";
const FORWARDED: &str = "forwarded";

/// The outcome's word, and what went wrong. Only what both sides call whole is `ok`.
fn verdict(record: &TransferRecord) -> (&'static str, Option<Why>) {
    let success = record.client_code / 100 == 2;
    let Some(report) = &record.report else {
        return (FAILED, Some(Why::Word("refused")));
    };
    let moved = report.uploaded + report.downloaded > 0;
    let partly = if moved { INCOMPLETE } else { FAILED };
    match report.outcome {
        Outcome::Delivered | Outcome::NoData if success => (OK, None),
        Outcome::Delivered => (partly, Some(Why::Word("reply"))),
        Outcome::NoData => (partly, Some(Why::Word("no-data"))),
        Outcome::NotOpened(side, fault) | Outcome::Broken(side, fault) => {
            (partly, Some(Why::Fault(side, fault)))
        }
        // 426 is what ABOR gets; another code is the server's own failure.
        Outcome::Stopped if record.client_code == 426 => (ABORTED, Some(Why::Word("stopped"))),
        Outcome::Stopped => (partly, Some(Why::Word("stopped"))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Word(&'static str),
    Fault(Side, Fault),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Fault(side, fault) => write!(f, "{} {}", side.label(), fault.label()),
        }
    }
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Download => "download",
        Direction::Upload => "upload",
        Direction::Either => "either",
    }
}

#[cfg(test)]
mod tests;
