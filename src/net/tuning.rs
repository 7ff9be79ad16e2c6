//! What a data connection is given beyond what the kernel chooses by itself.

use std::fmt;
use std::fs;
use std::io;
use std::num::NonZeroU32;

use socket2::SockRef;

use super::name::Name;

/// Socket options of data connections; by default none, and no system call is made for them.
///
/// On a socket that listens they are for those that it accepts; they have to be there before it
/// does, or before it connects, since the size of the window is agreed on first of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tuning {
    /// `TCP_CONGESTION`; `None` is what the system has. What a route asks for (`congctl`) goes before
    /// it.
    pub(crate) congestion: Option<Congestion>,
    /// `SO_SNDBUF` and `SO_RCVBUF`, bytes; `None` leaves the sizes to the kernel, which tunes them
    /// to the connection.
    pub(crate) buffer: Option<NonZeroU32>,
    /// `TCP_NOTSENT_LOWAT`, bytes; `None` is what the system has.
    pub(crate) notsent_lowat: Option<NonZeroU32>,
}

impl Tuning {
    /// Sets what is to be set.
    ///
    /// # Errors
    /// The kernel has no such congestion control, or keeps it from this process.
    #[cfg(target_os = "linux")]
    pub(super) fn apply(self, socket: SockRef<'_>) -> io::Result<()> {
        if let Some(congestion) = self.congestion {
            socket.set_tcp_congestion(congestion.0.as_bytes())?;
        }
        if let Some(buffer) = self.buffer {
            let bytes = usize::try_from(buffer.get()).unwrap_or(usize::MAX);
            socket.set_send_buffer_size(bytes)?;
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.notsent_lowat {
            socket.set_tcp_notsent_lowat(bytes.get())?;
        }
        Ok(())
    }

    /// Known to Linux only.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn apply(self, _: SockRef<'_>) -> io::Result<()> {
        if self == Self::default() { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
    }
}

/// The name of a congestion control, `cubic`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Congestion(Name);

impl Congestion {
    /// `None` is no name that one can have.
    pub(crate) fn new(text: &str) -> Option<Self> {
        Name::new(text, |b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)).map(Self)
    }
}

impl fmt::Display for Congestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Congestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The congestion controls of a kernel; empty where it does not tell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Congestions {
    available: Vec<String>,
    /// Those that take no privilege.
    allowed: Vec<String>,
}

impl Congestions {
    /// Of this kernel.
    pub(crate) fn here() -> Self {
        let read = |which| {
            let path = format!("/proc/sys/net/ipv4/tcp_{which}_congestion_control");
            fs::read_to_string(path).unwrap_or_default()
        };
        Self::parse(&read("available"), &read("allowed"))
    }

    /// From the texts of `tcp_available_congestion_control` and `tcp_allowed_congestion_control`.
    pub(crate) fn parse(available: &str, allowed: &str) -> Self {
        let names = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect();
        Self { available: names(available), allowed: names(allowed) }
    }

    /// Those there are, unless it is there or may be.
    pub(crate) fn without(&self, congestion: Congestion) -> Option<&[String]> {
        missing(&self.available, congestion)
    }

    /// Those that anybody may use, if that one takes a privilege.
    pub(crate) fn guarding(&self, congestion: Congestion) -> Option<&[String]> {
        missing(&self.allowed, congestion)
    }
}

fn missing(names: &[String], congestion: Congestion) -> Option<&[String]> {
    let name = congestion.to_string();
    (!names.is_empty() && !names.contains(&name)).then_some(names)
}

#[cfg(test)]
mod tests;
