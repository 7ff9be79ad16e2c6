//! One socket behind all the ports that clients are told: their balancer brings them all to it, and
//! says in a PROXY header to which one each client connected (P166).

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::net::TcpListener;

use super::Local;

/// The socket of each local address, while a lease has it.
#[derive(Debug, Default)]
pub(super) struct Inbound(Mutex<HashMap<Local, Weak<TcpListener>>>);

impl Inbound {
    /// The one that is open, or a new one. The lock is held while it is bound, so that two workers do
    /// not both try.
    pub(super) fn get(
        &self,
        address: Local,
        bind: impl FnOnce() -> io::Result<TcpListener>,
    ) -> io::Result<Arc<TcpListener>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = open.get(&address).and_then(Weak::upgrade) {
            return Ok(socket);
        }
        let socket = Arc::new(bind()?);
        open.insert(address, Arc::downgrade(&socket));
        Ok(socket)
    }
}
