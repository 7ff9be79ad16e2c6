//! We are the client: one store of TLS sessions for every FTP session, so that its data connections
//! resume what its control connection began and nothing else (P133, P134).

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{ServerName, UnixTime};

use super::error::TlsError;
use super::options::{ClientTlsOptions, TlsVersion, TlsVersions, Verify};
use super::{certs, provider, verify};

/// Sessions kept for an FTP session, in the library's count: it makes one server of every 8, and
/// keeps 8 tickets for each (P134).
const SESSIONS: usize = 8;

/// TLS towards one server.
pub(crate) struct TlsClient {
    options: ClientTlsOptions,
    name: ServerName<'static>,
    /// The configuration says what name the certificate has to have, whatever the address.
    named: bool,
    current: ArcSwap<Loaded>,
}

/// What came of the files at one moment.
struct Loaded {
    /// Of everything read, to see a change.
    digest: [u8; 32],
    config: ClientConfig,
    /// Ours, with the file it came from.
    certificate: Option<(Arc<CertifiedKey>, PathBuf)>,
}

impl TlsClient {
    /// Reads the files. `host` is the upstream's, a name or an address.
    ///
    /// # Errors
    /// The first thing that is wrong, with its remedy.
    pub(crate) fn load(options: &ClientTlsOptions, host: &str) -> Result<Arc<Self>, TlsError> {
        let name = options.server_name.as_deref().unwrap_or(host);
        let name = server_name(name).ok_or_else(|| TlsError::ServerName(name.to_owned()))?;
        let named = options.server_name.is_some();
        let current = ArcSwap::from_pointee(Loaded::load(options, digest(options)?)?);
        Ok(Arc::new(Self { options: options.clone(), name, named, current }))
    }

    /// Reads the files again; FTP sessions that begin later use what is new. Says whether there was
    /// anything new. Reads files: not for a worker.
    ///
    /// # Errors
    /// As [`TlsClient::load`]; then the old files stay in use.
    pub(crate) fn reload(&self) -> Result<bool, TlsError> {
        let digest = digest(&self.options)?;
        if digest == self.current.load().digest {
            return Ok(false);
        }
        self.current.store(Arc::new(Loaded::load(&self.options, digest)?));
        Ok(true)
    }

    /// A sentence when our own certificate ends soon, has ended or has not begun.
    pub(crate) fn warnings(&self, now: UnixTime) -> Vec<String> {
        let current = self.current.load();
        let own = current.certificate.iter();
        own.filter_map(|(key, file)| certs::expiry(key, file, now)).collect()
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
        let mut config = self.current.load().config.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        ClientSession { config: Arc::new(config), name, leaf: Arc::new(OnceLock::new()) }
    }
}

fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}

impl Loaded {
    fn load(options: &ClientTlsOptions, digest: [u8; 32]) -> Result<Self, TlsError> {
        let versions = TlsVersions { min: TlsVersion::V12, max: options.max };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&versions.supported())?
            .dangerous()
            .with_custom_certificate_verifier(verify::verifier(&options.verify)?);
        let certificate = match &options.certificate {
            Some(files) => Some((certs::load(files)?, files.chain.clone())),
            None => None,
        };
        let mut config = match &certificate {
            None => builder.with_no_client_auth(),
            Some((key, _)) => {
                let shown = SingleCertAndKey::from(CertifiedKey::clone(key));
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        // Nothing but `ftp`: a server that knows more would want it on data too (P129).
        config.alpn_protocols = vec![b"ftp".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self { digest, config, certificate })
    }
}

/// Of all the files together.
fn digest(options: &ClientTlsOptions) -> Result<[u8; 32], TlsError> {
    let own = options.certificate.iter().flat_map(|files| [&files.chain, &files.key]);
    let issuers = match &options.verify {
        Verify::CaFile(file) => Some(file),
        Verify::System | Verify::Fingerprint(_) | Verify::Off => None,
    };
    certs::digest(own.chain(issuers))
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
