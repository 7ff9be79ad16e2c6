//! What an operator can choose about TLS.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustls::{SupportedProtocolVersion, version};

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerTlsOptions {
    /// At least one. The first is for clients that name no server; for the others the first that
    /// is good for the name.
    pub(crate) certificates: Vec<CertificateFiles>,
    /// Where the first of them comes from, when nobody else puts it there.
    pub(crate) acme: Option<AcmeOptions>,
    /// Issuers of client certificates, PEM. Needed unless `client_certificate` is off.
    pub(crate) client_ca: Option<PathBuf>,
    /// Whether clients are asked for a certificate.
    pub(crate) client_certificate: ClientCertificate,
    /// What is spoken.
    pub(crate) versions: TlsVersions,
    /// What a client gets that names a server for which there is no certificate (S10).
    pub(crate) unknown_sni: UnknownSni,
}

/// TLS towards one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientTlsOptions {
    /// How the server proves who it is.
    pub(crate) verify: Verify,
    /// The name to ask for and to find in the certificate, when it is not the upstream's host.
    pub(crate) server_name: Option<String>,
    /// Ours, for servers that ask for one; the same on control and data (P124).
    pub(crate) certificate: Option<CertificateFiles>,
    /// The newest version spoken. 1.2 by default: its sessions can be resumed for any number of
    /// transfers, 1.3's once for each ticket (P137, P138).
    pub(crate) max: TlsVersion,
}

impl Default for ClientTlsOptions {
    fn default() -> Self {
        Self { verify: Verify::System, server_name: None, certificate: None, max: TlsVersion::V12 }
    }
}

/// A certificate and its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    /// The certificate itself, then its issuers.
    pub(crate) chain: PathBuf,
    /// Its private key; may be the same file.
    pub(crate) key: PathBuf,
}

/// A certificate to be fetched and renewed by ACME (RFC 8555).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcmeOptions {
    /// The issuer: the URL of its directory.
    pub(crate) directory: String,
    /// Who signs the issuer's own certificate, PEM, when this machine does not know.
    pub(crate) ca: Option<PathBuf>,
    /// `mailto:` addresses that the issuer may write to.
    pub(crate) contact: Vec<String>,
    /// Names or addresses that clients connect to; at least one.
    pub(crate) names: Vec<String>,
    /// Where certificates and accounts are kept, in a folder for each issuer; nobody else's.
    pub(crate) dir: PathBuf,
    /// Where the issuer's requests to port 80 of the names arrive; at least one.
    pub(crate) http: Vec<SocketAddr>,
}

impl AcmeOptions {
    /// Chain and key, in one file so that they change in one moment; named after the first name, so
    /// that the old certificate is still found when another name is added.
    pub(crate) fn files(&self) -> CertificateFiles {
        let name = self.names.first().map_or("certificate", String::as_str);
        let file = self.folder().join(format!("{name}.pem"));
        CertificateFiles { chain: file.clone(), key: file }
    }

    /// Of this issuer alone: another one knows neither the account nor is content with the
    /// certificate.
    pub(crate) fn folder(&self) -> PathBuf {
        let issuer = self.directory.trim_start_matches("https://");
        let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.');
        self.dir.join(issuer.replace(|c: char| !plain(c), "_"))
    }
}

/// Whether clients are asked for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ClientCertificate {
    /// No.
    #[default]
    Off,
    /// Yes; without one they may go on, with a bad one they may not.
    Optional,
    /// Yes, and without a good one there is no connection.
    Required,
}

/// What a client gets that names a server for which there is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum UnknownSni {
    /// An alert: the request was meant for somebody else (S10).
    #[default]
    Refuse,
    /// The first certificate.
    Default,
}

/// How a server proves who it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Verify {
    /// By an issuer that this machine trusts.
    #[default]
    System,
    /// By an issuer in this PEM file.
    CaFile(PathBuf),
    /// By being this very certificate: SHA-256 of its DER form. Name, dates and issuer do not count.
    Fingerprint([u8; 32]),
    /// Not at all: whoever answers is believed.
    Off,
}

/// A version of TLS. The older ones are not spoken (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

impl TlsVersion {
    /// `1.2`, `1.3`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V12 => "1.2",
            Self::V13 => "1.3",
        }
    }

    pub(super) fn supported(self) -> &'static SupportedProtocolVersion {
        match self {
            Self::V12 => &version::TLS12,
            Self::V13 => &version::TLS13,
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The versions from `min` to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TlsVersions {
    /// The oldest.
    pub(crate) min: TlsVersion,
    /// The newest.
    pub(crate) max: TlsVersion,
}

impl Default for TlsVersions {
    fn default() -> Self {
        Self { min: TlsVersion::V12, max: TlsVersion::V13 }
    }
}

impl TlsVersions {
    /// Newest first; none when `min` is above `max`.
    pub(super) fn supported(self) -> Vec<&'static SupportedProtocolVersion> {
        let within = |v: &TlsVersion| (self.min..=self.max).contains(v);
        [TlsVersion::V13, TlsVersion::V12]
            .into_iter()
            .filter(within)
            .map(TlsVersion::supported)
            .collect()
    }
}
