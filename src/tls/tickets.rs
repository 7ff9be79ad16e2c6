//! Resumption as the proof that a data connection belongs to an FTP session.
//!
//! Every FTP session has a ticket key of its own. Only its control connection hands out sessions
//! under that key; data connections take them. Who resumes on a data connection has therefore been
//! on the control connection (P145), and when the FTP session ends, so does the key (P150).
//!
//! One exception keeps clients alive that use a TLS 1.3 ticket once: a data connection that itself
//! was resumed gives one new ticket (P148). It must know that it was. The library does
//! not say so in time, and a ticket that decrypts is not enough: ticket bytes are seen by anyone
//! who watches the line, and offered with another server name or cipher suite they lead to a full
//! handshake. But a server signs in every full handshake and in no resumed one: so the key that
//! signs is watched.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert, StoresServerSessions};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::SubjectPublicKeyInfoDer;

use super::hello::Offer;

/// What clients are told to keep a ticket for, seconds: the longest that RFC 8446 4.6.1 allows.
/// The key goes with the FTP session, which decides (P150).
const LIFETIME: u32 = 7 * 24 * 60 * 60;

/// What one FTP session knows of its own TLS sessions.
pub(super) struct Keeper {
    /// None only when the system has no randomness to give: then nothing is resumed.
    key: Option<RandomizedNonceKey>,
    /// For TLS 1.2 without tickets: the control connection's session, by its id.
    session: Mutex<Option<(Vec<u8>, Vec<u8>)>>,
}

impl Keeper {
    pub(super) fn new() -> Arc<Self> {
        let mut bytes = [0; 32];
        let key = aws_lc_rs::rand::fill(&mut bytes)
            .and_then(|()| RandomizedNonceKey::new(&AES_256_GCM, &bytes));
        Arc::new(Self { key: key.ok(), session: Mutex::new(None) })
    }

    /// Nonce, then ciphertext and tag.
    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.key.as_ref()?.seal_in_place_append_tag(Aad::empty(), &mut sealed).ok()?;
        Some([nonce.as_ref().as_slice(), &sealed].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = ticket.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let opened = self.key.as_ref()?.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
        let length = opened.len();
        sealed.truncate(length);
        Some(sealed)
    }

    /// Whether this is where what is offered comes from. A hint, no proof: offers can be repeated.
    pub(super) fn gave(&self, offer: &Offer) -> bool {
        let stored = || self.stored().as_ref().is_some_and(|(id, _)| *id == offer.session_id);
        offer.tickets.iter().any(|ticket| self.open(ticket).is_some()) || stored()
    }

    fn stored(&self) -> std::sync::MutexGuard<'_, Option<(Vec<u8>, Vec<u8>)>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tickets of one connection, or of many that are treated alike.
#[derive(Debug)]
pub(super) struct Tickets {
    keeper: Arc<Keeper>,
    issue: Issue,
}

/// Whether sessions are handed out; they are always taken.
#[derive(Debug)]
enum Issue {
    Always,
    Never,
    /// Unless this connection's handshake was a full one: then a signature was asked for.
    WhenResumed(Arc<AtomicBool>),
}

impl Tickets {
    /// The control connection's: it gives and takes.
    pub(super) fn issuing(keeper: Arc<Keeper>) -> Arc<Self> {
        Arc::new(Self { keeper, issue: Issue::Always })
    }

    /// A data connection's: it takes.
    pub(super) fn redeeming(keeper: Arc<Keeper>) -> Arc<Self> {
        Arc::new(Self { keeper, issue: Issue::Never })
    }

    /// For one TLS 1.3 download: takes one, then gives one. The certificates are `certificates`
    /// under watch, for the same connection.
    pub(super) fn renewing(
        keeper: Arc<Keeper>,
        certificates: Arc<dyn ResolvesServerCert>,
    ) -> (Arc<Self>, Arc<dyn ResolvesServerCert>) {
        let signed = Arc::new(AtomicBool::new(false));
        let watched = Watched { signed: signed.clone(), inner: certificates };
        (Arc::new(Self { keeper, issue: Issue::WhenResumed(signed) }), Arc::new(watched))
    }

    fn issues(&self) -> bool {
        match &self.issue {
            Issue::Always => true,
            Issue::Never => false,
            Issue::WhenResumed(signed) => !signed.load(Ordering::Relaxed),
        }
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if self.issues() { self.keeper.seal(plain) } else { None }
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.keeper.open(ticket)
    }
}

/// Asked by TLS 1.2 alone: 1.3 has tickets.
impl StoresServerSessions for Tickets {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        if self.issues() {
            *self.keeper.stored() = Some((id, session));
        }
        self.issues()
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.keeper.stored().as_ref().filter(|(known, _)| known == id).map(|(_, s)| s.clone())
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.get(id)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// Certificates whose use is noted.
#[derive(Debug)]
struct Watched<T: ?Sized> {
    signed: Arc<AtomicBool>,
    inner: Arc<T>,
}

impl ResolvesServerCert for Watched<dyn ResolvesServerCert> {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = self.inner.resolve(hello)?;
        let key = Watched { signed: self.signed.clone(), inner: found.key.clone() };
        Some(Arc::new(CertifiedKey::new(found.cert.clone(), Arc::new(key))))
    }
}

impl SigningKey for Watched<dyn SigningKey> {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.signed.store(true, Ordering::Relaxed);
        self.inner.choose_scheme(offered)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.inner.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
