//! How we believe a server.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::error::TlsError;
use super::options::Verify;
use super::{certs, provider};

pub(super) fn verifier(verify: &Verify) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    Ok(match verify {
        Verify::System => {
            let verifier = rustls_platform_verifier::Verifier::new(provider());
            Arc::new(verifier.map_err(|e| TlsError::NoRoots(e.to_string()))?)
        }
        Verify::CaFile(file) => by_issuers(file)?,
        Verify::Fingerprint(leaf) => Arc::new(Leaf { pinned: Some(*leaf) }),
        Verify::Off => Arc::new(Leaf { pinned: None }),
    })
}

fn by_issuers(file: &Path) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let roots = certs::issuers(file)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
    verifier.map_err(|e| TlsError::BadCertificate { file: file.to_owned(), why: e.to_string() })
}

/// Asks no issuer: the certificate is the pinned one, or any. In both cases the server must hold
/// its key.
struct Leaf {
    pinned: Option<[u8; 32]>,
}

impl ServerCertVerifier for Leaf {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pinned.is_some_and(|pinned| pinned != certs::fingerprint(end_entity)) {
            return Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.pinned.is_some() { "Fingerprint" } else { "Off" })
    }
}
