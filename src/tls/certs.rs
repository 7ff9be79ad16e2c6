//! Certificates: read from PEM, picked by the name that the client asks for, watched for their end.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::error::TlsError;
use super::options::{CertificateFiles, UnknownSni};
use crate::privileges::files::open_to_all;

/// More than the bundle of every public issuer; what is longer is not a PEM file of ours.
const PEM_LIMIT: u64 = 1 << 20;
/// Longest subject kept for the records, characters: one with many parts, not a novel (S28).
const SUBJECT_LIMIT: usize = 256;
/// How long before its end a certificate is complained about: three weekly looks at the log, and
/// past the moment at which the usual renewals run. Of a short life, the last quarter.
const SOON: u64 = 21 * DAY;
const DAY: u64 = 24 * 60 * 60;

/// SHA-256 of a certificate's DER form.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    sha256(certificate)
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().unwrap_or_default()
}

/// Who a certificate names, in the usual text form, cut at a bound.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.subject().to_string().chars().take(SUBJECT_LIMIT).collect())
}

/// The common name among it.
pub(super) fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.chars().take(SUBJECT_LIMIT).collect())
}

/// What a file holds, if not anybody may write it (S39).
pub(super) fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { file: file.to_owned(), source };
    if let Some(open) = open_to_all(file) {
        return Err(TlsError::Open { file: file.to_owned(), open });
    }
    let mut bytes = Vec::new();
    File::open(file).and_then(|f| f.take(PEM_LIMIT + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > PEM_LIMIT {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB")));
    }
    Ok(bytes)
}

/// Of what all these files hold, to see a change.
pub(super) fn digest<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Result<[u8; 32], TlsError> {
    let mut digests = Vec::new();
    for file in files {
        digests.extend(sha256(&read(file)?));
    }
    Ok(sha256(&digests))
}

/// The certificate and key of a server or a client.
pub(super) fn load(files: &CertificateFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(&files.chain)?;
    let key = private_key(&files.key)?;
    let loaded = CertifiedKey::from_der(chain, key, &super::provider());
    loaded.map(Arc::new).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { chain: files.chain.clone(), key: files.key.clone() }
        }
        rustls::Error::InvalidCertificate(why) => {
            TlsError::BadCertificate { file: files.chain.clone(), why: why.to_string() }
        }
        other => TlsError::BadKey { file: files.key.clone(), why: other.to_string() },
    })
}

/// Every certificate of a file as an issuer to trust.
pub(super) fn issuers(file: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let why = |e: rustls::Error| e.to_string();
        let bad = |why| TlsError::BadCertificate { file: file.to_owned(), why };
        roots.add(certificate).map_err(why).map_err(bad)?;
    }
    Ok(Arc::new(roots))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let bad = |why: String| TlsError::BadCertificate { file: file.to_owned(), why };
    let found = found.map_err(|e| bad(e.to_string()))?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { file: file.to_owned() });
    }
    Ok(found)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    use rustls_pki_types::pem::Error;
    let pem = read(file)?;
    let owned = || file.to_owned();
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        _ if memchr::memmem::find(&pem, b"ENCRYPTED").is_some() => {
            TlsError::EncryptedKey { file: owned() }
        }
        Error::NoItemsFound => TlsError::NoKey { file: owned() },
        other => TlsError::BadKey { file: owned(), why: other.to_string() },
    })
}

/// The sentence to log when the certificate in `file` ends soon, has ended, or has not begun.
pub(super) fn expiry(key: &CertifiedKey, file: &Path, now: UnixTime) -> Option<String> {
    let (begins, ends) = validity(&parse(key)?);
    let (now, file) = (now.as_secs(), file.display());
    if begins > now {
        return Some(format!("the certificate in {file} is not valid yet: is the clock right?"));
    }
    let soon = SOON.min(ends.saturating_sub(begins) / 4);
    match ends.checked_sub(now) {
        None => Some(format!("the certificate in {file} has expired: clients refuse it; renew it")),
        Some(left) if left < soon => {
            Some(format!("the certificate in {file} expires in {} days: renew it", left / DAY))
        }
        Some(_) => None,
    }
}

/// From when on there should be another one: from the last third of its life on; at once when it is
/// self-signed or not for all of these names.
pub(super) fn due(key: &CertifiedKey, names: &[String]) -> UnixTime {
    let named =
        |name: &String| ServerName::try_from(name.as_str()).is_ok_and(|name| is_for(key, &name));
    let second = match parse(key) {
        Some(certificate) if !is_self_signed(&certificate) && names.iter().all(named) => {
            let (begins, ends) = validity(&certificate);
            ends.saturating_sub(ends.saturating_sub(begins) / 3)
        }
        _ => 0,
    };
    UnixTime::since_unix_epoch(Duration::from_secs(second))
}

/// Vouched for by nobody.
pub(super) fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject() == certificate.issuer()
}

pub(super) fn parse(key: &CertifiedKey) -> Option<X509Certificate<'_>> {
    Some(X509Certificate::from_der(key.cert.first()?).ok()?.1)
}

/// From when to when, seconds since 1970.
fn validity(certificate: &X509Certificate<'_>) -> (u64, u64) {
    let second = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
    (second(certificate.validity().not_before), second(certificate.validity().not_after))
}

/// Picks the certificate by the name that the client asks for.
pub(super) struct Certificates {
    /// With the files they came from.
    pub(super) all: Vec<(Arc<CertifiedKey>, PathBuf)>,
    pub(super) unknown: UnknownSni,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = || self.all.first().map(|(key, _)| key.clone());
        let Some(name) = hello.server_name() else { return first() };
        let name = ServerName::try_from(name).ok()?;
        let mut good = self.all.iter().map(|(key, _)| key).filter(|key| is_for(key, &name));
        // Two certificates of one name are of two kinds, and old clients know one of them.
        let usable =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        match good.find(usable) {
            Some(key) => Some(key.clone()),
            None if self.unknown == UnknownSni::Default => first(),
            None => None,
        }
    }
}

/// Certificates that note the name they are asked for.
#[derive(Debug)]
struct Noting {
    asked: Arc<OnceLock<String>>,
    inner: Arc<dyn ResolvesServerCert>,
}

/// The configuration for one connection, and where it will note the name that the client asks for:
/// the library tells it to no one but who picks the certificate.
pub(super) fn noting(config: Arc<ServerConfig>) -> (Arc<ServerConfig>, Arc<OnceLock<String>>) {
    let asked = Arc::new(OnceLock::new());
    let mut config = Arc::unwrap_or_clone(config);
    config.cert_resolver = Arc::new(Noting { asked: asked.clone(), inner: config.cert_resolver });
    (Arc::new(config), asked)
}

impl ResolvesServerCert for Noting {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            let _ = self.asked.set(name.to_owned());
        }
        self.inner.resolve(hello)
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = key.cert.first().map(ParsedCertificate::try_from);
    matches!(parsed, Some(Ok(certificate)) if verify_server_name(&certificate, name).is_ok())
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.all.iter().map(|(_, file)| file).collect();
        f.debug_struct("Certificates").field("files", &files).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
