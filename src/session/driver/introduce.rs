//! What the server is told of the client, in a PROXY header, where it is to be told (P167, P168).

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::{Connecting, Driver};
use crate::net::proxy_header::Facts;
use crate::upstream::UpstreamError;

impl Driver {
    /// A dial to the server's control port, and then the header.
    pub(super) fn introduced<D>(&self, dial: D) -> Connecting
    where
        D: Future<Output = Result<TcpStream, UpstreamError>> + Send + 'static,
    {
        let upstream = self.rooms.upstream.clone();
        let [version, _] = upstream.options().proxy;
        let header = version.map(|version| {
            // Before AUTH nothing is known of the client's TLS, unless we were told to greet it
            // ourselves and so dial later.
            let facts = Facts { tls: self.tls.facts(), ..self.facts() };
            version.header(self.info.client, self.reached, &facts)
        });
        Box::pin(async move { upstream.introduce(dial.await?, header).await })
    }

    /// What opens a data connection to `to`: the same client, from its control connection's
    /// address, as its data connection may not be there yet; the address it reached, at the port
    /// that the server chose.
    pub(super) fn data_header(&self, to: SocketAddr) -> Option<Arc<[u8]>> {
        let [_, version] = self.rooms.upstream.options().proxy;
        let reached = SocketAddr::new(self.reached.ip(), to.port());
        let header = version?.header(self.info.client, reached, &self.facts());
        Some(header.into())
    }

    fn facts(&self) -> Facts {
        let unique_id = self.permit.id().to_string();
        Facts { unique_id, authority: self.tls.authority(), tls: None }
    }
}
