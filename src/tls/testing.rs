//! For tests: an issuer, files, loopback pairs, and a client with knobs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::client::{ClientConnection, Resumption};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::net::socket;
use crate::net::stream::Stream;

/// Longer than any handshake here takes; only a hang meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An issuer of certificates and a folder to put them.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) dir: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let dir = tempfile::tempdir().unwrap();
        // No two issuers of the same name.
        params.distinguished_name.push(DnType::CommonName, dir.path().to_str().unwrap());
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    pub(crate) fn ca_file(&self) -> std::path::PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate good for these names until `ends`, in files called `file`.
    pub(crate) fn issue_until(
        &self,
        file: &str,
        names: &[&str],
        ends: SystemTime,
    ) -> CertificateFiles {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, file);
        params.not_before = (SystemTime::now() - 100 * DAY).into();
        params.not_after = ends.into();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = self.files(file);
        std::fs::write(&files.chain, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    pub(crate) fn issue(&self, file: &str, names: &[&str]) -> CertificateFiles {
        self.issue_until(file, names, SystemTime::now() + 100 * DAY)
    }

    pub(crate) fn files(&self, file: &str) -> CertificateFiles {
        let path = |end: &str| self.dir.path().join(format!("{file}.{end}"));
        CertificateFiles { chain: path("pem"), key: path("key") }
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// Options with one certificate, for `localhost` and `ftp.test`.
    pub(crate) fn options(&self) -> ServerTlsOptions {
        server_options(vec![self.issue("server", &["localhost", "ftp.test"])])
    }

    pub(crate) fn server(&self) -> Arc<TlsServer> {
        TlsServer::load(&self.options()).unwrap()
    }

    /// An FTP session's TLS and a client that has been on its control connection.
    pub(crate) async fn acquainted(&self, version: TlsVersion) -> (ServerSession, TlsInfo, Peer) {
        let (session, peer) = (self.server().session(), self.client(version));
        let (info, _) = peer.visit(session.control()).await.unwrap();
        (session, info, peer)
    }

    /// Like [`Authority::client_with`], with a store of its own.
    pub(crate) fn client(&self, version: TlsVersion) -> Peer {
        self.client_with(version, Resumption::in_memory_sessions(8))
    }

    /// A client that speaks one version and trusts this issuer.
    pub(crate) fn client_with(&self, version: TlsVersion, resumption: Resumption) -> Peer {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version.supported()])
            .unwrap()
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        config.resumption = resumption;
        Peer { config, name: ServerName::try_from("localhost").unwrap() }
    }
}

pub(crate) fn server_options(certificates: Vec<CertificateFiles>) -> ServerTlsOptions {
    ServerTlsOptions {
        certificates,
        acme: None,
        client_ca: None,
        client_certificate: ClientCertificate::Off,
        versions: TlsVersions::default(),
        unknown_sni: UnknownSni::Refuse,
    }
}

/// A client that is not ours.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) config: ClientConfig,
    pub(crate) name: ServerName<'static>,
}

/// What a client saw of a connection that came up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) resumed: bool,
    pub(crate) tickets: u32,
    pub(crate) leaf: [u8; 32],
}

impl Peer {
    pub(crate) fn named(&self, name: &str) -> Self {
        Self { name: ServerName::try_from(name.to_owned()).unwrap(), ..self.clone() }
    }

    /// Its first words. They may use up a ticket.
    pub(crate) fn hello(&self) -> Vec<u8> {
        let config = Arc::new(self.config.clone());
        let mut client = ClientConnection::new(config, self.name.clone()).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// Shakes hands with a server of this configuration, then reads what it has to say, tickets
    /// and all.
    pub(crate) async fn visit(
        &self,
        config: Arc<ServerConfig>,
    ) -> Result<(TlsInfo, Seen), HandshakeError> {
        let (near, far) = loopback().await;
        let serve = async {
            let (mut stream, info) = accept(far, config, PATIENCE).await?;
            stream.write_all(b"150").await.unwrap();
            stream.shutdown().await.unwrap();
            Ok(info)
        };
        let (info, seen) = tokio::join!(serve, self.call(near));
        Ok((info?, seen.unwrap()))
    }

    /// The client's part of [`Peer::visit`].
    pub(crate) async fn call(&self, near: TcpStream) -> std::io::Result<Seen> {
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        let mut stream = connector.connect(self.name.clone(), near).await?;
        stream.read_to_end(&mut Vec::new()).await?;
        Ok(seen(&stream))
    }
}

fn seen(stream: &TlsStream<TcpStream>) -> Seen {
    let connection: &ClientConnection = stream.get_ref().1;
    Seen {
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        tickets: connection.tls13_tickets_received(),
        leaf: super::certs::fingerprint(&connection.peer_certificates().unwrap()[0]),
    }
}

/// Two ends of one connection.
pub(crate) async fn loopback() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(socket::connect(address, None, PATIENCE), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// Our client and our server, shaking hands.
pub(crate) async fn ours(
    client: &ClientSession,
    server: Arc<ServerConfig>,
) -> (Result<(Stream, TlsInfo), HandshakeError>, Result<(Stream, TlsInfo), HandshakeError>) {
    let (near, far) = loopback().await;
    tokio::join!(connect(near, client, PATIENCE), accept(far, server, PATIENCE))
}

/// What the server says reaches the client, and with it the tickets before it.
pub(crate) async fn settle(client: &mut Stream, server: &mut Stream) {
    server.write_all(b"x").await.unwrap();
    server.flush().await.unwrap();
    let mut byte = [0];
    client.read_exact(&mut byte).await.unwrap();
}

pub(crate) fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}
