//! The classic transfer log, 14 fields a line, as existing tools read it.
//!
//! ```text
//! Thu Nov  5 08:12:30 2026 3 192.0.2.7 1048576 /pub/a.iso b _ o r anna ftp 0 * c
//! ```
//!
//! current-time transfer-time remote-host file-size filename transfer-type special-action-flag
//! direction access-mode username service-name authentication-method authenticated-user-id
//! completion-status. The file name is the one in the command: a gateway does not follow CWD.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Zoned;

use super::writer::{LineWriter, Sink};
use crate::session::event::TransferRecord;

/// Names and paths of users are not everybody's business.
const FILE_MODE: u32 = 0o640;

/// An xferlog file. Never waits: lines are written by a thread of their own.
#[derive(Debug)]
pub(crate) struct Xferlog(LineWriter);

impl Xferlog {
    /// Opens the file for appending, or makes it.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let file = Some(append(&path)?);
        Ok(Self(LineWriter::start("xferlog", Rotated { path, file })?))
    }

    /// Tries whether the file could be opened, and leaves nothing behind.
    pub(crate) fn probe(path: &Path) -> io::Result<()> {
        let is_new = !path.exists();
        append(path)?;
        if is_new { std::fs::remove_file(path) } else { Ok(()) }
    }

    /// Writes a line for RETR, STOR, STOU and APPE; `whole` = ended well.
    pub(super) fn transfer(&self, client: IpAddr, record: &TransferRecord, whole: bool) {
        if let Some(line) = line(&Zoned::now(), client, record, whole) {
            self.0.send(line);
        }
    }
}

/// `None` when the record is not of a file transfer, or no data connection was tried.
fn line(now: &Zoned, client: IpAddr, record: &TransferRecord, whole: bool) -> Option<Vec<u8>> {
    // A refused RETR is no transfer: nothing was connected.
    let report = record.report.as_ref().filter(|r| r.client.is_some() && r.server.is_some())?;
    let (direction, size) = match record.verb.as_str() {
        "RETR" => ('o', report.downloaded),
        "STOR" | "STOU" | "APPE" => ('i', report.uploaded),
        _ => return None,
    };
    // The classic daemons never write 0.
    let seconds = report.elapsed.as_secs().max(1);
    let kind = if record.binary { 'b' } else { 'a' };
    let anonymous = [&b"anonymous"[..], b"ftp"].iter().any(|u| record.user.eq_ignore_ascii_case(u));
    let access = if anonymous { 'a' } else { 'r' };
    let completion = if whole { 'c' } else { 'i' };
    let mut line = Vec::with_capacity(128 + record.path.len());
    // Writing to a Vec cannot fail.
    let _ = write!(line, "{} {seconds} {client} {size} ", now.strftime("%a %b %e %H:%M:%S %Y"));
    push_word(&mut line, &record.path);
    let _ = write!(line, " {kind} _ {direction} {access} ");
    push_word(&mut line, &record.user);
    let _ = writeln!(line, " ftp 0 * {completion}");
    Some(line)
}

/// One field: blanks, control characters and invalid UTF-8 become `_`, as does nothing at all.
fn push_word(line: &mut Vec<u8>, bytes: &[u8]) {
    let start = line.len();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let c = if c.is_whitespace() || c.is_control() { '_' } else { c };
            line.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        line.resize(line.len() + chunk.invalid().len(), b'_');
    }
    if line.len() == start {
        line.push(b'_');
    }
}

/// A file that somebody may rename or remove under us.
struct Rotated {
    path: PathBuf,
    file: Option<File>,
}

impl Sink for Rotated {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let file = match self.file.take().filter(|file| is_at(file, &self.path)) {
            Some(file) => file,
            None => append(&self.path)?,
        };
        self.file.insert(file).write_all(lines)
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

/// Whether the open file is still the one that the path names.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |m: std::fs::Metadata| (m.dev(), m.ino());
    let (open, named) = (file.metadata().map(identity), path.metadata().map(identity));
    matches!((open, named), (Ok(open), Ok(named)) if open == named)
}

#[cfg(test)]
mod tests;
