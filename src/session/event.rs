//! What goes into the machine and what comes out of it.
//!
//! One mutation ([`Event`]) in, then actions ([`Action`]) out until there are none. Nothing here
//! touches a socket or a clock, so every interleaving of a session is a test.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The two sides of a session: the FTP client's and the FTP server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Towards the FTP client.
    Downstream,
    /// Towards the FTP server.
    Upstream,
}

impl Side {
    /// The side across the gateway.
    pub const fn other(self) -> Self {
        match self {
            Self::Downstream => Self::Upstream,
            Self::Upstream => Self::Downstream,
        }
    }

    /// `0` downstream, `1` upstream: for two-element arrays.
    pub const fn index(self) -> usize {
        match self {
            Self::Downstream => 0,
            Self::Upstream => 1,
        }
    }

    /// Stable word for logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Downstream => "client",
            Self::Upstream => "server",
        }
    }
}

/// Which way the bytes of a transfer flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Server to client: RETR, LIST, NLST, MLSD.
    Download,
    /// Client to server: STOR, STOU, APPE.
    Upload,
    /// A configured vendor verb of which nothing else is known: either way, or both.
    Either,
}

/// How far the control dialogue about a transfer has come; only ever grows.
///
/// Told to the running transfer by [`Action::Advance`] (`requirements.md` §18, D2–D7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The mode command was answered; no transfer command yet (D2/D3).
    Granted,
    /// What of the transfer that is requested next is under TLS; not said of none. It counts from
    /// the transfer command on, whatever PROT was before (P116).
    Protected(Protection),
    /// The transfer command was forwarded (D4): time to dial a passive server (P42).
    Requested(Direction),
    /// A 1yz was seen (D5): time to dial an active client (P46).
    Started(Direction),
    /// The final 2yz was seen (D6): what is still to come is bounded by `T_drain`.
    Finished(Direction),
    /// A final 4yz/5yz was seen, or ABOR ran out of patience: reset what is open (D7).
    Failed,
}

/// Which legs of a transfer are under TLS: the level of PROT on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    /// The client's leg. We are the TLS server on it, whoever connects (P119).
    pub downstream: bool,
    /// The server's leg. We are the TLS client on it.
    pub upstream: bool,
}

/// How one end of a data connection comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// We listen (the lease was taken by [`Action::Listen`]) and the peer connects.
    Accept,
    /// We connect to this address.
    Connect(SocketAddr),
}

/// The two legs to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferPlan {
    /// Towards the client.
    pub downstream: Leg,
    /// Towards the server.
    pub upstream: Leg,
}

/// Why a leg failed. Stable words for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Our connect was refused or found no route.
    Unreachable,
    /// The peer never connected (`T_accept`) or our connect got no answer (`T_dial`).
    NotOpened,
    /// The connection broke: reset, or an error while reading or writing.
    Reset,
    /// Nothing moved for `T_stall` (or `T_drain` once the final reply was in).
    Stalled,
    /// The TLS handshake failed, or its session was not the control connection's.
    Tls,
    /// The kernel refused us a socket, a descriptor or an address.
    Local,
}

impl Fault {
    /// Short and stable, for logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NotOpened => "not-opened",
            Self::Reset => "reset",
            Self::Stalled => "stalled",
            Self::Tls => "tls",
            Self::Local => "local",
        }
    }
}

/// How a transfer ended, seen from the data plane alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every byte read from the source was written to the destination, and its end passed on.
    Delivered,
    /// A leg never came up.
    NotOpened(Side, Fault),
    /// A leg that was up broke before everything was delivered.
    Broken(Side, Fault),
    /// The server said the transfer is over with success without opening a data connection.
    NoData,
    /// We were told to stop ([`Stage::Failed`]).
    Stopped,
}

/// What a transfer did; the data plane's last word on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferReport {
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes written to the client's leg.
    pub downloaded: u64,
    /// Bytes written to the server's leg.
    pub uploaded: u64,
    /// The client's end of the data connection.
    pub client: Option<SocketAddr>,
    /// The server's end of the data connection.
    pub server: Option<SocketAddr>,
    /// Whose end of file or reset came first.
    pub closed_first: Option<Side>,
    /// From both legs up to the end.
    pub elapsed: Duration,
    /// Connections dropped because they came from somebody else (S4).
    pub strangers: u32,
    /// TLS of the client's leg, if it had any.
    pub client_tls: Option<LegTls>,
    /// TLS of the server's leg, if it had any.
    pub server_tls: Option<LegTls>,
}

/// TLS of one data connection, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegTls {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// Whether it resumed the session of its control connection.
    pub resumed: bool,
}

/// Why no data port could be given out (answered with 425).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenError {
    /// Every port of the range is leased to this very client address.
    Exhausted,
    /// There is no address that may be told to this client (P66).
    NoAddress,
    /// The kernel refused: descriptors, permission, address not local.
    Local,
}

/// Something happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// Bytes arrived on a control connection, cut anywhere.
    Bytes(Side, &'a [u8]),
    /// A control connection ended (end of file or error).
    Eof(Side),
    /// The control connection to the server is up.
    Connected {
        /// The server's address: the only one that data is ever dialled to (P57, P63).
        peer: SocketAddr,
        /// Our end of it: what an upstream PORT names (P76).
        local: SocketAddr,
        /// Whether EPSV may be tried: `false` while a refusal is remembered (P73).
        epsv: bool,
    },
    /// No server could be reached.
    ConnectFailed,
    /// A data port listens now. Downstream: the address and port to *tell* the client
    /// (advertised address, exposed port). Upstream: the address to put into PORT or EPRT.
    Listening(Side, SocketAddr),
    /// No data port could be had.
    ListenRefused(Side, ListenError),
    /// Both legs of the running transfer are up. Told no later than a deadline would be: until then
    /// nobody asks.
    TransferJoined,
    /// The running transfer ended.
    TransferDone(TransferReport),
    /// The time of [`poll_deadline`](super::machine::Machine::poll_deadline) came.
    Deadline,
    /// The TLS handshake on a control connection is done.
    TlsUp(Side),
    /// It failed.
    TlsFailed(Side),
    /// The process is stopping: finish what moves, refuse what is new.
    Drain,
}

/// Something is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Write to a control connection. `urgent`: the last byte goes out as TCP urgent data (P30).
    Send {
        /// Whom to.
        to: Side,
        /// Whole lines, CRLF included.
        bytes: Vec<u8>,
        /// Mark the last byte urgent.
        urgent: bool,
    },
    /// Open the control connection to the server.
    Connect,
    /// Open it to the server that the client named, if that one may be reached at all.
    ConnectTo {
        /// A name or an address literal.
        host: String,
        /// The control port there.
        port: u16,
    },
    /// Write what is to be written, then begin the TLS handshake on that control connection;
    /// nothing is read from it in between.
    StartTls(Side),
    /// The server took the client's AUTH: write what is to be written, then carry bytes both ways
    /// and look at none (P122). The machine has nothing more to say.
    Tunnel,
    /// Lease a data port on that side. `advertise`: the address will be spoken (227), so one that
    /// is valid for this client must exist; with 229 only the port counts.
    Listen {
        /// Which side will connect to it.
        side: Side,
        /// Who may connect.
        expected: IpAddr,
        /// Whether the advertised address is needed too.
        advertise: bool,
        /// The connection will be under TLS or will not be used, whatever is said until then.
        protected: bool,
    },
    /// Start the transfer task over the leases and targets of this grant.
    Open(TransferPlan),
    /// Tell the transfer task how far the dialogue has come.
    Advance(Stage),
    /// The client has ended its control connection: it opens its data connection within `T_close`,
    /// or not at all.
    Hurry,
    /// Drop the grant: leases go back, an open leg is reset.
    CloseTransfer,
    /// The server refused EPSV: remember it for its other sessions (P73).
    EpsvRefused,
    /// The login succeeded: no longer counted among those who have not logged in.
    LoggedIn,
    /// One transfer is over; everything the machine knows about it.
    Record(Box<TransferRecord>),
    /// Flush and end both control connections.
    Close(CloseReason),
}

/// One data transfer, for the log (S30).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRecord {
    /// The command as the client sent it, upper case.
    pub verb: String,
    /// Its argument, bytes as sent (a path in whatever encoding).
    pub path: Vec<u8>,
    /// The user name as sent, empty before USER.
    pub user: Vec<u8>,
    /// Which way.
    pub direction: Direction,
    /// `true` for TYPE I or L: xferlog wants it.
    pub binary: bool,
    /// What the client asked: `PASV`, `EPSV`, `PORT`, `EPRT`.
    pub client_mode: &'static str,
    /// What we asked of the server.
    pub server_mode: &'static str,
    /// The final reply code of the server, if one came.
    pub server_code: Option<u16>,
    /// The final reply code that the client was given.
    pub client_code: u16,
    /// The data plane's report; `None` when the command failed before any data moved.
    pub report: Option<TransferReport>,
}

/// Why a session ended. Stable words for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// QUIT was answered.
    Quit,
    /// The client went away.
    ClientGone,
    /// The server went away, or said 421.
    ServerGone,
    /// The server could not be reached.
    ServerUnreachable,
    /// The server refused in its greeting.
    ServerRefused,
    /// No command for `T_idle`.
    Idle,
    /// Not logged in within `T_login`.
    LoginTimeout,
    /// The server did not answer within `T_reply`.
    ReplyTimeout,
    /// Too many bad commands before login (S10).
    BadCommands,
    /// Too many failed logins.
    LoginFailures,
    /// Another protocol's first line (S9).
    WrongProtocol,
    /// The server does not speak FTP: three replies in a row that nobody asked for (P21).
    ServerConfused,
    /// The server would not have our NOOP (P100).
    NoopRefused,
    /// Bytes in the clear behind AUTH, or behind the server's 234 (S12, S13).
    Injection,
    /// The TLS handshake with the client failed.
    ClientTls,
    /// The server would not, or could not, protect the connection.
    ServerTls,
    /// We are stopping.
    Drain,
}

impl CloseReason {
    /// Short and stable, for logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::ClientGone => "client-gone",
            Self::ServerGone => "server-gone",
            Self::ServerUnreachable => "server-unreachable",
            Self::ServerRefused => "server-refused",
            Self::Idle => "idle",
            Self::LoginTimeout => "login-timeout",
            Self::ReplyTimeout => "reply-timeout",
            Self::BadCommands => "bad-commands",
            Self::LoginFailures => "login-failures",
            Self::WrongProtocol => "wrong-protocol",
            Self::ServerConfused => "server-confused",
            Self::NoopRefused => "noop-refused",
            Self::Injection => "injection",
            Self::ClientTls => "client-tls",
            Self::ServerTls => "server-tls",
            Self::Drain => "drain",
        }
    }
}
