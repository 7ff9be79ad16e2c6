//! An FTP client that does exactly what a test says, word by word.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::lab::{PASSWORD, USER};
use super::net::Ns;
use super::process::PATIENCE;
use super::wire::{TlsClient, Wire};

/// The four ways to set up a data connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pasv,
    Epsv,
    Port,
    Eprt,
}

impl Mode {
    pub(crate) const ALL: [Self; 4] = [Self::Pasv, Self::Epsv, Self::Port, Self::Eprt];
}

/// A reply: its code and all its lines, as they came but without CRLF.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) lines: Vec<String>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// A control connection. Its words are kept, and shown when the test fails.
pub(crate) struct Control<'a> {
    ns: &'a Ns,
    stream: BufReader<Wire>,
    transcript: String,
    /// What data connections are protected with.
    protection: Option<TlsClient>,
}

/// How TLS comes into a control connection.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    Off,
    /// After AUTH TLS.
    Explicit(TlsClient),
    /// From the first byte.
    Implicit(TlsClient),
}

/// The client's half of an agreed data connection.
pub(crate) enum Data {
    Connect { from: IpAddr, to: SocketAddr },
    Listen(TcpListener),
}

impl<'a> Control<'a> {
    /// Connects from the client's usual address, and reads no greeting yet.
    pub(crate) fn connect(ns: &'a Ns, to: SocketAddr) -> Self {
        Self::connect_from(ns, None, to)
    }

    pub(crate) fn connect_from(ns: &'a Ns, from: Option<IpAddr>, to: SocketAddr) -> Self {
        let stream = ns.connect(from, to).unwrap_or_else(|e| panic!("connect to {to}: {e}"));
        stream.set_read_timeout(Some(PATIENCE)).expect("socket");
        let stream = BufReader::new(Wire::Plain(stream));
        Self { ns, stream, transcript: String::new(), protection: None }
    }

    /// Connects, is greeted and logs in, ready for binary transfers.
    pub(crate) fn login(ns: &'a Ns, to: SocketAddr) -> Self {
        Self::login_from(ns, None, to)
    }

    pub(crate) fn login_from(ns: &'a Ns, from: Option<IpAddr>, to: SocketAddr) -> Self {
        Self::enter(ns, from, to, &Security::Off)
    }

    /// The same with the control connection and the data connections under TLS.
    pub(crate) fn login_secure(ns: &'a Ns, to: SocketAddr, security: &Security) -> Self {
        Self::enter(ns, None, to, security)
    }

    fn enter(ns: &'a Ns, from: Option<IpAddr>, to: SocketAddr, security: &Security) -> Self {
        let mut new = Self::connect_from(ns, from, to);
        match security {
            Security::Off => {
                new.expect_reply(220);
            }
            Security::Explicit(tls) => {
                new.expect_reply(220);
                new.expect("AUTH TLS", 234);
                new.start_tls(tls);
                new.protect(tls);
            }
            Security::Implicit(tls) => {
                new.start_tls(tls);
                new.expect_reply(220);
                new.protect(tls);
            }
        }
        new.log_in();
        new
    }

    /// Says who it is, and that all transfers are binary.
    pub(crate) fn log_in(&mut self) {
        self.expect(&format!("USER {USER}"), 331);
        self.expect(&format!("PASS {PASSWORD}"), 230);
        self.expect("TYPE I", 200);
    }

    /// Shakes hands on the control connection.
    pub(crate) fn start_tls(&mut self, tls: &TlsClient) {
        if let Err(e) = self.try_tls(tls) {
            panic!("TLS: {e}\n{}", self.transcript);
        }
    }

    pub(crate) fn try_tls(&mut self, tls: &TlsClient) -> io::Result<()> {
        assert!(self.stream.buffer().is_empty(), "unread replies\n{}", self.transcript);
        let wire = tls.connect(self.socket().try_clone()?)?;
        self.transcript.push_str("-- TLS\n");
        self.stream = BufReader::new(wire);
        Ok(())
    }

    /// Has data connections protected from now on.
    pub(crate) fn protect(&mut self, tls: &TlsClient) {
        self.expect("PBSZ 0", 200);
        self.expect("PROT P", 200);
        self.protection = Some(tls.clone());
    }

    /// Changes what is done on data connections, and says nothing about it.
    pub(crate) fn set_protection(&mut self, tls: Option<&TlsClient>) {
        self.protection = tls.cloned();
    }

    /// The control connection's end of TLS, if any.
    pub(crate) fn wire(&self) -> &Wire {
        self.stream.get_ref()
    }

    /// All that was said so far.
    pub(crate) fn transcript(&self) -> &str {
        &self.transcript
    }

    /// Our own end of the connection.
    pub(crate) fn local(&self) -> SocketAddr {
        self.socket().local_addr().expect("connected")
    }

    /// The socket, for what only a socket can do.
    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.get_ref().socket()
    }

    pub(crate) fn into_socket(self) -> TcpStream {
        self.stream.into_inner().into_socket()
    }

    pub(crate) fn send(&mut self, line: &str) {
        self.send_raw(format!("{line}\r\n").as_bytes());
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.transcript.push_str(&format!("C> {}\n", bytes.escape_ascii()));
        let stream = self.stream.get_mut();
        stream.write_all(bytes).and_then(|()| stream.flush()).expect("control connection");
    }

    /// Telnet IP, then Synch with its urgent mark, then the line (RFC 959 §4.1.3).
    pub(crate) fn send_urgent(&mut self, line: &str) {
        const IP: &[u8] = b"\xff\xf4";
        const IAC: &[u8] = b"\xff";
        const DM: &[u8] = b"\xf2";
        self.send_raw(IP);
        SockRef::from(self.socket()).send_out_of_band(IAC).expect("urgent data");
        self.send_raw(DM);
        self.send(line);
    }

    /// The next reply; fails the test when none comes.
    pub(crate) fn reply(&mut self) -> Reply {
        let mut lines = vec![self.line()];
        let code = lines[0].get(..3).and_then(|c| c.parse().ok());
        let code = code.unwrap_or_else(|| panic!("not a reply\n{}", self.transcript));
        if lines[0].as_bytes().get(3) == Some(&b'-') {
            let end = format!("{code} ");
            while !lines.last().is_some_and(|line| line.starts_with(&end)) {
                lines.push(self.line());
            }
        }
        Reply { code, lines }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) => panic!("the connection ended\n{}", self.transcript),
            Ok(_) => {}
            Err(e) => panic!("no reply: {e}\n{}", self.transcript),
        }
        self.transcript.push_str(&format!("<S {}\n", line.escape_ascii()));
        let text = line.strip_suffix(b"\r\n");
        let text = text.unwrap_or_else(|| panic!("no CRLF\n{}", self.transcript));
        String::from_utf8_lossy(text).into_owned()
    }

    /// The next reply, which must have this code.
    pub(crate) fn expect_reply(&mut self, code: u16) -> Reply {
        let reply = self.reply();
        assert_eq!(reply.code, code, "\n{}", self.transcript);
        reply
    }

    /// The next bytes, which must be these.
    pub(crate) fn expect_raw(&mut self, wanted: &[u8]) {
        let mut bytes = vec![0; wanted.len()];
        self.stream.read_exact(&mut bytes).expect("control connection");
        assert_eq!(bytes, wanted, "\n{}", self.transcript);
    }

    pub(crate) fn command(&mut self, line: &str) -> Reply {
        self.send(line);
        self.reply()
    }

    pub(crate) fn expect(&mut self, line: &str, code: u16) -> Reply {
        self.send(line);
        self.expect_reply(code)
    }

    /// Fails unless the other side closes now; returns what it said before.
    pub(crate) fn expect_end(&mut self) -> String {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {}
            Err(e) => panic!("not closed: {e}\n{}", self.transcript),
        }
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Whether nothing but an end is to be had any more.
    pub(crate) fn is_cut_off(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }

    /// Fails unless the dialogue is in step: nothing left unread, and a command is answered.
    pub(crate) fn in_step(&mut self) {
        assert!(self.stream.buffer().is_empty(), "unread replies\n{}", self.transcript);
        self.expect("PWD", 257);
    }

    /// Agrees on a data connection.
    pub(crate) fn open(&mut self, mode: Mode) -> Data {
        match mode {
            Mode::Pasv => {
                let reply = self.expect("PASV", 227);
                self.passive(parse_227(&reply.lines[0]))
            }
            Mode::Epsv => {
                let reply = self.expect("EPSV", 229);
                let peer = self.socket().peer_addr().expect("connected");
                self.passive(SocketAddr::new(peer.ip(), parse_229(&reply.lines[0])))
            }
            Mode::Port | Mode::Eprt => self.active(mode),
        }
    }

    fn passive(&self, to: SocketAddr) -> Data {
        Data::Connect { from: self.local().ip(), to }
    }

    fn active(&mut self, mode: Mode) -> Data {
        let listener = self.ns.listen(SocketAddr::new(self.local().ip(), 0)).expect("listen");
        let at = listener.local_addr().expect("listening");
        let line = match (mode, at.ip()) {
            (Mode::Eprt, IpAddr::V6(ip)) => format!("EPRT |2|{ip}|{}|", at.port()),
            (Mode::Eprt, ip) => format!("EPRT |1|{ip}|{}|", at.port()),
            (_, ip) => {
                let [high, low] = at.port().to_be_bytes();
                format!("PORT {},{high},{low}", ip.to_string().replace('.', ","))
            }
        };
        self.expect(&line, 200);
        Data::Listen(listener)
    }

    /// Receives a file or a listing.
    pub(crate) fn fetch(&mut self, mode: Mode, line: &str) -> Vec<u8> {
        self.fetch_noting(mode, line).0
    }

    /// The same, and tells whether its TLS session was that of another connection.
    pub(crate) fn fetch_noting(&mut self, mode: Mode, line: &str) -> (Vec<u8>, bool) {
        let data = self.open(mode);
        self.send(line);
        let mut stream = self.protected(data);
        self.expect_started();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("data connection");
        // Who has sent all may be gone already.
        let _ = stream.finish();
        let resumed = stream.resumed();
        drop(stream);
        self.expect_reply(226);
        (bytes, resumed)
    }

    /// Sends a file, and tells the same.
    pub(crate) fn store(&mut self, mode: Mode, line: &str, bytes: &[u8]) -> bool {
        let data = self.open(mode);
        self.send(line);
        let mut stream = self.protected(data);
        self.expect_started();
        stream.write_all(bytes).expect("data connection");
        stream.finish().expect("data connection");
        if self.protection.is_some() {
            // The other side says good-bye as well.
            stream.read_to_end(&mut Vec::new()).expect("data connection");
        }
        let resumed = stream.resumed();
        drop(stream);
        self.expect_reply(226);
        resumed
    }

    /// Reads the 150 or 125 that begins a transfer.
    pub(crate) fn expect_started(&mut self) {
        let reply = self.reply();
        assert!(matches!(reply.code, 125 | 150), "no transfer\n{}", self.transcript);
    }

    /// The agreed data connection, made and as protected as it has to be.
    pub(crate) fn protected(&self, data: Data) -> Wire {
        let stream = self.data(data);
        match &self.protection {
            None => Wire::Plain(stream),
            Some(tls) => tls
                .connect(stream)
                .unwrap_or_else(|e| panic!("TLS on data: {e}\n{}", self.transcript)),
        }
    }

    /// The agreed data connection, made.
    pub(crate) fn data(&self, data: Data) -> TcpStream {
        let stream = match data {
            Data::Connect { from, to } => self.ns.connect(Some(from), to),
            Data::Listen(listener) => accept(&listener),
        };
        let stream = stream.unwrap_or_else(|e| panic!("data connection: {e}\n{}", self.transcript));
        stream.set_read_timeout(Some(PATIENCE)).expect("socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("socket");
        stream
    }
}

/// Accepts with an end to patience: a listener has no timeout of its own.
fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    SockRef::from(listener).set_read_timeout(Some(PATIENCE))?;
    listener.accept().map(|(stream, _)| stream)
}

/// Ends a connection with a reset instead of an orderly end.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("socket");
}

/// The address in a 227, which must have the form every client understands.
pub(crate) fn parse_227(line: &str) -> SocketAddr {
    let inner = line
        .strip_prefix("227 Entering Passive Mode (")
        .and_then(|rest| rest.split_once(')'))
        .unwrap_or_else(|| panic!("odd 227: {line}"));
    let numbers: Vec<u8> = inner.0.split(',').map(|n| n.parse().expect("a number")).collect();
    let [a, b, c, d, p1, p2] = numbers[..] else { panic!("odd 227: {line}") };
    SocketAddr::new([a, b, c, d].into(), u16::from(p1) * 256 + u16::from(p2))
}

/// The port in a 229, likewise.
pub(crate) fn parse_229(line: &str) -> u16 {
    line.split_once("(|||")
        .and_then(|(_, rest)| rest.split_once("|)"))
        .and_then(|(port, _)| port.parse().ok())
        .unwrap_or_else(|| panic!("odd 229: {line}"))
}
