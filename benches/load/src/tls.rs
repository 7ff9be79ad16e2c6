//! TLS of a blocking client, with buffers large enough that it is not the limit.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError};
use rustls::{ClientConfig, DigitallySignedStruct, Error, HandshakeKind, SignatureScheme};

/// Taken from the socket at once, bytes.
const INPUT: usize = 256 << 10;
/// Plaintext of one write, bytes, and what its records may take.
const OUTPUT: usize = 256 << 10;
const RECORDS: usize = OUTPUT + 4096;

/// The TLS of one FTP session: its data connections resume what its control connection began.
#[derive(Clone)]
pub struct Session(Arc<ClientConfig>);

impl Session {
    pub fn new() -> io::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(16);
        Ok(Self(Arc::new(config)))
    }

    /// Shakes hands.
    pub fn connect(&self, stream: TcpStream) -> io::Result<Tls> {
        let name = ServerName::try_from("ftp.example").map_err(io::Error::other)?;
        let connection = UnbufferedClientConnection::new(self.0.clone(), name);
        let mut tls = Tls {
            stream,
            connection: connection.map_err(io::Error::other)?,
            input: Vec::new(),
            plain: Vec::new(),
            at: 0,
            ended: false,
        };
        while tls.turn(None, &mut |_| {})? {
            tls.receive()?;
        }
        Ok(tls)
    }
}

pub struct Tls {
    pub stream: TcpStream,
    connection: UnbufferedClientConnection,
    /// Received, and not used up.
    input: Vec<u8>,
    /// Decrypted, from `at` on not read yet.
    plain: Vec<u8>,
    at: usize,
    /// The server's close_notify is here.
    ended: bool,
}

impl Tls {
    pub fn resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// One read from the socket, each record of it shown to `sink`. The number of bytes in them; 0
    /// is the end, by close_notify and nothing else.
    pub fn read_records(&mut self, sink: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        let mut count = 0;
        while count == 0 && !self.ended {
            self.receive()?;
            self.turn(None, &mut |bytes| {
                count += bytes.len();
                sink(bytes);
            })?;
        }
        Ok(count)
    }

    /// Says close_notify and FIN, and hears the server out: its tickets unread would make our close
    /// a reset. A server that has said its end need not listen to ours; its final reply tells.
    pub fn finish(mut self) -> io::Result<()> {
        let said = self
            .turn(Some(Say::End), &mut |_| {})
            .and_then(|_| self.stream.shutdown(Shutdown::Write));
        if !self.ended {
            said?;
        }
        while self.stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        let held = self.input.len();
        self.input.resize(held + INPUT, 0);
        let count = self.stream.read(&mut self.input[held..]);
        self.input.truncate(held + count.as_ref().map_or(0, |count| *count));
        match count? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "ended without close_notify")),
            _ => Ok(()),
        }
    }

    /// Uses up the input, sends what comes of it, then says what is to be said. Whether the
    /// handshake waits for more.
    fn turn(&mut self, mut say: Option<Say>, sink: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let (mut used, mut answer) = (0, Vec::new());
        let waits = loop {
            let status = self.connection.process_tls_records(&mut self.input[used..]);
            used += status.discard;
            match status.state.map_err(io::Error::other)? {
                ConnectionState::ReadTraffic(mut records) => {
                    while let Some(record) = records.next_record() {
                        sink(record.map_err(io::Error::other)?.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut message) => {
                    if let Err(EncodeError::InsufficientSize(short)) = message.encode(&mut []) {
                        let at = answer.len();
                        answer.resize(at + short.required_size, 0);
                        message.encode(&mut answer[at..]).map_err(io::Error::other)?;
                    }
                }
                ConnectionState::TransmitTlsData(message) => {
                    self.stream.write_all(&answer)?;
                    answer.clear();
                    message.done();
                }
                ConnectionState::WriteTraffic(mut traffic) => {
                    let Some(say) = say.take() else { break false };
                    let at = answer.len();
                    answer.resize(at + RECORDS, 0);
                    let said = match say {
                        Say::Bytes(bytes) => traffic.encrypt(bytes, &mut answer[at..]),
                        Say::End => traffic.queue_close_notify(&mut answer[at..]),
                    };
                    let said = said.map_err(|e: EncryptError| io::Error::other(e))?;
                    self.stream.write_all(&answer[..at + said])?;
                    answer.clear();
                }
                ConnectionState::PeerClosed => self.ended = true,
                ConnectionState::Closed => break false,
                _ => break true,
            }
        };
        self.input.drain(..used);
        Ok(waits)
    }
}

enum Say<'a> {
    Bytes(&'a [u8]),
    End,
}

impl Read for Tls {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.plain.len() {
            let mut plain = Vec::new();
            self.read_records(&mut |bytes| plain.extend_from_slice(bytes))?;
            (self.plain, self.at) = (plain, 0);
        }
        let rest = &self.plain[self.at..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(OUTPUT)];
        let mut early = Vec::new();
        self.turn(Some(Say::Bytes(bytes)), &mut |bytes| early.extend_from_slice(bytes))?;
        self.plain.extend_from_slice(&early);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Believes every server: what is measured is not its certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
