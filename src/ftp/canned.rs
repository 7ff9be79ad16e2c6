//! The replies that are our own: fixed, 7-bit, whole lines, and never a byte of what a peer sent
//! (P19, S9). 4yz where a retry may work, 5yz where not, 421 where we close.

/// The listener or the process is full.
pub const TOO_MANY_SESSIONS: &[u8] = b"421 Too many sessions, try again later.\r\n";
/// This client's address has its share of sessions.
pub const TOO_MANY_FROM_ADDRESS: &[u8] = b"421 Too many sessions from your address.\r\n";
/// The client's network is not on the access list.
pub const ACCESS_DENIED: &[u8] = b"421 Access denied.\r\n";
/// The server cannot be reached (P111).
pub const UPSTREAM_DOWN: &[u8] = b"421 Service not available, try again later.\r\n";
/// The server hung up.
pub const UPSTREAM_LOST: &[u8] = b"421 The server closed the connection.\r\n";
/// The process is stopping.
pub const SHUTTING_DOWN: &[u8] = b"421 Service is shutting down.\r\n";
/// `T_idle` is over.
pub const IDLE: &[u8] = b"421 Idle for too long, closing.\r\n";
/// `T_login` is over.
pub const LOGIN_TIMEOUT: &[u8] = b"421 Login took too long, closing.\r\n";
/// `T_reply` is over.
pub const REPLY_TIMEOUT: &[u8] = b"421 The server did not answer in time.\r\n";
/// Too many bad commands before login (S10).
pub const TOO_MANY_ERRORS: &[u8] = b"421 Too many bad commands, closing.\r\n";

/// No data port is free (S21).
pub const NO_PORT: &[u8] = b"425 No data port is free, try again later.\r\n";
/// No address may be told to this client (P66).
pub const NO_ADDRESS: &[u8] = b"425 No address to offer for a data connection.\r\n";
/// A transfer command with no data connection agreed on (P39).
pub const USE_PORT_OR_PASV: &[u8] = b"425 Use PORT or PASV first.\r\n";
/// PASV on IPv6 (P70).
pub const USE_EPSV: &[u8] = b"425 PASV is for IPv4 only, use EPSV.\r\n";
/// A leg of the data connection never came up.
pub const CANNOT_OPEN: &[u8] = b"425 Cannot open data connection.\r\n";
/// A leg of the data connection broke.
pub const TRANSFER_ABORTED: &[u8] = b"426 Data connection lost; transfer aborted.\r\n";

/// No verb (P3).
pub const BAD_COMMAND: &[u8] = b"500 Command not understood.\r\n";
/// A line over the limit (P7).
pub const LINE_TOO_LONG: &[u8] = b"500 Command line too long.\r\n";
/// CR, NUL or an argument that does not parse (P5, P74).
pub const BAD_ARGUMENT: &[u8] = b"501 Syntax error in arguments.\r\n";
/// OPTS for a feature we took out (P90).
pub const NO_OPTION: &[u8] = b"501 Option not understood.\r\n";
/// A verb that policy refuses or that we do not carry.
pub const NOT_IMPLEMENTED: &[u8] = b"502 Command not implemented.\r\n";
/// PORT with another's address or a low port (S1).
pub const PORT_REFUSED: &[u8] = b"504 That address and port are not accepted.\r\n";
/// An address family we cannot serve (P71, P77); the list is mandatory.
pub const FAMILY_BOTH: &[u8] = b"522 Network protocol not supported, use (1,2)\r\n";
/// As above, IPv4 only.
pub const FAMILY_V4: &[u8] = b"522 Network protocol not supported, use (1)\r\n";
/// As above, IPv6 only.
pub const FAMILY_V6: &[u8] = b"522 Network protocol not supported, use (2)\r\n";
