//! The few replies the gateway utters itself.
//!
//! Fixed ASCII that never repeats a client's bytes (P19, S10). 4yz where a retry may work, 5yz
//! where it will not, 421 where the connection ends.

macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &[u8] = concat!($text, "\r\n").as_bytes();)*

        /// Every reply of this file, for tests.
        pub const ALL: &[&[u8]] = &[$($name),*];
    };
}

replies! {
    /// Something is wrong on our side; the operator is told what.
    NO_SERVICE = "421 The service is not available, try again later.";
    /// Over the limit of the listener, the server or the process (S18).
    TOO_MANY_SESSIONS = "421 Too many sessions, try again later.";
    /// Over the limit for one client address (S18).
    TOO_MANY_FROM_CLIENT = "421 Too many sessions from your address.";
    /// Over the limit of those who have not logged in (S18).
    TOO_MANY_LOGINS = "421 Too many logins under way, try again later.";
    /// Over the rate of one client address (S18).
    TOO_FAST = "421 Too many connections from your address, try again in a minute.";
    /// The client's network is not let in (S36).
    NOT_WELCOME = "421 Service not available to your address.";
    /// The server that the client chose is none it may choose (S38): no word about why.
    NOT_THAT_SERVER = "421 That server is not available from here.";
    /// We are stopping (P179).
    SHUTTING_DOWN = "421 The service is shutting down, closing control connection.";
    /// No server answered (P111): no word about which.
    SERVER_UNREACHABLE = "421 The server cannot be reached, try again later.";
    /// The server closed its control connection.
    SERVER_GONE = "421 The server closed the connection.";
    /// The server talks out of turn (P21).
    SERVER_CONFUSED = "421 The server sent replies out of turn, closing control connection.";
    /// The server does not answer.
    SERVER_SILENT = "421 The server did not answer in time, closing control connection.";
    /// `T_idle`.
    IDLE_TIMEOUT = "421 Idle for too long, closing control connection.";
    /// `T_login` (S19).
    LOGIN_TIMEOUT = "421 Login took too long, closing control connection.";
    /// S10.
    TOO_MANY_BAD_COMMANDS = "421 Too many bad commands, closing control connection.";
    /// P105.
    TOO_MANY_LOGIN_FAILURES = "421 Too many failed logins, closing control connection.";
    /// Forward mode, before a server is named.
    NAME_THE_SERVER = "530 Name the server as you log in: USER name@host, or OPEN host first.";
    /// Forward mode: a login without a server is one to the gateway itself.
    ANY_PASSWORD = "331 This gateway has no accounts: any password will do, then name the server.";
    /// Forward mode: and this is its end.
    NOW_NAME_THE_SERVER = "230 Now name the server: USER name@host, or OPEN host.";
    /// Forward mode: not allowed, not found or not there, which is nobody's business (S38).
    SERVER_REFUSED = "530 That server cannot be reached from here.";
    /// Forward mode: the session is for the server that was named first.
    OTHER_SERVER = "503 This session is for another server, QUIT first.";
    /// Forward mode: there are no accounts here.
    ACCOUNT_NOT_NEEDED = "202 No account is needed here.";
    /// P7.
    LINE_TOO_LONG = "500 Command line too long.";
    /// P3.
    BAD_COMMAND = "500 Syntax error, command unrecognized.";
    /// P5, P74.
    BAD_ARGUMENT = "501 Syntax error in parameters or arguments.";
    /// P12, P81, P182, P187.
    NOT_IMPLEMENTED = "502 Command not implemented.";
    /// In the place of a greeting that says more than hello (P114).
    READY = "220 Ready.";
    /// P112.
    AUTH_OK = "234 AUTH TLS ok, begin the handshake.";
    /// P112.
    AUTH_UNKNOWN = "504 Unknown security mechanism, use AUTH TLS.";
    /// P110, P112.
    AUTH_TOO_LATE = "503 AUTH comes before USER, and once.";
    /// S12.
    AUTH_NOT_LAST = "421 Nothing may follow AUTH before the handshake, closing control connection.";
    /// P115: TLS needs no buffer size.
    PBSZ_OK = "200 PBSZ=0";
    /// P115.
    PBSZ_FIRST = "503 PBSZ 0 comes first.";
    /// P115.
    AUTH_FIRST = "503 AUTH TLS comes first.";
    /// P115.
    PROT_OK = "200 PROT ok.";
    /// P115.
    PROT_UNKNOWN = "504 PROT C or PROT P.";
    /// P115: levels S and E.
    PROT_NOT_SUPPORTED = "536 Only PROT C and PROT P.";
    /// P117.
    PROT_REQUIRED = "534 Data connections must be protected: PROT P.";
    /// P117.
    DATA_MUST_BE_PROTECTED = "521 Data connections must be protected: send PROT P first.";
    /// P121.
    CCC_REFUSED = "534 The control connection stays protected.";
    /// P121.
    CCC_NOT_PROTECTED = "533 The control connection is not protected.";
    /// S15.
    TLS_REQUIRED = "530 TLS is required: send AUTH TLS first.";
    /// P109.
    REIN_UNDER_TLS = "502 REIN is not possible under TLS.";
    /// P117.
    DATA_TLS_FAILED = "522 TLS on the data connection failed.";
    /// P114: no word about why.
    SERVER_TLS_FAILED = "421 No protected connection to the server, closing control connection.";
    /// A command the configuration denies.
    DENIED = "502 Command not allowed here.";
    /// OPTS of a feature that FEAT does not list (P90).
    OPTS_UNKNOWN = "501 Option not understood.";
    /// P52.
    MODE_NOT_SUPPORTED = "504 Only stream mode is supported.";
    /// P75, S1.
    PORT_FOREIGN = "500 Illegal PORT: it must name your own address.";
    /// P74, S1.
    PORT_LOW = "504 Illegal PORT: ports below 1024 are not allowed.";
    /// PORT on an IPv6 control connection.
    PORT_OVER_IPV6 = "500 PORT cannot carry an IPv6 address, use EPRT.";
    /// P70.
    PASV_OVER_IPV6 = "425 PASV cannot carry an IPv6 address, use EPSV.";
    /// P71, P77.
    USE_FAMILY_1 = "522 Network protocol not supported, use (1)";
    /// P71, P77.
    USE_FAMILY_2 = "522 Network protocol not supported, use (2)";
    /// P72.
    EPSV_ALL_OK = "200 EPSV ALL accepted.";
    /// P72.
    EPSV_ALL_ONLY = "503 Only EPSV is allowed after EPSV ALL.";
    /// RFC 6384 §6 (P95).
    EPSV_ALL_REFUSED = "504 EPSV ALL is not possible through a translator.";
    /// RFC 6384 §11 (P99): neither EPSV nor EPRT is translated.
    ALGS_NONE = "216 NONE";
    /// RFC 6384 §11 (P99): both are.
    ALGS_EPSV_EPRT = "216 EPSVEPRT";
    /// RFC 6384 §11 (P99).
    ALGS_UNKNOWN = "504 ALGS STATUS64, ENABLE64 or DISABLE64.";
    /// RFC 6384 §12 (P100).
    NOOP_REFUSED = "421 The server refused NOOP, closing control connection.";
    /// RFC 959.
    PORT_OK = "200 PORT command successful.";
    /// RFC 2428.
    EPRT_OK = "200 EPRT command successful.";
    /// NOOP before there is a server.
    NOOP_OK = "200 NOOP ok.";
    /// QUIT before there is a server.
    GOODBYE = "221 Goodbye.";
    /// S21: never a port outside the range.
    NO_FREE_PORT = "425 No data port is free for your address, try again later.";
    /// P66.
    NO_ADDRESS = "425 No address is known that you could reach, use EPSV.";
    /// The kernel said no.
    NO_LISTENER = "425 Cannot open a data port, try again later.";
    /// The server refused the data connection we asked for on the client's behalf.
    NO_DATA_FROM_SERVER = "425 The server refused to set up a data connection.";
    /// The server's 227 or 229 makes no sense, or names a port we do not dial (S2).
    BAD_DATA_ADDRESS = "425 The server named a data port that cannot be used.";
    /// P39.
    USE_PASV_FIRST = "425 Use PASV, EPSV, PORT or EPRT first.";
    /// The data connection of this grant was never opened.
    DATA_TIMED_OUT = "425 The data connection was not opened in time, ask for a new one.";
    /// P44, P46.
    CANNOT_OPEN_DATA = "425 Cannot open data connection.";
    /// P49.
    TRANSFER_BROKEN = "426 Data connection broken; transfer incomplete.";
    /// P49: everything went out, but the server did not say so.
    NOT_CONFIRMED = "451 The server did not confirm the transfer.";
    /// P33: the server gave one reply for both the transfer and ABOR.
    ABOR_DONE = "226 ABOR processed.";
}

/// The code of one of these replies.
pub const fn code(reply: &[u8]) -> u16 {
    match reply {
        [a, b, c, ..] => (*a - b'0') as u16 * 100 + (*b - b'0') as u16 * 10 + (*c - b'0') as u16,
        _ => 0,
    }
}

/// Our own FEAT answer when the server has none (P91).
pub fn feat<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut reply = b"211-Features:\r\n".to_vec();
    for line in lines {
        reply.push(b' ');
        reply.extend_from_slice(line.as_bytes());
        reply.extend_from_slice(b"\r\n");
    }
    reply.extend_from_slice(b"211 End\r\n");
    reply
}
