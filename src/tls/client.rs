//! We are the client: one store of TLS sessions for every FTP session, so that its data connections
//! resume what its control connection began and nothing else (P133, P134).

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::sign::SingleCertAndKey;
use rustls_pki_types::ServerName;

use super::error::TlsError;
use super::options::{ClientTlsOptions, TlsVersion, TlsVersions};
use super::{certs, provider, verify};

/// Sessions kept for an FTP session, in the library's count: it makes one server of every 8, and
/// keeps 8 tickets for each (P134).
const SESSIONS: usize = 8;

/// TLS towards one server.
pub(crate) struct TlsClient {
    config: ClientConfig,
    name: ServerName<'static>,
    /// The configuration says what name the certificate has to have, whatever the address.
    named: bool,
}

impl TlsClient {
    /// Reads the files. `host` is the upstream's, a name or an address.
    ///
    /// # Errors
    /// The first thing that is wrong, with its remedy.
    pub(crate) fn load(options: &ClientTlsOptions, host: &str) -> Result<Arc<Self>, TlsError> {
        let name = options.server_name.as_deref().unwrap_or(host);
        let name = server_name(name).ok_or_else(|| TlsError::ServerName(name.to_owned()))?;
        let versions = TlsVersions { min: TlsVersion::V12, max: options.max };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&versions.supported())?
            .dangerous()
            .with_custom_certificate_verifier(verify::verifier(&options.verify)?);
        let mut config = match &options.certificate {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let key = Arc::unwrap_or_clone(certs::load(files)?);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
        };
        // Nothing but `ftp`: a server that knows more would want it on data too (P129).
        config.alpn_protocols = vec![b"ftp".to_vec()];
        config.resumption = Resumption::disabled();
        let named = options.server_name.is_some();
        Ok(Arc::new(Self { config, name, named }))
    }

    /// TLS for one FTP session.
    pub(crate) fn session(&self) -> ClientSession {
        self.session_of(self.name.clone())
    }

    /// The same with the server that the client named, unless the configuration says what name its
    /// certificate has to have.
    pub(crate) fn session_with(&self, host: &str) -> ClientSession {
        let name = server_name(host).filter(|_| !self.named);
        self.session_of(name.unwrap_or_else(|| self.name.clone()))
    }

    fn session_of(&self, name: ServerName<'static>) -> ClientSession {
        let mut config = self.config.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        ClientSession { config: Arc::new(config), name, leaf: Arc::new(OnceLock::new()) }
    }
}

fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}

/// TLS of one FTP session. A clone is the same session.
#[derive(Clone)]
pub(crate) struct ClientSession {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// The server's certificate on the control connection, SHA-256.
    leaf: Arc<OnceLock<[u8; 32]>>,
}

impl ClientSession {
    /// For control and data alike.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// For control and data alike: sessions are found by it (P133).
    pub(crate) fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }

    /// Whether this certificate is the one that the control connection had; the first one seen is
    /// the control connection's (P123).
    pub(super) fn is_same_server(&self, leaf: [u8; 32]) -> bool {
        *self.leaf.get_or_init(|| leaf) == leaf
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
