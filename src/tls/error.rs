//! Why TLS could not be set up from the files.

use std::io;
use std::path::PathBuf;

/// Something in the files or the options of TLS is wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; name a file that ftpgate's user may read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Not only those who should may say who we are.
    #[error(
        "anybody may write to {open}, and so change {}: chmod o-w {open}", file.display(),
        open = open.display()
    )]
    Open {
        /// The file.
        file: PathBuf,
        /// It, or the directory that it stands in.
        open: PathBuf,
    },
    /// No certificate in a file that must have one.
    #[error(
        "{} holds no certificate; it must be PEM, the server's own certificate first, then its \
         issuers", file.display()
    )]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// A certificate that cannot be used.
    #[error("the certificate in {} cannot be used: {why}; issue it anew", file.display())]
    BadCertificate {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No private key in a file that must have one.
    #[error("{} holds no private key; it must be PEM: PKCS#8, SEC1 or PKCS#1", file.display())]
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// A private key with a passphrase: nobody is there to type it.
    #[error(
        "the private key in {file} has a passphrase; take it off: openssl pkey -in {file} -out \
         NEW", file = file.display()
    )]
    EncryptedKey {
        /// The file.
        file: PathBuf,
    },
    /// A private key of an unknown kind, or a broken one.
    #[error(
        "the private key in {} cannot be used: {why}; take ECDSA P-256 or RSA from 2048 bits",
        file.display()
    )]
    BadKey {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key is another certificate's.
    #[error(
        "the private key in {} is not that of the first certificate in {}; put the pair together \
         again, the server's own certificate first", key.display(), chain.display()
    )]
    Mismatch {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// TLS towards clients without any certificate.
    #[error("there is no certificate; name one, or try `ftpgate cert self-signed`")]
    NoCertificates,
    /// Client certificates are wanted and nothing says whose.
    #[error("client certificates are asked for and no issuer is named; name a file of issuers")]
    NoClientCa,
    /// This machine trusts nobody.
    #[error("{0}; install ca-certificates, or name a file of issuers")]
    NoRoots(String),
    /// The name that the server's certificate must have is none.
    #[error("{0:?} is not a host name or address; name the one in the server's certificate")]
    ServerName(String),
    /// `min` is above `max`, or the library refuses what we ask for.
    #[error("TLS cannot be set up: {0}; check the TLS versions")]
    Setup(String),
}

impl TlsError {
    /// Short and stable, for logs and metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Open { .. } => "open-to-all",
            Self::NoCertificate { .. } | Self::NoCertificates => "no-certificate",
            Self::BadCertificate { .. } => "bad-certificate",
            Self::NoKey { .. } => "no-key",
            Self::EncryptedKey { .. } => "encrypted-key",
            Self::BadKey { .. } => "bad-key",
            Self::Mismatch { .. } => "mismatch",
            Self::NoClientCa => "no-client-ca",
            Self::NoRoots(_) => "no-roots",
            Self::ServerName(_) => "server-name",
            Self::Setup(_) => "setup",
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Setup(error.to_string())
    }
}
