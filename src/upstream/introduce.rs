//! Servers that are told for whom we come, in a PROXY header (P167).

use std::sync::Arc;

use tokio::net::TcpStream;

use super::{Upstream, UpstreamError};
use crate::net::preface;

impl Upstream {
    /// Writes `header`, if there is one, on a control connection that has just come up.
    pub(crate) async fn introduce(
        &self,
        stream: TcpStream,
        header: Option<Vec<u8>>,
    ) -> Result<TcpStream, UpstreamError> {
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
