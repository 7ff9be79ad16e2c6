//! A server's addresses, remembered for a moment so that a flood does not hammer the resolver.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::UpstreamError;
use super::options::HostPort;

/// How long an answer serves: addresses of containers change, so not for long.
const FRESH: Duration = Duration::from_secs(5);
/// How long a failure serves: long enough to stop a queue of sessions from asking one by one.
const FAILED: Duration = Duration::from_secs(1);
/// More addresses of one name are not tried.
const ADDRESSES: usize = 8;

type Answer = Result<Arc<[SocketAddr]>, UpstreamError>;

/// Finds the addresses of one server.
#[derive(Debug)]
pub(super) struct Resolver {
    address: HostPort,
    /// A literal needs no resolver and no lock.
    literal: Option<Arc<[SocketAddr]>>,
    /// Held during a lookup: who comes meanwhile waits for the same answer.
    last: Mutex<Option<(Instant, Answer)>>,
}

impl Resolver {
    pub(super) fn new(address: HostPort) -> Self {
        let literal = address.host.parse::<IpAddr>().ok();
        let literal =
            literal.map(|ip| Arc::from([SocketAddr::new(ip.to_canonical(), address.port)]));
        Self { address, literal, last: Mutex::new(None) }
    }

    /// The addresses, in the resolver's order; fails at `deadline` at the latest.
    pub(super) async fn addresses(&self, deadline: Instant) -> Answer {
        if let Some(literal) = &self.literal {
            return Ok(literal.clone());
        }
        timeout_at(deadline, self.remembered(deadline))
            .await
            .unwrap_or_else(|_| Err(self.failed(io::ErrorKind::TimedOut.into())))
    }

    async fn remembered(&self, deadline: Instant) -> Answer {
        let mut last = self.last.lock().await;
        if let Some((until, answer)) = &*last
            && Instant::now() < *until
        {
            return answer.clone();
        }
        let host = (self.address.host.as_str(), self.address.port);
        let answer = match timeout_at(deadline, tokio::net::lookup_host(host)).await {
            Ok(Ok(found)) => Ok(found.take(ADDRESSES).collect()),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(self.failed(io::ErrorKind::TimedOut.into())),
        };
        let serves = if answer.is_ok() { FRESH } else { FAILED };
        *last = Some((Instant::now() + serves, answer.clone()));
        answer
    }

    fn failed(&self, error: io::Error) -> UpstreamError {
        UpstreamError::Resolve { address: self.address.clone(), source: Arc::new(error) }
    }
}

#[cfg(test)]
mod tests;
