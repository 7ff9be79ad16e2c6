//! What each command of the client does to the machine.

use std::net::SocketAddr;
use std::time::Instant;

use super::event::{Action, CloseReason, Direction, Side};
use super::machine::{Machine, Phase, within};
use super::pending::{Kind, Pending};
use super::policy::{AborStyle, ClientTls, DataCommand, PortCommand, UnknownVerbs};
use crate::ftp::addr::{EprtError, EpsvArg, HostPort, parse_eprt};
use crate::ftp::canned;
use crate::ftp::command::{Command, CommandError, Verb, foreign_protocol};
use crate::ftp::feat::{self, FeatEditor, FeatTls};

/// Telnet IAC IP, then IAC DM: what precedes an urgent ABOR (RFC 959 §4.1.3, P30).
const TELNET_SYNCH: &[u8] = &[0xff, 0xf4, 0xff, 0xf2];

/// Data ports below are never dialled (S1, RFC 2577 §3).
const LOWEST_DATA_PORT: u16 = 1024;

impl Machine {
    /// One whole line of the client, its turn having come.
    pub(super) fn command(&mut self, line: &[u8], now: Instant) {
        if !self.login.done && foreign_protocol(line) {
            return self.end(CloseReason::WrongProtocol, now);
        }
        self.last_activity = now;
        let command = match Command::parse(line, self.policy.cr_nul) {
            Ok(command) => command,
            Err(CommandError::Empty | CommandError::BadVerb) => {
                return self.bad_command(canned::BAD_COMMAND, now);
            }
            Err(CommandError::BadArgument) => {
                // A mangled PORT leaves nothing agreed on, as any other bad PORT (P74).
                if matches!(Verb::of(first_word(line)), Verb::Port | Verb::Eprt) {
                    self.release();
                }
                return self.bad_command(canned::BAD_ARGUMENT, now);
            }
        };
        if self.is_denied(&command) {
            return self.answer(canned::DENIED);
        }
        if self.needs_tls(command.verb) {
            return self.answer(canned::TLS_REQUIRED);
        }
        if command.verb.is_security() && !self.passes(command.verb) {
            return self.security(&command, self.is_last_line(Side::Downstream), now);
        }
        if self.phase == Phase::Lazy {
            self.command_without_server(&command, line, now);
        } else {
            self.dispatch(&command, now);
        }
    }

    fn command_without_server(&mut self, command: &Command<'_>, line: &[u8], now: Instant) {
        match command.verb {
            Verb::Noop => self.say(Side::Downstream, canned::NOOP_OK),
            Verb::Quit => {
                self.say(Side::Downstream, canned::GOODBYE);
                self.end(CloseReason::Quit, now);
            }
            _ if self.policy.forward => self.name_server(command, line, now),
            _ => {
                self.connect();
                self.requeue(line);
            }
        }
    }

    fn dispatch(&mut self, command: &Command<'_>, now: Instant) {
        if self.translates() && self.translate(command, now) {
            return;
        }
        match command.verb {
            Verb::Pasv => self.pasv(now),
            Verb::Epsv => self.epsv(command.arg, now),
            Verb::Port => self.port(command.arg, now),
            Verb::Eprt => self.eprt(command.arg, now),
            verb if verb.sets_up_foreign_data() => {
                self.say(Side::Downstream, canned::NOT_IMPLEMENTED);
            }
            verb if verb.opens_data() => {
                let upload = verb.is_upload();
                let direction = if upload { Direction::Upload } else { Direction::Download };
                self.transfer(command, direction, now);
            }
            Verb::User | Verb::Pass | Verb::Acct => self.forward_login(command, now),
            Verb::Feat => {
                let tls = match self.policy.tls.client {
                    ClientTls::Off => FeatTls::None,
                    ClientTls::Passthrough => FeatTls::Servers,
                    _ => FeatTls::Ours,
                };
                self.forward(command, Kind::Feat(FeatEditor::new(tls)), now);
            }
            Verb::Opts if feat::filtered(first_word(command.arg)) => {
                self.say(Side::Downstream, canned::OPTS_UNKNOWN);
            }
            Verb::Mode if is_block_or_compressed(command.arg) => {
                self.say(Side::Downstream, canned::MODE_NOT_SUPPORTED);
            }
            Verb::Type => {
                let binary = matches!(command.arg.first(), Some(b'I' | b'i' | b'L' | b'l'));
                self.forward(command, Kind::Type(binary), now);
            }
            // To fall back to clear text is unsafe, and to stay would not be REIN (P109).
            Verb::Rein if self.secure.is_tls(Side::Downstream) => {
                self.answer(canned::REIN_UNDER_TLS);
            }
            Verb::Rein => self.forward(command, Kind::Rein, now),
            Verb::Auth => self.pass_auth(command, now),
            Verb::Quit => self.forward(command, Kind::Quit, now),
            Verb::Abor => self.abor(now),
            Verb::Stat if self.in_transfer() => self.forward(command, Kind::Stat, now),
            _ if listed(&self.policy.transfer_verbs, command.name) => {
                self.transfer(command, Direction::Either, now);
            }
            Verb::Other => self.unknown_verb(command, now),
            _ => self.forward(command, Kind::Plain, now),
        }
    }

    /// Sends a command on; its reply is owned by it alone (P9).
    pub(super) fn forward(&mut self, command: &Command<'_>, kind: Kind, now: Instant) {
        let timeouts = &self.policy.timeouts;
        let slow = command.verb.is_slow() || listed(&self.policy.slow_verbs, command.name);
        let wait = if slow { timeouts.reply_long } else { timeouts.reply };
        self.write(Side::Upstream, |line| command.write_to(line));
        // Behind a transfer it has to wait for that: many servers read nothing meanwhile.
        let deadline = if self.pending.is_empty() { within(now, wait) } else { None };
        self.pending.push_back(Pending { kind, deadline, answered: false });
    }

    fn unknown_verb(&mut self, command: &Command<'_>, now: Instant) {
        if self.policy.unknown_verbs == UnknownVerbs::Refuse {
            return self.bad_command(canned::BAD_COMMAND, now);
        }
        if self.login.done || !self.is_one_bad_command_too_many(now) {
            self.forward(command, Kind::Plain, now);
        }
    }

    /// Refuses a line, and ends a session that has nothing better to say before login (S10).
    pub(super) fn bad_command(&mut self, reply: &'static [u8], now: Instant) {
        self.last_activity = now;
        if self.login.done || !self.is_one_bad_command_too_many(now) {
            self.say(Side::Downstream, reply);
        }
    }

    fn is_one_bad_command_too_many(&mut self, now: Instant) -> bool {
        self.bad_commands += 1;
        let too_many = self.bad_commands >= self.policy.bad_commands;
        if too_many {
            self.say(Side::Downstream, canned::TOO_MANY_BAD_COMMANDS);
            self.end(CloseReason::BadCommands, now);
        }
        too_many
    }

    /// `DELE`, or `SITE EXEC`: the verb's experimental twin is denied with it (P11, P186).
    fn is_denied(&self, command: &Command<'_>) -> bool {
        self.policy.deny.iter().any(|rule| {
            let mut words = rule.split_ascii_whitespace();
            let verb = words.next().unwrap_or_default();
            let same = match Verb::of(verb.as_bytes()) {
                Verb::Other => command.name.eq_ignore_ascii_case(verb.as_bytes()),
                known => known == command.verb,
            };
            let word = words.next().map(str::as_bytes);
            same && word.is_none_or(|word| first_word(command.arg).eq_ignore_ascii_case(word))
        })
    }

    // --- data connections ---

    fn pasv(&mut self, now: Instant) {
        if self.epsv_all {
            return self.decline(canned::EPSV_ALL_ONLY, now);
        }
        if self.client.is_ipv6() {
            return self.decline(canned::PASV_OVER_IPV6, now);
        }
        self.ask(DataCommand::Pasv, None, now);
    }

    pub(super) fn epsv(&mut self, arg: &[u8], now: Instant) {
        match (EpsvArg::parse(arg), self.client.is_ipv6()) {
            (EpsvArg::All, _) => {
                self.epsv_all = true;
                self.say(Side::Downstream, canned::EPSV_ALL_OK);
            }
            (EpsvArg::Default, _) | (EpsvArg::V4, false) | (EpsvArg::V6, true) => {
                self.ask(DataCommand::Epsv, None, now);
            }
            (_, v6) => self.decline(own_family(v6), now),
        }
    }

    fn port(&mut self, arg: &[u8], now: Instant) {
        match HostPort::parse(arg) {
            Ok(_) if self.client.is_ipv6() => self.decline(canned::PORT_OVER_IPV6, now),
            Ok(named) => {
                let named = SocketAddr::new(named.ip.into(), named.port);
                self.active(DataCommand::Port, named, now);
            }
            Err(_) => self.decline(canned::BAD_ARGUMENT, now),
        }
    }

    fn eprt(&mut self, arg: &[u8], now: Instant) {
        match parse_eprt(arg) {
            Ok(named) if named.is_ipv6() == self.client.is_ipv6() => {
                self.active(DataCommand::Eprt, named, now);
            }
            Ok(_) | Err(EprtError::Family) => {
                self.decline(own_family(self.client.is_ipv6()), now);
            }
            Err(EprtError::Syntax) => self.decline(canned::BAD_ARGUMENT, now),
        }
    }

    /// PORT and EPRT obey one rule: the client's own address, an unprivileged port (P75, S1).
    fn active(&mut self, mode: DataCommand, named: SocketAddr, now: Instant) {
        let replace = self.policy.port_command == PortCommand::Replace;
        let target = SocketAddr::new(self.client, named.port());
        if self.epsv_all {
            self.decline(canned::EPSV_ALL_ONLY, now);
        } else if target != named && !replace || self.is_own(target) {
            self.decline(canned::PORT_FOREIGN, now);
        } else if target.port() < LOWEST_DATA_PORT {
            self.decline(canned::PORT_LOW, now);
        } else {
            self.ask(mode, Some(target), now);
        }
    }

    /// Whether a server's 227 or 229 may be followed: only to the server itself, never below
    /// 1024, never to ourselves (P63, S2, P83).
    pub(super) fn may_dial(&self, target: SocketAddr) -> bool {
        target.port() >= LOWEST_DATA_PORT
            && self.policy.upstream_ports.contains(&target.port())
            && !self.is_own(target)
    }

    fn is_own(&self, target: SocketAddr) -> bool {
        let ours = [Some(self.local.ip()), self.link().map(|link| link.local.ip())];
        self.policy.own.iter().any(|own| {
            own.port() == target.port()
                && (own.ip() == target.ip()
                    || own.ip().is_unspecified() && ours.contains(&Some(target.ip())))
        })
    }

    // --- during a transfer ---

    /// ABOR, and STAT without argument, overtake a running transfer (P33, RFC 959 §4.1.3); STAT
    /// once it has begun, for before that the reply to either might be the same. QUIT waits: the
    /// transfer is to end first (P35). What is denied has nothing to hurry for.
    pub(super) fn jumps_queue(&self, line: &[u8], queue_is_empty: bool) -> bool {
        if !self.in_transfer() || self.server_gone {
            return false;
        }
        let Ok(command) = Command::parse(line, false) else { return false };
        if self.is_denied(&command) {
            return false;
        }
        let under_way = |abor: bool| {
            self.pending.iter().any(|p| match p.kind {
                Kind::Abor { .. } => abor,
                Kind::Stat => !abor,
                _ => false,
            })
        };
        match command.verb {
            Verb::Abor => !under_way(true) && self.held_abor.is_empty(),
            Verb::Stat => {
                let begun = self.grant.has_started();
                begun && command.arg.is_empty() && queue_is_empty && !under_way(false)
            }
            _ => false,
        }
    }

    fn abor(&mut self, now: Instant) {
        let in_transfer = self.in_transfer();
        let plain = !self.secure.is_tls(Side::Upstream);
        let urgent = plain && self.policy.abor == AborStyle::Urgent && in_transfer;
        if urgent {
            let bytes = TELNET_SYNCH.to_vec();
            self.act(Action::Send { to: Side::Upstream, bytes, urgent });
        }
        self.say(Side::Upstream, b"ABOR\r\n");
        let timeouts = &self.policy.timeouts;
        let wait = if in_transfer { timeouts.abort } else { timeouts.reply };
        self.pending.push_back(Pending::new(Kind::Abor { in_transfer }, now + wait));
    }
}

const fn own_family(v6: bool) -> &'static [u8] {
    if v6 { canned::USE_FAMILY_2 } else { canned::USE_FAMILY_1 }
}

/// MODE B and MODE C, as leniently as servers read them (P52).
fn is_block_or_compressed(arg: &[u8]) -> bool {
    matches!(arg.trim_ascii_start(), [b'B' | b'b' | b'C' | b'c', ..])
}

fn first_word(arg: &[u8]) -> &[u8] {
    arg.split(|b| *b == b' ').next().unwrap_or_default()
}

fn listed(verbs: &[String], name: &[u8]) -> bool {
    verbs.iter().any(|verb| name.eq_ignore_ascii_case(verb.as_bytes()))
}
