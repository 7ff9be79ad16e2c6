//! A connection in the clear or under TLS, and who takes part in it.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned, SupportedProtocolVersion,
};

use super::net::PUBLIC;
use super::pki::Identity;

/// The versions that a test speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Tls12,
    Tls13,
}

impl Version {
    pub(crate) const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    fn only(self) -> [&'static SupportedProtocolVersion; 1] {
        match self {
            Self::Tls12 => [&TLS12],
            Self::Tls13 => [&TLS13],
        }
    }

    /// As configurations and logs have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// A TLS client with a memory of its own: what it learns on one connection it offers on the next.
#[derive(Debug, Clone)]
pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsClient {
    /// Trusts the authority in this file and speaks only this version.
    pub(crate) fn new(ca: &Path, version: Version) -> Self {
        Self::build(ca, version, None)
    }

    /// The same with a certificate of its own.
    pub(crate) fn showing(ca: &Path, version: Version, identity: &Identity) -> Self {
        Self::build(ca, version, Some(identity))
    }

    fn build(ca: &Path, version: Version, identity: Option<&Identity>) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca) {
            roots.add(certificate).expect("authority");
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&version.only())
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_file(&identity.key).expect("key");
                let chain = certificates(&identity.chain);
                config.with_client_auth_cert(chain, key).expect("certificate")
            }
        };
        config.resumption = Resumption::in_memory_sessions(64);
        Self { config: Arc::new(config), name: ServerName::IpAddress(IpAddr::from(PUBLIC).into()) }
    }

    /// The same client with nothing to remember.
    pub(crate) fn forgetful(&self) -> Self {
        self.change(|config| config.resumption = Resumption::disabled())
    }

    /// The same client, which asks for this application protocol.
    pub(crate) fn alpn(&self, protocol: &str) -> Self {
        self.change(|config| config.alpn_protocols = vec![protocol.into()])
    }

    /// The same client with a memory of its own.
    pub(crate) fn another(&self) -> Self {
        self.change(|config| config.resumption = Resumption::in_memory_sessions(64))
    }

    /// The same client, on its way to this address.
    pub(crate) fn to(&self, address: IpAddr) -> Self {
        Self { name: ServerName::IpAddress(address.into()), ..self.clone() }
    }

    /// The same client, which asks for a server of this name.
    pub(crate) fn named(&self, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        Self { name, ..self.clone() }
    }

    fn change(&self, change: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut config = (*self.config).clone();
        change(&mut config);
        Self { config: Arc::new(config), name: self.name.clone() }
    }

    /// Shakes hands.
    pub(crate) fn connect(&self, mut tcp: TcpStream) -> io::Result<Wire> {
        let mut tls = ClientConnection::new(self.config.clone(), self.name.clone())
            .map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Wire::Client(Box::new(StreamOwned::new(tls, tcp))))
    }
}

/// A TLS server with one certificate.
#[derive(Debug, Clone)]
pub(crate) struct TlsServer(Arc<ServerConfig>);

impl TlsServer {
    pub(crate) fn new(identity: &Identity, version: Version) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = PrivateKeyDer::from_pem_file(&identity.key).expect("key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&version.only())
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(certificates(&identity.chain), key)
            .expect("certificate");
        Self(Arc::new(config))
    }

    /// Shakes hands.
    pub(crate) fn accept(&self, mut tcp: TcpStream) -> io::Result<Wire> {
        let mut tls = ServerConnection::new(self.0.clone()).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Wire::Server(Box::new(StreamOwned::new(tls, tcp))))
    }
}

fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    let mut file = BufReader::new(File::open(file).expect("certificate file"));
    CertificateDer::pem_reader_iter(&mut file).map(|c| c.expect("certificate")).collect()
}

/// A connection as one of its ends has it.
pub(crate) enum Wire {
    Plain(TcpStream),
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    /// The socket, for what only a socket can do.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Client(tls) => &tls.sock,
            Self::Server(tls) => &tls.sock,
        }
    }

    pub(crate) fn into_socket(self) -> TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Client(tls) => tls.into_parts().1,
            Self::Server(tls) => tls.into_parts().1,
        }
    }

    /// Says that nothing more will come, and means it: close_notify, then the end of the stream.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.notify()?;
        self.socket().shutdown(Shutdown::Write)
    }

    /// Says so by TLS alone.
    pub(crate) fn notify(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => {}
            Self::Client(tls) => tls.conn.send_close_notify(),
            Self::Server(tls) => tls.conn.send_close_notify(),
        }
        self.flush()
    }

    /// Was the session of another connection taken up again?
    pub(crate) fn resumed(&self) -> bool {
        let kind = match self {
            Self::Plain(_) => None,
            Self::Client(tls) => tls.conn.handshake_kind(),
            Self::Server(tls) => tls.conn.handshake_kind(),
        };
        kind == Some(HandshakeKind::Resumed)
    }

    /// The other side's certificate.
    pub(crate) fn certificate(&self) -> Option<CertificateDer<'static>> {
        let chain = match self {
            Self::Plain(_) => None,
            Self::Client(tls) => tls.conn.peer_certificates(),
            Self::Server(tls) => tls.conn.peer_certificates(),
        };
        chain?.first().map(|leaf| leaf.clone().into_owned())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Client(tls) => tls.read(buffer),
            Self::Server(tls) => tls.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Client(tls) => tls.write(bytes),
            Self::Server(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Client(tls) => tls.flush(),
            Self::Server(tls) => tls.flush(),
        }
    }
}
