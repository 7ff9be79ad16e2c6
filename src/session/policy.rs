//! What a session allows and how long it waits: plain values and pure verdicts.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Everything the machine asks before it decides. Made from the configuration, shared by all
/// sessions of a listener.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Our own 220 text. With one, the server is dialled at the first command that needs it
    /// (S20); without, at once, and the server's greeting is passed.
    pub greeting: Option<String>,
    /// The client names its server at login (forward mode); needs a greeting of our own.
    pub forward: bool,
    /// What to ask of the server when the client asks for a data connection (P79).
    pub upstream_mode: UpstreamMode,
    /// Whose address a PORT or EPRT of the client may name (P75).
    pub port_command: PortCommand,
    /// Where the gateway itself listens for control connections: never dialled (P83).
    pub own: Vec<SocketAddr>,
    /// Data ports that the server's 227/229 may name (S2); never below 1024.
    pub upstream_ports: RangeInclusive<u16>,
    /// Commands refused with 502, a verb or a verb and its first word: `DELE`, `SITE EXEC`.
    pub deny: Vec<String>,
    /// What happens to verbs we do not know (P12).
    pub unknown_verbs: UnknownVerbs,
    /// Vendor verbs that open a data connection (P38).
    pub transfer_verbs: Vec<String>,
    /// Verbs whose reply may take `reply_long` (P185).
    pub slow_verbs: Vec<String>,
    /// Hide the server's own address in the text of its replies (P25).
    pub hide_addresses: bool,
    /// Accept a bare LF as end of a client's line (P6).
    pub bare_lf: bool,
    /// Pass CR NUL inside an argument to the server (P5).
    pub cr_nul: bool,
    /// How ABOR is sent to the server (P30).
    pub abor: AborStyle,
    /// Longest command line, bytes without its end (P7).
    pub command_line: usize,
    /// Longest reply line, bytes without its end (P24).
    pub reply_line: usize,
    /// Commands kept waiting before we stop reading from the client (P8).
    pub queued_commands: usize,
    /// Unknown or malformed commands before login until 421 (S10).
    pub bad_commands: u32,
    /// Failed logins until 421 (P105).
    pub login_failures: u32,
    /// IPv6 clients of an IPv4 server are served by the rules of RFC 6384.
    pub rfc6384: Rfc6384,
    /// What is protected by TLS, on either side.
    pub tls: TlsPolicy,
    /// How long the dialogue waits.
    pub timeouts: Timeouts,
}

impl Policy {
    /// Whether the server may be asked to connect to us, so that it has to be let in.
    pub fn lets_server_in(&self) -> bool {
        self.upstream_mode.is_let_in() || self.rfc6384 != Rfc6384::Off
    }
}

/// Whether the session behaves as the translator of RFC 6384, where it is one: between an IPv6
/// client and an IPv4 server (P93).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rfc6384 {
    /// As any other session: what has to be translated is, but nobody can ask for it.
    Off,
    /// By the RFC, but where it is unsafe or breaks sessions.
    On,
    /// By the RFC, even there.
    Strict,
}

/// What is protected by TLS. The two sides know nothing of each other, but for
/// [`ServerTls::Same`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsPolicy {
    /// Towards the client.
    pub client: ClientTls,
    /// A client under TLS has to protect its data as well: PROT C is refused (P117).
    pub client_data: bool,
    /// Towards the server.
    pub server: ServerTls,
    /// A server under TLS has to take PROT P (P118).
    pub server_data: bool,
}

/// What clients may and must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTls {
    /// AUTH is refused.
    Off,
    /// AUTH is offered.
    Optional,
    /// Nothing that matters is taken before AUTH: no password in the clear (S15).
    Required,
    /// TLS from the first byte, as on port 990 (P113).
    Implicit,
    /// AUTH is the server's: once it took one, the session is a byte pipe (P122, P102).
    Passthrough,
}

/// What is asked of the server. Where TLS is asked for and not had, the session ends: there is no
/// fall to clear text (P114).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerTls {
    /// Clear text.
    Off,
    /// AUTH TLS before anything else.
    Explicit,
    /// TLS from the first byte.
    Implicit,
    /// AUTH TLS if FEAT lists it.
    Auto,
    /// AUTH TLS once the client is under TLS.
    Same,
}

/// Waits of the control dialogue (`requirements.md` §18).
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// `T_login`: from accept to a successful login.
    pub login: Duration,
    /// `T_idle`: between two commands, not counted while a transfer runs.
    pub idle: Duration,
    /// `T_reply`: for the server's reply to a command.
    pub reply: Duration,
    /// `T_reply` of slow verbs, and of the final reply after the data ended.
    pub reply_long: Duration,
    /// `T_1yz`: from the transfer command to its first reply.
    pub preliminary: Duration,
    /// `T_grace`: for the server's own words after its data port could not be reached (P44).
    pub grace: Duration,
    /// `T_abor`: for the replies to ABOR before the data connection is reset (P33).
    pub abort: Duration,
    /// `T_tls`: for the handshake on a control connection.
    pub tls: Duration,
    /// How long PASV waits for a port when all are leased to this client's address.
    pub lease_wait: Duration,
}

/// What to ask of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamMode {
    /// The very command the client used, as far as the address family allows.
    Same,
    /// PASV to an IPv4 server, EPSV to an IPv6 one.
    Passive,
    /// PORT to an IPv4 server, EPRT to an IPv6 one.
    Active,
    /// Always this command.
    Command(DataCommand),
}

impl UpstreamMode {
    /// Whether the server may be asked to connect to us, so that it has to be let in.
    pub const fn is_let_in(self) -> bool {
        match self {
            Self::Passive => false,
            Self::Same | Self::Active => true,
            Self::Command(command) => matches!(command, DataCommand::Port | DataCommand::Eprt),
        }
    }
}

/// The four commands that set up a data connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataCommand {
    /// RFC 959.
    Pasv,
    /// RFC 2428.
    Epsv,
    /// RFC 959.
    Port,
    /// RFC 2428.
    Eprt,
}

/// What a client's PORT may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortCommand {
    /// Only the client's own address.
    Strict,
    /// The address is ignored and the client's own used: for clients behind a plain NAT.
    Replace,
}

/// What to do with a verb we do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownVerbs {
    /// Byte for byte to the server.
    Pass,
    /// 500.
    Refuse,
}

/// How ABOR travels to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AborStyle {
    /// As an ordinary line.
    Plain,
    /// After Telnet IP and Synch with urgent data (vsftpd's `async_abor_enable`).
    Urgent,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            greeting: None,
            forward: false,
            upstream_mode: UpstreamMode::Passive,
            port_command: PortCommand::Strict,
            own: Vec::new(),
            upstream_ports: 1024..=u16::MAX,
            deny: Vec::new(),
            unknown_verbs: UnknownVerbs::Pass,
            transfer_verbs: Vec::new(),
            slow_verbs: Vec::new(),
            hide_addresses: false,
            bare_lf: true,
            cr_nul: false,
            abor: AborStyle::Plain,
            command_line: 4096,
            reply_line: 8192,
            queued_commands: 64,
            bad_commands: 10,
            login_failures: 5,
            rfc6384: Rfc6384::Off,
            tls: TlsPolicy::default(),
            timeouts: Timeouts::default(),
        }
    }
}

impl Default for TlsPolicy {
    fn default() -> Self {
        Self {
            client: ClientTls::Off,
            client_data: false,
            server: ServerTls::Off,
            server_data: true,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(60),
            idle: Duration::from_secs(300),
            reply: Duration::from_secs(120),
            reply_long: Duration::from_secs(900),
            preliminary: Duration::from_secs(60),
            grace: Duration::from_secs(2),
            abort: Duration::from_secs(10),
            tls: Duration::from_secs(15),
            lease_wait: Duration::from_secs(3),
        }
    }
}
