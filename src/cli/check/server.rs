//! What the server behind a listener says to us, and whether TLS comes up where it has to.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::config::ListenerConfig;
use crate::ftp::reply::ReplyParser;
use crate::net::proxy_header::Version;
use crate::net::stream::Stream;
use crate::session::policy::{ServerTls, TlsPolicy};
use crate::tls::{
    self, Class, ClientTlsOptions, HandshakeError, TlsClient, TlsError, TlsInfo, Verify,
};
use crate::upstream::{Upstream, UpstreamError};

/// How long a server may take to answer us.
const ANSWER: Duration = Duration::from_secs(10);

/// The longest reply that is looked at, bytes.
const MAX_REPLY: u64 = 16 * 1024;

/// What is tried, and how.
pub(super) struct Trial {
    upstream: Arc<Upstream>,
    policy: TlsPolicy,
    dial: Duration,
    handshake: Duration,
}

/// A server that answers as it has to.
pub(super) struct Found {
    /// Its greeting.
    pub(super) greeting: String,
    /// What TLS came to, where there is TLS.
    pub(super) tls: Option<TlsInfo>,
    /// What works, but not for everything.
    pub(super) but: Option<&'static str>,
    /// The fingerprint of a certificate that was not verified, to be looked at and pinned.
    pub(super) pin: Option<String>,
}

impl Found {
    fn plain(greeting: String) -> Self {
        Self { greeting, tls: None, but: None, pin: None }
    }
}

/// Why it is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Connect(#[from] UpstreamError),
    #[error("TLS cannot be set up: {0}")]
    Files(#[from] TlsError),
    #[error(
        "it accepts but does not answer: is it FTP? On port 990 it waits for TLS: mode = \
         \"implicit\""
    )]
    Silent,
    #[error("it refuses us: {0}")]
    Greeting(String),
    #[error("it refuses AUTH TLS: {0}; is TLS on there, or is it implicit TLS, on port 990?")]
    NoAuth(String),
    #[error("behind its answer to AUTH came more in the clear: somebody may stand in between")]
    Injection,
    #[error("no TLS, {label}: {0}", label = .0.label())]
    Handshake(#[from] HandshakeError),
    #[error("it refuses to protect data: {0}; data = \"optional\" lets them go in the clear")]
    NoProt(String),
}

impl Refusal {
    /// Whether it is the server's certificate that is not believed.
    fn is_doubt(&self) -> bool {
        matches!(
            self,
            Self::Handshake(HandshakeError {
                class: Class::BadCertificate
                    | Class::Expired
                    | Class::NotYetValid
                    | Class::UnknownIssuer
                    | Class::WrongFingerprint
                    | Class::WrongName,
                ..
            })
        )
    }
}

impl Trial {
    pub(super) fn new(listener: &ListenerConfig) -> Self {
        let upstream = Upstream::new(listener.upstream.clone(), Vec::new());
        let policy = &listener.policy;
        let (dial, handshake) = (listener.connect, policy.timeouts.tls);
        Self { upstream, policy: policy.tls, dial, handshake }
    }

    /// Connects as a session would, as far as it goes without a password.
    pub(super) async fn run(&self) -> Result<Found, Refusal> {
        match &self.upstream.options().tls {
            Some(options) => self.protected(options).await,
            None => {
                let mut peer = Peer::new(self.connect().await?);
                Ok(Found::plain(peer.greeting().await?))
            }
        }
    }

    /// The fingerprint of a certificate that was not believed, to be looked at and pinned.
    pub(super) async fn fingerprint(&self, refusal: &Refusal) -> Option<String> {
        let options = self.upstream.options().tls.clone().filter(|_| refusal.is_doubt())?;
        self.protected(&ClientTlsOptions { verify: Verify::Off, ..options }).await.ok()?.pin
    }

    async fn protected(&self, options: &ClientTlsOptions) -> Result<Found, Refusal> {
        let mut found = self.up(options).await?;
        let leaf = found.tls.as_ref().and_then(|tls| tls.leaf);
        found.pin = leaf.filter(|_| options.verify == Verify::Off).map(hex);
        Ok(found)
    }

    /// Brings TLS up, by the mode.
    async fn up(&self, options: &ClientTlsOptions) -> Result<Found, Refusal> {
        let client = TlsClient::load(options, self.upstream.options().host())?;
        let plain = self.connect().await?;
        if self.policy.server == ServerTls::Implicit {
            let (mut peer, info) = self.secure(plain, &client).await?;
            let greeting = peer.greeting().await?;
            return self.data(peer, greeting, info).await;
        }
        let mut plain = Peer::new(plain);
        let greeting = plain.greeting().await?;
        if self.policy.server == ServerTls::Auto && !plain.ask("FEAT").await?.lists_auth() {
            let but =
                "its FEAT lists no AUTH TLS: with mode = \"auto\" sessions go on in the clear";
            return Ok(Found { but: Some(but), ..Found::plain(greeting) });
        }
        let answer = plain.ask("AUTH TLS").await?;
        if answer.code != 234 {
            return Err(Refusal::NoAuth(answer.last()));
        }
        let (peer, info) = self.secure(plain.into_inner()?, &client).await?;
        self.data(peer, greeting, info).await
    }

    async fn connect(&self) -> Result<TcpStream, UpstreamError> {
        let stream = self.upstream.connect(None, None, self.dial).await?;
        let [version, _] = self.upstream.options().proxy;
        self.upstream.introduce(stream, version.map(Version::own)).await
    }

    async fn secure(
        &self,
        stream: TcpStream,
        client: &TlsClient,
    ) -> Result<(Peer<Stream>, TlsInfo), Refusal> {
        let (stream, info) = tls::connect(stream, &client.session(), self.handshake).await?;
        Ok((Peer::new(stream), info))
    }

    /// Asks for PROT P, as a session would (P118).
    async fn data(
        &self,
        mut peer: Peer<Stream>,
        greeting: String,
        info: TlsInfo,
    ) -> Result<Found, Refusal> {
        peer.ask("PBSZ 0").await?;
        let answer = peer.ask("PROT P").await?;
        let refused = answer.code / 100 != 2;
        if refused && self.policy.server_data {
            return Err(Refusal::NoProt(answer.last()));
        }
        let but = refused.then_some("it refuses PROT P: data go in the clear");
        Ok(Found { tls: Some(info), but, ..Found::plain(greeting) })
    }
}

/// A dialogue, one question at a time.
struct Peer<S>(BufReader<S>);

/// A whole reply; what is not printable is replaced.
struct Answer {
    code: u16,
    lines: Vec<String>,
}

impl Answer {
    fn last(&self) -> String {
        self.lines.last().cloned().unwrap_or_default()
    }

    fn lists_auth(&self) -> bool {
        let upper = self.lines.iter().map(|line| line.trim().to_ascii_uppercase());
        upper.into_iter().any(|line| line.starts_with("AUTH") && line.contains("TLS"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// The stream, when nothing came ahead of the handshake (S13).
    fn into_inner(self) -> Result<S, Refusal> {
        if self.0.buffer().is_empty() { Ok(self.0.into_inner()) } else { Err(Refusal::Injection) }
    }

    async fn greeting(&mut self) -> Result<String, Refusal> {
        let mut greeting = self.answer().await?;
        let text = greeting.last();
        if greeting.code == 120 {
            greeting = self.answer().await?;
        }
        if greeting.code / 100 == 2 { Ok(text) } else { Err(Refusal::Greeting(greeting.last())) }
    }

    async fn ask(&mut self, question: &str) -> Result<Answer, Refusal> {
        let line = format!("{question}\r\n");
        let write = async {
            self.0.get_mut().write_all(line.as_bytes()).await?;
            self.0.get_mut().flush().await
        };
        match tokio::time::timeout(ANSWER, write).await {
            Ok(Ok(())) => self.answer().await,
            _ => Err(Refusal::Silent),
        }
    }

    async fn answer(&mut self) -> Result<Answer, Refusal> {
        let read = tokio::time::timeout(ANSWER, self.reply()).await;
        read.ok().flatten().ok_or(Refusal::Silent)
    }

    async fn reply(&mut self) -> Option<Answer> {
        let mut parser = ReplyParser::default();
        let mut lines = Vec::new();
        let mut reader = (&mut self.0).take(MAX_REPLY);
        loop {
            let mut line = Vec::new();
            if reader.read_until(b'\n', &mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let read = parser.accept(line).ok()?;
            lines.push(String::from_utf8_lossy(read.raw).replace(char::is_control, "?"));
            if read.ends() {
                return Some(Answer { code: read.code.get(), lines });
            }
        }
    }
}

/// As `fingerprint` wants it.
fn hex(fingerprint: [u8; 32]) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
