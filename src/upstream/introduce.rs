//! Servers that are told for whom we come, in a PROXY header (P167).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::{Upstream, UpstreamError};
use crate::net::preface;

impl Upstream {
    /// As [`connect`](Self::connect), with `header`, if there is one, as the first bytes.
    pub(crate) async fn connect_for(
        &self,
        to: Option<SocketAddr>,
        timeout: Duration,
        header: Option<Vec<u8>>,
    ) -> Result<TcpStream, UpstreamError> {
        let stream = self.connect(to, timeout).await?;
        if let Some(header) = header {
            let sent = preface::send(&stream, &header).await;
            sent.map_err(|source| UpstreamError::Introduce {
                upstream: self.options.name.clone(),
                source: Arc::new(source),
            })?;
        }
        Ok(stream)
    }
}
