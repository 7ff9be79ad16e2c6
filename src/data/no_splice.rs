//! Where the kernel has no splice(2): there are no pipes, so the pump copies.

use std::convert::Infallible;
use std::io;

use tokio::net::TcpStream;

/// A pipe that cannot exist.
pub(super) struct Pipe(Infallible);

impl Pipe {
    /// There is none.
    pub(super) fn take(_moved: u64, _largest: usize) -> Option<Self> {
        None
    }

    /// Never called.
    pub(super) fn give_back(self) {
        match self.0 {}
    }

    /// Never called.
    pub(super) fn is_empty(&self) -> bool {
        match self.0 {}
    }

    /// Never called.
    pub(super) fn fill(&mut self, _from: &TcpStream, _limit: usize) -> io::Result<usize> {
        match self.0 {}
    }

    /// Never called.
    pub(super) fn drain(&mut self, _to: &TcpStream) -> io::Result<usize> {
        match self.0 {}
    }
}
