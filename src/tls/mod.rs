//! TLS on either side: we are the server of clients and the client of servers, on control and on
//! data connections alike (P119).
//!
//! [`server`] and [`client`] each give one thing for every FTP session, which knows how its data
//! connections prove that they belong to it: a session of the control connection, resumed.
//! [`handshake`] brings a connection up and tells what came of it; [`hello`] says before that what a
//! client would resume. [`pace`] bounds how many full handshakes a client address can have.

#[cfg(feature = "acme")]
mod acme;
mod certs;
mod client;
mod error;
mod failure;
mod handshake;
mod hello;
mod options;
mod pace;
mod self_signed;
mod server;
mod tickets;
mod verify;

use std::sync::{Arc, LazyLock};

use rustls::SupportedCipherSuite;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};

#[cfg(feature = "acme")]
pub(crate) use acme::{Acme, AcmeError};
pub(crate) use client::{ClientSession, TlsClient};
pub(crate) use error::TlsError;
pub(crate) use failure::{Class, HandshakeError};
#[cfg(test)]
pub(crate) use handshake::accept;
pub(crate) use handshake::{TlsInfo, connect};
pub(crate) use hello::offered;
pub(crate) use options::{
    AcmeOptions, CertificateFiles, ClientCertificate, ClientTlsOptions, ServerTlsOptions,
    TlsVersion, TlsVersions, UnknownSni, Verify,
};
pub(crate) use self_signed::self_signed;
pub(crate) use server::{ServerSession, TlsServer};

/// In place of a ServerHello: the alert access_denied, fatal, as a record of its own (RFC 8446 6).
pub(crate) const ACCESS_DENIED: &[u8] = &[21, 3, 3, 0, 2, 2, 49];

/// Whether this build can fetch certificates by ACME.
pub(crate) const HAS_ACME: bool = cfg!(feature = "acme");

/// The one source of cryptography, named wherever one is needed: a process-wide default could be
/// taken away by another library.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let cipher_suites = SUITES.to_vec();
        Arc::new(CryptoProvider { cipher_suites, ..aws_lc_rs::default_provider() })
    });
    PROVIDER.clone()
}

/// All that the library has, the cheapest first: as servers we choose by this order, as clients we
/// offer in it. AES-128 with SHA-256 takes less time than AES-256 with SHA-384 and is strong enough;
/// ChaCha20 is for peers without AES in hardware, which offer it alone if they mean it.
static SUITES: [SupportedCipherSuite; 9] = [
    TLS13_AES_128_GCM_SHA256,
    TLS13_AES_256_GCM_SHA384,
    TLS13_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

#[cfg(test)]
pub(crate) mod testing;
