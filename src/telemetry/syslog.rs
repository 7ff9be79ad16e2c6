//! The machine's own log, for a process whose standard streams are the client's.

use std::io;
use std::os::unix::net::UnixDatagram;

use super::writer::Sink;

/// Where the machine's log listens.
const SOCKET: &str = "/dev/log";
/// Facility ftp, severity informational: the line itself says how bad it is.
const PRIORITY: u8 = 11 * 8 + 6;
/// Longest line, bytes; journald and the usual daemons take as much.
const LONGEST: usize = 8 * 1024;

/// Lines for the machine's log. One that nobody listens to is lost, as all are that are lost.
#[derive(Debug)]
pub(super) struct Syslog {
    socket: UnixDatagram,
    process: u32,
}

impl Syslog {
    /// Not connected: the daemon may be started anew.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { socket: UnixDatagram::unbound()?, process: std::process::id() })
    }
}

impl Sink for Syslog {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mut message = format!("<{PRIORITY}>ftpgate[{}]: ", self.process).into_bytes();
            message.extend_from_slice(line.get(..LONGEST).unwrap_or(line));
            self.socket.send_to(&message, SOCKET)?;
        }
        Ok(())
    }
}
