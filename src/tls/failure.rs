//! Why a handshake failed: a class for the machine, a sentence with a remedy for the operator.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// What we are in a TLS connection (P119).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The peer is the client.
    Server,
    /// The peer is the server.
    Client,
}

/// The kinds of failure that call for different remedies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nothing older than TLS 1.2 is spoken (RFC 8996, P154).
    NoCommonVersion,
    /// No cipher suite, group or signature scheme is known to both.
    NoCommonCipher,
    /// The peer's certificate is past its end.
    Expired,
    /// The peer's certificate has not begun.
    NotYetValid,
    /// The peer's certificate comes from nobody we trust.
    UnknownIssuer,
    /// The server's certificate is another's.
    WrongName,
    /// The peer's certificate is broken or not meant for this.
    BadCertificate,
    /// The server's certificate is not the pinned one.
    WrongFingerprint,
    /// The data connection showed another certificate than the control connection (P123).
    CertificateChanged,
    /// The client has no certificate and must have one.
    NoCertificate,
    /// The peer does not accept our certificate.
    Refused,
    /// There is no certificate for the name that the client asks for (S10).
    UnknownName,
    /// The peer wants to speak something that is not FTP (P152).
    Alpn,
    /// The peer does not speak TLS.
    NotTls,
    /// The peer broke the rules of TLS, or was broken in between.
    Protocol,
    /// The peer sent an alert that says little.
    Alert,
    /// The peer closed or reset the connection.
    Closed,
    /// The peer was too slow.
    Timeout,
    /// The client's address has had more full handshakes than it may (S41).
    TooMany,
    /// The kernel reports an error.
    Network,
}

impl Class {
    /// Short and stable, for logs and metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::NoCommonVersion => "no-common-version",
            Self::NoCommonCipher => "no-common-cipher",
            Self::Expired => "certificate-expired",
            Self::NotYetValid => "certificate-not-yet-valid",
            Self::UnknownIssuer => "certificate-unknown-issuer",
            Self::WrongName => "wrong-name",
            Self::BadCertificate => "certificate-bad",
            Self::WrongFingerprint => "wrong-fingerprint",
            Self::CertificateChanged => "certificate-changed",
            Self::NoCertificate => "no-client-certificate",
            Self::Refused => "certificate-refused",
            Self::UnknownName => "unknown-name",
            Self::Alpn => "alpn",
            Self::NotTls => "not-tls",
            Self::Protocol => "protocol",
            Self::Alert => "alert",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::TooMany => "too-many-handshakes",
            Self::Network => "network",
        }
    }

    /// What happened, after "the client" or "the server", and what to do about it.
    fn words(self, role: Role) -> (&'static str, &'static str) {
        self.certificate_words(role).unwrap_or_else(|| self.other_words(role))
    }

    fn certificate_words(self, role: Role) -> Option<(&'static str, &'static str)> {
        Some(match (self, role) {
            (Self::Expired, _) => ("has a certificate that has expired", "it must be renewed"),
            (Self::NotYetValid, _) => {
                ("has a certificate that is not valid yet", "is this machine's clock right?")
            }
            (Self::UnknownIssuer, Role::Client) => (
                "has a certificate from an issuer that is not trusted here",
                "name a file with the issuer's certificate, or pin this one by its fingerprint",
            ),
            (Self::UnknownIssuer, Role::Server) => (
                "has a certificate from an issuer that is not trusted here",
                "add its issuer to the file of client issuers",
            ),
            (Self::WrongName, _) => (
                "has a certificate for another name",
                "set the server name to one that is in the certificate, if it is the right server",
            ),
            (Self::BadCertificate, Role::Client) => (
                "has a certificate that cannot be accepted",
                "issue it anew, or pin it by its fingerprint if it is self-signed",
            ),
            (Self::BadCertificate, Role::Server) => {
                ("has a certificate that cannot be accepted", "it must be issued anew")
            }
            (Self::WrongFingerprint, _) => (
                "has another certificate than the pinned one",
                "if it was renewed, pin the new fingerprint; if not, somebody stands in between",
            ),
            (Self::CertificateChanged, _) => (
                "has another certificate on the data connection than on control",
                "do several servers stand behind one address?",
            ),
            (Self::NoCertificate, _) => (
                "has no certificate",
                "install one there, or make client certificates optional here",
            ),
            (Self::Refused, Role::Server) => (
                "does not accept our certificate",
                "renew it, send its issuers along, or let the client trust it",
            ),
            (Self::Refused, Role::Client) => (
                "does not accept our certificate, or wants one",
                "name a client certificate that the server trusts",
            ),
            _ => return None,
        })
    }

    fn other_words(self, role: Role) -> (&'static str, &'static str) {
        match (self, role) {
            (Self::NoCommonVersion, _) => {
                ("speaks no version of TLS that is allowed here", "it needs TLS 1.2 or newer")
            }
            (Self::NoCommonCipher, _) => {
                ("knows no cipher that is known here", "it needs ECDHE with AES-GCM or ChaCha20")
            }
            (Self::UnknownName, Role::Server) => (
                "asks for a server name for which there is no certificate",
                "add a certificate for it, or answer unknown names with the first one",
            ),
            (Self::UnknownName, Role::Client) => (
                "does not know the name it was asked for",
                "set the server name to one that it serves",
            ),
            (Self::Alpn, _) => (
                "offers protocols of which none is FTP (ALPN)",
                "it is no FTP peer, or was led here by somebody else",
            ),
            (Self::NotTls, Role::Server) => {
                ("does not speak TLS", "it must be set to FTPS, explicit or implicit as here")
            }
            (Self::NotTls, Role::Client) => {
                ("does not speak TLS", "is it explicit where implicit was set, or plain FTP?")
            }
            (Self::Protocol, _) => {
                ("broke the TLS protocol", "update it; if it happens at times, suspect the path")
            }
            (Self::Alert, _) => ("refused the connection", "its own log knows more"),
            (Self::Closed, _) => {
                ("closed the connection in the handshake", "its own log knows more")
            }
            (Self::Timeout, _) => (
                "did not finish the handshake in time",
                "is a firewall in between that looks into FTP?",
            ),
            (Self::TooMany, _) => (
                "has an address with more full handshakes than limits.handshakes_per_minute",
                "if that is right for this address, raise it",
            ),
            (_, _) => ("was lost in the handshake", "check the path to it"),
        }
    }
}

/// A handshake that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandshakeError {
    /// What we were.
    pub(crate) role: Role,
    /// What kind of failure.
    pub(crate) class: Class,
    /// What the library or the kernel said; may be empty.
    detail: String,
}

impl HandshakeError {
    pub(super) fn new(role: Role, class: Class) -> Self {
        Self { role, class, detail: String::new() }
    }

    /// Short and stable, for logs and metrics.
    pub(crate) fn label(&self) -> &'static str {
        self.class.label()
    }

    /// What an I/O error of a TLS connection means; also after the handshake, since in TLS 1.3 a
    /// server may refuse the client's certificate only then.
    pub(crate) fn of(role: Role, error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        let (class, detail) = match inner {
            Some(error) => (class_of(error, role), error.to_string()),
            None => match error.kind() {
                io::ErrorKind::UnexpectedEof => (Class::Closed, String::new()),
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => (Class::Closed, error.to_string()),
                _ => (Class::Network, error.to_string()),
            },
        };
        Self { role, class, detail }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = match self.role {
            Role::Server => "the client",
            Role::Client => "the server",
        };
        let (what, remedy) = self.class.words(self.role);
        write!(f, "{peer} {what}")?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        write!(f, "; {remedy}")
    }
}

impl std::error::Error for HandshakeError {}

fn class_of(error: &Error, role: Role) -> Class {
    match error {
        Error::InvalidCertificate(why) => of_certificate(why),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::PeerIncompatible(why) => of_incompatible(why),
        Error::NoCertificatesPresented => Class::NoCertificate,
        Error::NoApplicationProtocol => Class::Alpn,
        // The first bytes are not of TLS; later ones would not decrypt.
        Error::InvalidMessage(
            rustls::InvalidMessage::InvalidContentType
            | rustls::InvalidMessage::UnknownProtocolVersion,
        ) => Class::NotTls,
        // The only thing a server's library says in words alone.
        Error::General(_) if role == Role::Server => Class::UnknownName,
        _ => Class::Protocol,
    }
}

fn of_certificate(why: &CertificateError) -> Class {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Class::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Class::NotYetValid
        }
        CertificateError::UnknownIssuer => Class::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Class::WrongName
        }
        // Said by our own pin alone.
        CertificateError::ApplicationVerificationFailure => Class::WrongFingerprint,
        _ => Class::BadCertificate,
    }
}

fn of_alert(alert: AlertDescription) -> Class {
    use AlertDescription as Alert;
    match alert {
        Alert::ProtocolVersion => Class::NoCommonVersion,
        Alert::HandshakeFailure | Alert::InsufficientSecurity => Class::NoCommonCipher,
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::CertificateRequired
        | Alert::UnknownCA => Class::Refused,
        Alert::UnrecognisedName => Class::UnknownName,
        Alert::NoApplicationProtocol => Class::Alpn,
        _ => Class::Alert,
    }
}

fn of_incompatible(why: &PeerIncompatible) -> Class {
    match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        // Clients older than TLS 1.2 have no such extension, and it is what is missed first.
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => Class::NoCommonVersion,
        _ => Class::NoCommonCipher,
    }
}

#[cfg(test)]
mod tests;
