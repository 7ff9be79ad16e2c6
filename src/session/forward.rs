//! Forward mode: the client names its server when it logs in.
//!
//! Until it has, there is nobody to pass a command to. Whether a server may be reached at all is
//! not the machine's to know: a name has to be resolved first. Whatever hinders it, the client is
//! told the same (S38): a gateway that tells "refused" from "not there" maps the network behind it.

use std::time::Instant;

use super::event::{Action, Side};
use super::machine::{Machine, Phase};
use super::pending::Kind;
use crate::ftp::canned;
use crate::ftp::command::{Command, Verb};
use crate::ftp::login::{Destination, Login};

/// The server that was named.
#[derive(Debug)]
pub(super) struct Named {
    server: Destination,
    /// By USER, whose words are for the server too; else by SITE or OPEN, whose reply is the
    /// server's greeting.
    by_user: bool,
    /// An ACCT that follows is for a gateway with accounts, which we are not.
    account: bool,
}

impl Machine {
    /// A command before a server is named.
    pub(super) fn name_server(&mut self, command: &Command<'_>, line: &[u8], now: Instant) {
        let opens = command.verb == Verb::Site || command.name.eq_ignore_ascii_case(b"OPEN");
        let named = match command.verb {
            Verb::User => Login::parse(command.arg).map(|login| Named {
                server: login.server,
                by_user: true,
                account: login.account,
            }),
            _ if opens => Destination::parse(command.arg).map(|server| Named {
                server,
                by_user: false,
                account: false,
            }),
            Verb::Pass => return self.answer(canned::NOW_NAME_THE_SERVER),
            // Whoever speaks something else is stopped here as with a server behind (S10).
            Verb::Other => return self.bad_command(canned::NAME_THE_SERVER, now),
            _ => return self.answer(canned::NAME_THE_SERVER),
        };
        let Some(named) = named else {
            // Some clients log in to the gateway before they name the server. It opens nothing.
            if command.verb == Verb::User && !command.arg.contains(&b'@') {
                return self.answer(canned::ANY_PASSWORD);
            }
            self.answer(canned::NAME_THE_SERVER);
            return self.login_failed(now);
        };
        let Destination { host, port } = named.server.clone();
        self.phase = Phase::Connecting;
        self.act(Action::ConnectTo { host, port });
        if named.by_user {
            self.requeue(line);
        }
        self.named = Some(Box::new(named));
    }

    /// The named server is not to be had; another may be named.
    pub(super) fn server_refused(&mut self, now: Instant) {
        if self.named.take().is_some_and(|named| named.by_user) {
            self.queue.pop();
        }
        self.phase = Phase::Lazy;
        self.say(Side::Downstream, canned::SERVER_REFUSED);
        self.login_failed(now);
    }

    /// Whether the greeting is ours alone, and the server's is not passed.
    pub(super) fn greets_itself(&self) -> bool {
        let opened = self.named.as_ref().is_some_and(|named| !named.by_user);
        self.policy.greeting.is_some() && !opened
    }

    /// USER and its kin where the client has named its server.
    pub(super) fn forward_login(&mut self, command: &Command<'_>, now: Instant) {
        let named = self.named.as_deref().filter(|named| named.by_user);
        let mut command = *command;
        match command.verb {
            Verb::Acct if self.login.done && named.is_some_and(|named| named.account) => {
                return self.answer(canned::ACCOUNT_NOT_NEEDED);
            }
            Verb::User => {
                let login = named.and_then(|named| Some((named, Login::parse(command.arg)?)));
                if let Some((named, login)) = login {
                    if named.server != login.server {
                        return self.answer(canned::OTHER_SERVER);
                    }
                    command.arg = login.user;
                }
                self.login.user = command.arg.into();
            }
            _ => {}
        }
        self.forward(&command, Kind::Login(command.verb), now);
    }
}
