//! Certificates fetched and renewed by ACME (RFC 8555), proven by HTTP-01.
//!
//! What is fetched goes into one file, from which the server loads it like any other: so a renewal
//! is a reload, and an issuer that does not answer costs nothing until the certificate ends.

mod error;
mod http01;
mod order;

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::UnixTime;

use super::certs;
use super::options::{AcmeOptions, CertificateFiles};
use super::self_signed::self_signed;
pub(crate) use error::AcmeError;

/// Longest one order may take; issuers look from several places, and queue.
const ORDER: Duration = Duration::from_secs(5 * 60);

/// The client for one certificate.
#[derive(Debug)]
pub(crate) struct Acme {
    options: AcmeOptions,
}

impl Acme {
    /// Nothing is read or asked yet.
    pub(crate) fn new(options: AcmeOptions) -> Self {
        // The ACME library asks for the process's provider, which this makes unambiguous.
        let _ = aws_lc_rs::default_provider().install_default();
        Self { options }
    }

    /// What it was made from.
    pub(crate) fn options(&self) -> &AcmeOptions {
        &self.options
    }

    /// Where there is no usable certificate yet, puts a self-signed one, so that the server can
    /// start before the issuer has answered. Says whether it did.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn stand_in(&self) -> Result<bool, AcmeError> {
        let files = self.options.files();
        if certs::load(&files).is_ok() {
            return Ok(false);
        }
        let (chain, key) = self_signed(&self.options.names, SystemTime::now())?;
        self.keep(&files.chain, &(key + &chain))?;
        Ok(true)
    }

    /// From when on a certificate should be fetched: at once when there is none, when it is a
    /// stand-in or for other names; else from the last third of its life on.
    pub(crate) fn due(&self) -> UnixTime {
        certs::load(&self.options.files()).map_or_else(
            |_| UnixTime::since_unix_epoch(Duration::ZERO),
            |key| certs::due(&key, &self.options.names),
        )
    }

    /// Fetches a certificate now. Listens at `http` while the issuer looks there, and no longer.
    ///
    /// # Errors
    /// Why there is none; then the files are as they were.
    pub(crate) async fn fetch(&self) -> Result<(), AcmeError> {
        let ordered = tokio::time::timeout(ORDER, self.order()).await;
        self.adopt(&ordered.unwrap_or(Err(AcmeError::Timeout))?)
    }

    /// Puts a key and its chain in the place of what is there, if they are good for it.
    fn adopt(&self, fetched: &str) -> Result<(), AcmeError> {
        let file = self.options.files().chain;
        let trial = file.with_extension("fetched");
        self.keep(&trial, fetched)?;
        let loaded = certs::load(&CertificateFiles { chain: trial.clone(), key: trial.clone() });
        let key = loaded.map_err(|error| AcmeError::Useless(error.to_string()))?;
        if certs::due(&key, &self.options.names).as_secs() == 0 {
            return Err(AcmeError::Useless("it is not for all of the names".into()));
        }
        std::fs::rename(&trial, &file).map_err(|source| AcmeError::Keep { file, source })
    }

    fn account_file(&self) -> PathBuf {
        self.options.folder().join("account.json")
    }

    /// All of it or nothing, for our eyes only.
    fn keep(&self, file: &Path, text: &str) -> Result<(), AcmeError> {
        let new = file.with_extension("new");
        let write = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(self.options.folder())?;
            let mut options = OpenOptions::new();
            let mut opened =
                options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            opened.write_all(text.as_bytes())?;
            opened.sync_all()?;
            std::fs::rename(&new, file)
        };
        write().map_err(|source| AcmeError::Keep { file: file.to_owned(), source })
    }
}

#[cfg(test)]
mod tests;
