//! Commands that were forwarded and wait for their final reply.

use std::time::Instant;

use crate::ftp::command::Verb;
use crate::ftp::feat::FeatEditor;

/// A forwarded command. The server owes exactly one final reply for it (P9).
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) kind: Kind,
    /// When we stop waiting; `None` while something else bounds the wait (a running transfer).
    pub(super) deadline: Option<Instant>,
    /// The client has its final reply already: what the server still says is swallowed.
    pub(super) answered: bool,
}

/// What kind of command it was, as far as its reply is treated in its own way.
#[derive(Debug)]
pub(super) enum Kind {
    /// Not a command: the server's 220.
    Greeting,
    /// Its reply is passed as it is.
    Plain,
    /// USER, PASS or ACCT.
    Login(Verb),
    /// Its reply is edited line by line.
    Feat(FeatEditor),
    /// Our PASV, EPSV, PORT or EPRT.
    Mode,
    /// AUTH of the client, and what the server says to it.
    Auth(Vec<u8>),
    /// A command of ours that protects the connection to the server.
    Own(Own),
    /// PASV, EPRT and the like as the client said it: what comes of it is not ours (P98).
    Raw,
    /// Our NOOP in place of a command that the server does not hear of, and our reply to that (P100).
    Noop(&'static [u8]),
    /// A command that moves data.
    Transfer,
    /// ABOR, and whether it was said in a transfer, whose reply may be for both (P23).
    Abor { in_transfer: bool },
    /// STAT in the middle of a transfer.
    Stat,
    /// TYPE, and whether it asks for a binary one.
    Type(bool),
    /// REIN.
    Rein,
    /// QUIT.
    Quit,
}

impl Pending {
    pub(super) const fn new(kind: Kind, deadline: Instant) -> Self {
        Self { kind, deadline: Some(deadline), answered: false }
    }
}

/// The commands by which the gateway protects its connection to the server, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// FEAT, to see whether AUTH TLS is offered; and whether it was seen.
    Feat(bool),
    Auth,
    Pbsz,
    Prot,
}
