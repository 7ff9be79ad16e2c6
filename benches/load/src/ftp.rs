//! The control connection of a blocking FTP client.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::link::Link;
use crate::tls::Session;

/// No wait is longer: what takes more has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Longest line of a reply.
const MAX_LINE: u64 = 8192;
/// A local port whose connection is not over yet may be drawn: draw again.
const CONNECT_TRIES: u32 = 5;

/// How a data connection comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Pasv,
    Epsv,
    Port,
    Eprt,
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pasv" => Ok(Self::Pasv),
            "epsv" => Ok(Self::Epsv),
            "port" => Ok(Self::Port),
            "eprt" => Ok(Self::Eprt),
            _ => Err("pasv, epsv, port or eprt"),
        }
    }
}

/// Whom to connect to, from where, as whom.
#[derive(Debug, Clone)]
pub struct Target {
    pub at: SocketAddr,
    pub source: Option<IpAddr>,
    pub user: String,
    /// AUTH TLS before the login, PROT P after it.
    pub tls: bool,
    /// The longest wait.
    pub patience: Duration,
}

impl Target {
    pub fn new(at: SocketAddr, user: String) -> Self {
        Self { at, source: None, user, tls: false, patience: PATIENCE }
    }

    pub fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let mut tries = 0;
        loop {
            tries += 1;
            match dial(to, self.source, self.patience) {
                Err(e) if passing(&e) && tries < CONNECT_TRIES => {}
                outcome => return outcome,
            }
        }
    }
}

fn passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse)
}

fn dial(to: SocketAddr, source: Option<IpAddr>, patience: Duration) -> io::Result<TcpStream> {
    let stream = match source {
        None => TcpStream::connect_timeout(&to, patience)?,
        Some(source) => {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::new(source, 0).into())?;
            socket.connect_timeout(&to.into(), patience)?;
            socket.into()
        }
    };
    stream.set_nodelay(true)?;
    be_patient(&stream, patience)?;
    Ok(stream)
}

fn be_patient(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))
}

#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    /// The last line, without its end.
    pub text: String,
}

pub struct Client {
    stream: BufReader<Link>,
    pub target: Target,
    /// What its data connections resume.
    tls: Option<Session>,
}

/// A data connection, or the promise of one.
pub enum Opening {
    Connected(TcpStream),
    Listening(TcpListener),
}

impl Opening {
    /// Called when the preliminary reply is in.
    pub fn stream(self) -> io::Result<TcpStream> {
        match self {
            Self::Connected(stream) => Ok(stream),
            Self::Listening(listener) => {
                SockRef::from(&listener).set_read_timeout(Some(PATIENCE))?;
                let (stream, _) = listener.accept()?;
                be_patient(&stream, PATIENCE)?;
                Ok(stream)
            }
        }
    }
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(target: &Target) -> io::Result<Self> {
        let stream = target.connect(target.at).map_err(|e| said("connect", e))?;
        let stream = BufReader::with_capacity(1024, Link::Plain(stream));
        let mut client = Self { stream, target: target.clone(), tls: None };
        let greeting = client.reply()?;
        expect("greeting", greeting, 2)?;
        if target.tls { client.secure() } else { Ok(client) }
    }

    fn secure(mut self) -> io::Result<Self> {
        self.expect("AUTH TLS", 2)?;
        let session = Session::new()?;
        let Link::Plain(stream) = self.stream.into_inner() else { unreachable!("just begun") };
        let tls = session.connect(stream).map_err(|e| said("TLS handshake", e))?;
        let stream = BufReader::with_capacity(1024, Link::Tls(Box::new(tls)));
        Ok(Self { stream, target: self.target, tls: Some(session) })
    }

    /// What the connection is to be before a transfer moves bytes over it.
    pub fn protect(&self, stream: TcpStream) -> io::Result<Link> {
        Link::data(stream, self.tls.as_ref()).map_err(|e| said("data connection", e))
    }

    pub fn login(target: &Target) -> io::Result<Self> {
        let mut client = Self::connect(target)?;
        client.expect(&format!("USER {}", target.user), 3)?;
        client.expect("PASS load@example.com", 2)?;
        if target.tls {
            client.expect("PBSZ 0", 2)?;
            client.expect("PROT P", 2)?;
        }
        Ok(client)
    }

    /// Logged in, and with TYPE I.
    pub fn ready(target: &Target) -> io::Result<Self> {
        let mut client = Self::login(target)?;
        client.expect("TYPE I", 2)?;
        Ok(client)
    }

    pub fn quit(mut self) -> io::Result<()> {
        self.expect("QUIT", 2).map(drop)
    }

    /// One command, its (last) reply.
    pub fn command(&mut self, line: &str) -> io::Result<Reply> {
        let bytes = format!("{line}\r\n").into_bytes();
        self.stream.get_mut().write_all(&bytes)?;
        self.reply()
    }

    /// The same; anything but that class of reply is an error.
    pub fn expect(&mut self, line: &str, class: u16) -> io::Result<Reply> {
        let reply = self.command(line).map_err(|e| said(line, e))?;
        expect(line, reply, class)
    }

    /// The final reply of a transfer.
    pub fn finish(&mut self) -> io::Result<Reply> {
        let reply = self.reply()?;
        expect("final reply", reply, 2)
    }

    /// A whole reply, multi-line or not.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut first = None;
        loop {
            let line = self.line()?;
            let code = line.get(..3).and_then(|c| c.parse::<u16>().ok()).unwrap_or(0);
            let more = line.as_bytes().get(3) == Some(&b'-');
            match first {
                None if code == 0 => return Err(io::Error::other(format!("no reply: {line}"))),
                None if more => first = Some(code),
                None => return Ok(Reply { code, text: line }),
                Some(begun) if begun == code && !more => return Ok(Reply { code, text: line }),
                Some(_) => {}
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::with_capacity(64);
        let read = self.stream.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 || !line.ends_with(b"\n") {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "control connection lost"));
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Agrees on a data connection; a passive one is connected when this returns.
    pub fn open(&mut self, mode: Mode) -> io::Result<Opening> {
        match mode {
            Mode::Pasv => {
                let reply = self.expect("PASV", 2)?;
                let to = scan_pasv(&reply.text).ok_or_else(|| odd(&reply.text))?;
                let stream = self.target.connect(to).map_err(|e| said("data connection", e))?;
                Ok(Opening::Connected(stream))
            }
            Mode::Epsv => {
                let reply = self.expect("EPSV", 2)?;
                let port = scan_epsv(&reply.text).ok_or_else(|| odd(&reply.text))?;
                let to = SocketAddr::new(self.target.at.ip(), port);
                let stream = self.target.connect(to).map_err(|e| said("data connection", e))?;
                Ok(Opening::Connected(stream))
            }
            Mode::Port | Mode::Eprt => {
                let own = self.stream.get_ref().tcp().local_addr()?.ip();
                let listener = TcpListener::bind((own, 0))?;
                self.expect(&active_command(mode, listener.local_addr()?), 2)?;
                Ok(Opening::Listening(listener))
            }
        }
    }
}

/// PORT or EPRT for an address that listens.
pub fn active_command(mode: Mode, own: SocketAddr) -> String {
    match (mode, own.ip()) {
        (Mode::Port, IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            format!("PORT {a},{b},{c},{d},{},{}", own.port() >> 8, own.port() & 255)
        }
        (_, ip) => {
            let family = if ip.is_ipv4() { 1 } else { 2 };
            format!("EPRT |{family}|{ip}|{}|", own.port())
        }
    }
}

/// The six numbers of a 227.
pub fn scan_pasv(text: &str) -> Option<SocketAddr> {
    let inside = text.split_once('(')?.1.split_once(')')?.0;
    let n: Vec<u8> = inside.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
    let &[a, b, c, d, high, low] = n.as_slice() else { return None };
    let port = u16::from(high) << 8 | u16::from(low);
    Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port))
}

/// The port of a 229.
pub fn scan_epsv(text: &str) -> Option<u16> {
    text.split_once("(|||")?.1.split_once('|')?.0.parse().ok()
}

fn expect(what: &str, reply: Reply, class: u16) -> io::Result<Reply> {
    if reply.code / 100 == class {
        return Ok(reply);
    }
    Err(io::Error::other(format!("{what}: {}", reply.text)))
}

fn said(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn odd(text: &str) -> io::Error {
    io::Error::other(format!("cannot read {text}"))
}
