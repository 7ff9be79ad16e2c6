//! We are the server: certificates, and for every FTP session a pair of configurations of which
//! one gives TLS sessions and the other takes them.

mod describe;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::UnixTime;

use super::certs::{self, Certificates};
use super::error::TlsError;
use super::handshake::TlsInfo;
use super::hello::Offer;
use super::options::{ClientCertificate, ServerTlsOptions, TlsVersion, TlsVersions};
use super::provider;
use super::tickets::{Keeper, Tickets};
use crate::registry::handshakes::Quota;

/// TLS 1.3 tickets given on a control connection. Some clients use a ticket once and none of them
/// keeps more than a few (P148).
const TICKETS: usize = 8;
/// Most that a client gets that asks for a number (RFC 9149): one for each data connection of a
/// long session of single-use tickets, 200 bytes each.
const TICKETS_ASKED: usize = 32;

/// TLS towards the clients of a listener.
pub(crate) struct TlsServer {
    options: ServerTlsOptions,
    current: ArcSwap<Loaded>,
}

/// What came of the files at one moment.
struct Loaded {
    /// Of everything read, to see a change.
    digest: [u8; 32],
    certificates: Arc<Certificates>,
    control: ServerConfig,
    /// A data connection speaks the version of its control connection.
    data12: ServerConfig,
    data13: ServerConfig,
}

impl TlsServer {
    /// Reads the files.
    ///
    /// # Errors
    /// The first file that is wrong, with its remedy.
    pub(crate) fn load(options: &ServerTlsOptions) -> Result<Arc<Self>, TlsError> {
        let loaded = Loaded::load(options, digest(options)?)?;
        Ok(Arc::new(Self { options: options.clone(), current: ArcSwap::from_pointee(loaded) }))
    }

    /// Reads the files again; FTP sessions that begin later use what is new. Says whether there was
    /// anything new. Reads files: not for a worker.
    ///
    /// # Errors
    /// As [`TlsServer::load`]; then the old certificates stay in use.
    pub(crate) fn reload(&self) -> Result<bool, TlsError> {
        let digest = digest(&self.options)?;
        if digest == self.current.load().digest {
            return Ok(false);
        }
        self.current.store(Arc::new(Loaded::load(&self.options, digest)?));
        Ok(true)
    }

    /// A sentence for every certificate that ends within 21 days, has ended or has not begun.
    pub(crate) fn warnings(&self, now: UnixTime) -> Vec<String> {
        let current = self.current.load();
        let all = current.certificates.all.iter();
        all.filter_map(|(key, file)| certs::expiry(key, file, now)).collect()
    }

    /// From when on the certificate is to be fetched anew; `None` when that is somebody else's work.
    pub(crate) fn renewal(&self) -> Option<UnixTime> {
        let names = &self.options.acme.as_ref()?.names;
        let current = self.current.load();
        current.certificates.all.first().map(|(key, _)| certs::due(key, names))
    }

    /// TLS for one FTP session, with the certificates of this moment; data connections show the
    /// same (P123). Costs a key: to be called when the control connection turns to TLS.
    pub(crate) fn session(&self) -> ServerSession {
        ServerSession { loaded: self.current.load_full(), keeper: Keeper::new(), quota: None }
    }
}

/// TLS of one FTP session. A clone is the same session.
#[derive(Clone)]
pub(crate) struct ServerSession {
    loaded: Arc<Loaded>,
    keeper: Arc<Keeper>,
    quota: Option<Quota>,
}

impl ServerSession {
    /// The same with a bound on its handshakes: what is left to its client's address.
    pub(crate) fn paced(self, quota: Quota) -> Self {
        Self { quota: Some(quota), ..self }
    }

    pub(super) fn quota(&self) -> Option<&Quota> {
        self.quota.as_ref()
    }

    /// For the control connection: it gives sessions to resume (P145).
    pub(crate) fn control(&self) -> Arc<ServerConfig> {
        let mut config = self.loaded.control.clone();
        let tickets = Tickets::issuing(self.keeper.clone());
        config.ticketer = tickets.clone();
        config.session_storage = tickets;
        config.send_tls13_tickets = TICKETS;
        config.max_tls13_tickets = TICKETS_ASKED;
        Arc::new(config)
    }

    /// For one data connection, once the transfer command has told its direction.
    ///
    /// When its handshake turns out resumed, the client is the one of the control connection, whose
    /// [`TlsInfo`] is given here (P145). Uploads give no ticket: clients that only write never read
    /// it, and closing over it would cost them the end of their file. Downloads give one for one in
    /// TLS 1.3 (P148).
    pub(crate) fn data(&self, control: &TlsInfo, upload: bool) -> Arc<ServerConfig> {
        let mut config = match control.version {
            TlsVersion::V12 => self.loaded.data12.clone(),
            TlsVersion::V13 => self.loaded.data13.clone(),
        };
        let taking = Tickets::redeeming(self.keeper.clone());
        config.session_storage = taking.clone();
        if control.version == TlsVersion::V13 && !upload {
            let certificates = self.loaded.certificates.clone();
            let (tickets, watched) = Tickets::renewing(self.keeper.clone(), certificates);
            config.ticketer = tickets;
            config.cert_resolver = watched;
            config.send_tls13_tickets = 1;
        } else {
            config.ticketer = taking;
            config.send_tls13_tickets = 0;
        }
        Arc::new(config)
    }

    /// Whether a connection that offers this says that it belongs to this FTP session. What it says
    /// is true only if a handshake under [`ServerSession::data`] ends resumed.
    pub(crate) fn gave(&self, offer: &Offer) -> bool {
        self.keeper.gave(offer)
    }
}

impl Loaded {
    fn load(options: &ServerTlsOptions, digest: [u8; 32]) -> Result<Self, TlsError> {
        let mut all = Vec::new();
        for files in &options.certificates {
            all.push((certs::load(files)?, files.chain.clone()));
        }
        if all.is_empty() {
            return Err(TlsError::NoCertificates);
        }
        let certificates = Arc::new(Certificates { all, unknown: options.unknown_sni });
        let only = |version| TlsVersions { min: version, max: version };
        let build = |versions, alpn: &[&[u8]]| base(options, versions, &certificates, alpn);
        let data: [&[u8]; 2] = [b"ftp", b"ftp-data"];
        Ok(Self {
            digest,
            control: build(options.versions, &[b"ftp"])?,
            data12: build(only(TlsVersion::V12), &data)?,
            data13: build(only(TlsVersion::V13), &data)?,
            certificates,
        })
    }
}

/// A configuration without tickets. Clients that offer none of `alpn` but something else are
/// refused; those that offer nothing are not (P152).
fn base(
    options: &ServerTlsOptions,
    versions: TlsVersions,
    certificates: &Arc<Certificates>,
    alpn: &[&[u8]],
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions.supported())?;
    let asked = options.client_certificate;
    let builder = if asked == ClientCertificate::Off {
        builder.with_no_client_auth()
    } else {
        let file = options.client_ca.as_deref().ok_or(TlsError::NoClientCa)?;
        let roots = certs::issuers(file)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let verifier = match asked {
            ClientCertificate::Optional => verifier.allow_unauthenticated(),
            _ => verifier,
        };
        builder.with_client_cert_verifier(
            verifier.build().map_err(|e| TlsError::Setup(e.to_string()))?,
        )
    };
    let mut config = builder.with_cert_resolver(certificates.clone());
    config.ignore_client_order = true;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// Of all the files together.
fn digest(options: &ServerTlsOptions) -> Result<[u8; 32], TlsError> {
    let pairs = options.certificates.iter().flat_map(|files| [&files.chain, &files.key]);
    certs::digest(pairs.chain(&options.client_ca))
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").field("options", &self.options).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSession").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
