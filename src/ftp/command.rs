//! A client's line to verb and argument, and back (P3–P5, P11).

use memchr::{memchr, memchr3};
use thiserror::Error;

pub use super::verb::Verb;

#[cfg(test)]
mod tests;

/// Longest verb that is passed on (P3).
const MAX_VERB: usize = 16;

/// One command. The argument is opaque bytes: blanks in it belong to it, and no character set is
/// assumed (P4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// What it asks.
    pub verb: Verb,
    /// The verb as sent, 1 to 16 letters and digits in whatever case.
    pub name: &'a [u8],
    /// What follows the one separating blank; may be empty.
    pub arg: &'a [u8],
}

/// Why a line is not a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CommandError {
    /// An empty line.
    #[error("empty line")]
    Empty,
    /// No verb at the start: answer 500.
    #[error("not a verb")]
    BadVerb,
    /// CR, LF or NUL in the argument, where some servers would see the start of a second
    /// command: answer 501 (P5).
    #[error("control byte in the argument")]
    BadArgument,
}

impl<'a> Command<'a> {
    /// Reads a line without its end. With `cr_nul` the pair CR NUL, a CR within a path
    /// (RFC 2640 §3.1), is let through; alone each of them is always refused.
    ///
    /// # Errors
    ///
    /// See [`CommandError`].
    pub fn parse(line: &'a [u8], cr_nul: bool) -> Result<Self, CommandError> {
        if line.is_empty() {
            return Err(CommandError::Empty);
        }
        let (name, arg) = match memchr(b' ', line).and_then(|blank| line.split_at_checked(blank)) {
            Some((name, rest)) => (name, rest.get(1..).unwrap_or_default()),
            None => (line, &b""[..]),
        };
        if !is_name(name) {
            return Err(CommandError::BadVerb);
        }
        if memchr3(b'\r', b'\n', 0, arg).is_some() && !(cr_nul && only_cr_nul(arg)) {
            return Err(CommandError::BadArgument);
        }
        let verb = Verb::of(name);
        let blank = !verb.takes_argument() && arg.iter().all(|&byte| byte == b' ');
        Ok(Self { verb, name, arg: if blank { b"" } else { arg } })
    }

    /// Writes the line to send: name, one blank, argument, CRLF; without an argument no blank.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name);
        if !self.arg.is_empty() {
            out.push(b' ');
            out.extend_from_slice(self.arg);
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn is_name(name: &[u8]) -> bool {
    name.len() <= MAX_VERB
        && name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(u8::is_ascii_alphanumeric)
}

/// Whether CR and NUL come only as the pair CR NUL, and LF not at all.
fn only_cr_nul(mut arg: &[u8]) -> bool {
    while let Some(at) = memchr3(b'\r', b'\n', 0, arg) {
        match arg.get(at..).and_then(|found| found.strip_prefix(b"\r\0")) {
            Some(rest) => arg = rest,
            None => return false,
        }
    }
    true
}

/// Whether the first line of a client belongs to another protocol: HTTP, RTSP, SIP, SMTP, SSH or
/// TLS (S9). Close without a word: a reply would be of use to the attacker alone.
pub fn foreign_protocol(line: &[u8]) -> bool {
    /// First words that no FTP command has: methods of HTTP, RTSP and SIP; SMTP.
    const WORDS: [&str; 30] = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "CONNECT",
        "OPTIONS",
        "TRACE",
        "PRI",
        "PROPFIND",
        "DESCRIBE",
        "ANNOUNCE",
        "SETUP",
        "PLAY",
        "PAUSE",
        "TEARDOWN",
        "RECORD",
        "REDIRECT",
        "INVITE",
        "REGISTER",
        "ACK",
        "BYE",
        "CANCEL",
        "SUBSCRIBE",
        "NOTIFY",
        "MESSAGE",
        "EHLO",
        "HELO",
        "LHLO",
    ];
    /// Starts that are told by more than a word.
    const STARTS: [&str; 2] = ["SSH-", "MAIL FROM:"];
    /// Protocols that name themselves, with a version, at one end of their first line.
    const NAMES: [&str; 3] = ["HTTP/", "RTSP/", "SIP/"];

    let first = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    let last = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    foreign_start(line)
        || WORDS.iter().any(|word| first.eq_ignore_ascii_case(word.as_bytes()))
        || STARTS.iter().any(|start| starts_with(line, start))
        || NAMES.iter().any(|name| starts_with(first, name) || starts_with(last, name))
}

/// Whether the first bytes are a TLS ClientHello, in which no line end may ever come (S9).
pub fn foreign_start(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x16, 0x03])
}

fn starts_with(line: &[u8], start: &str) -> bool {
    line.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}
