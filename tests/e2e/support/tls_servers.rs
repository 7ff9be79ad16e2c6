//! The real FTP servers under TLS, as strict as each of them can be.

use std::fs;

use super::lab::{Lab, PASSWORD, USER};
use super::net::{SERVER, SERVER6};
use super::pki::Identity;
use super::servers::Server;
use super::wire::Version;

/// A server program and how it does TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsKind {
    /// Takes no data connection that does not resume.
    Vsftpd,
    VsftpdImplicit,
    /// Takes none that does not resume the session of its own control connection.
    Proftpd(Version),
    /// The same with either version, as it comes.
    ProftpdAny,
    ProftpdImplicit,
    /// Required on the control connection; with `data`, there as well.
    PureFtpd {
        data: bool,
    },
    Pyftpdlib,
    PyftpdlibImplicit,
    /// A ticket right before the answer to PASV, none elsewhere, and it has to be used.
    FileZillaOrder,
}

impl TlsKind {
    /// TLS from the first byte?
    pub(crate) fn implicit(self) -> bool {
        matches!(self, Self::VsftpdImplicit | Self::ProftpdImplicit | Self::PyftpdlibImplicit)
    }
}

impl Server {
    /// The server, on port 21 of both families, without a word in clear text but for AUTH.
    pub(crate) fn secure(lab: &Lab, kind: TlsKind, identity: &Identity) -> Self {
        match kind {
            TlsKind::Vsftpd => Self::vsftpd(lab, 21, &vsftpd(identity)),
            TlsKind::VsftpdImplicit => {
                Self::vsftpd(lab, 21, &(vsftpd(identity) + "implicit_ssl=YES\n"))
            }
            TlsKind::Proftpd(Version::Tls12) => {
                Self::proftpd(lab, &proftpd(lab, identity, "TLSv1.2", ""))
            }
            TlsKind::Proftpd(Version::Tls13) => {
                Self::proftpd(lab, &proftpd(lab, identity, "TLSv1.3", ""))
            }
            TlsKind::ProftpdAny => {
                Self::proftpd(lab, &proftpd(lab, identity, "TLSv1.2 TLSv1.3", ""))
            }
            TlsKind::ProftpdImplicit => {
                let text = proftpd(lab, identity, "TLSv1.2 TLSv1.3", "TLSOptions UseImplicitSSL");
                Self::proftpd(lab, &text)
            }
            TlsKind::PureFtpd { data } => pure_ftpd(lab, identity, data),
            TlsKind::Pyftpdlib => pyftpdlib(lab, identity, "explicit"),
            TlsKind::PyftpdlibImplicit => pyftpdlib(lab, identity, "implicit"),
            TlsKind::FileZillaOrder => pyftpdlib(lab, identity, "filezilla"),
        }
    }
}

/// Lines for vsftpd: TLS on both connections, and no data connection that does not resume.
pub(crate) fn vsftpd(identity: &Identity) -> String {
    format!(
        "ssl_enable=YES\nrequire_ssl_reuse=YES\nforce_local_logins_ssl=YES\n\
         force_local_data_ssl=YES\nssl_ciphers=HIGH\nrsa_cert_file={}\nrsa_private_key_file={}\n",
        identity.chain.display(),
        identity.key.display()
    )
}

fn proftpd(lab: &Lab, identity: &Identity, protocols: &str, more: &str) -> String {
    format!(
        "LoadModule mod_tls.c\nTLSEngine on\nTLSRequired on\nTLSProtocol {protocols}\n\
         TLSLog {}\nTLSECCertificateFile {}\nTLSECCertificateKeyFile {}\n{more}\n",
        lab.path("proftpd-tls.log").display(),
        identity.chain.display(),
        identity.key.display()
    )
}

fn pure_ftpd(lab: &Lab, identity: &Identity, data: bool) -> Server {
    let file = identity.both.display();
    let level = if data { "--tls=3" } else { "--tls=2" };
    Server::pure_ftpd(lab, &[level, &format!("--certfile={file},{file}")])
}

fn pyftpdlib(lab: &Lab, identity: &Identity, how: &str) -> Server {
    let script = lab.path("pyftpdlib_tls_server.py");
    fs::write(&script, include_str!("pyftpdlib_tls_server.py")).expect("own file");
    let (script, home) = (script.display().to_string(), lab.home().display().to_string());
    let (v4, v6) = (SERVER.to_string(), SERVER6.to_string());
    let certificate = identity.both.display().to_string();
    let argv =
        ["/usr/bin/python3", &script, &home, USER, PASSWORD, "4001", &certificate, how, &v4, &v6];
    Server::spawn(lab, "pyftpdlib", 21, &argv)
}
