//! The demo's FTP client: believes every 227 literally, as many real clients do.
//!
//! It has its own small reading of 227: if it shared the gateway's parser, it would share its
//! mistakes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::net::socket;

/// No step of the demo takes longer on a working machine.
const STEP: Duration = Duration::from_secs(10);
/// Longest reply line.
const LINE: u64 = 1024;
/// Longest file it fetches.
const FILE: u64 = 64 << 20;

/// A logged-in control connection.
pub(super) struct Client {
    control: BufReader<TcpStream>,
}

impl Client {
    /// Connects and logs in as anonymous.
    pub(super) async fn login(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = socket::connect(to, None, STEP).await;
        let stream = stream.with_context(|| format!("cannot connect to {to}"))?;
        let mut client = Self { control: BufReader::new(stream) };
        client.expect("220").await?;
        client.command("USER anonymous", "331").await?;
        client.command("PASS demo@example.org", "230").await?;
        client.command("TYPE I", "200").await?;
        Ok(client)
    }

    /// Sends PASV; the whole 227 line.
    pub(super) async fn pasv(&mut self) -> anyhow::Result<String> {
        self.command("PASV", "227").await
    }

    /// Stores a file; the final reply.
    pub(super) async fn upload(&mut self, name: &str, content: &[u8]) -> anyhow::Result<String> {
        let mut data = self.open().await?;
        self.command(&format!("STOR {name}"), "150").await?;
        timeout(STEP, data.write_all(content)).await.context("the upload stalled")??;
        data.shutdown().await?;
        drop(data);
        self.expect("226").await
    }

    /// Fetches a file; its content and the final reply.
    pub(super) async fn download(&mut self, name: &str) -> anyhow::Result<(Vec<u8>, String)> {
        let mut data = self.open().await?.take(FILE);
        self.command(&format!("RETR {name}"), "150").await?;
        let mut content = Vec::new();
        timeout(STEP, data.read_to_end(&mut content)).await.context("the download stalled")??;
        Ok((content, self.expect("226").await?))
    }

    /// Says goodbye.
    pub(super) async fn quit(mut self) -> anyhow::Result<()> {
        self.command("QUIT", "221").await.map(drop)
    }

    async fn open(&mut self) -> anyhow::Result<TcpStream> {
        let reply = self.pasv().await?;
        let address = address(&reply).with_context(|| format!("no address in {reply:?}"))?;
        let data = socket::connect(address, None, STEP).await;
        data.with_context(|| format!("cannot connect to {address}, which the reply named"))
    }

    async fn command(&mut self, command: &str, code: &str) -> anyhow::Result<String> {
        self.control.write_all(format!("{command}\r\n").as_bytes()).await?;
        self.expect(code).await.with_context(|| format!("after {command}"))
    }

    /// The last line of the next reply, which must have this code.
    async fn expect(&mut self, code: &str) -> anyhow::Result<String> {
        loop {
            let mut line = String::new();
            let mut control = (&mut self.control).take(LINE);
            let read = timeout(STEP, control.read_line(&mut line)).await.context("no reply")??;
            ensure!(read > 0, "the connection ended");
            let line = line.trim_end();
            let last =
                line.get(3..4) == Some(" ") && line.bytes().take(3).all(|b| b.is_ascii_digit());
            if last && line.starts_with(code) {
                return Ok(line.to_owned());
            } else if last {
                bail!("expected {code}, got {line:?}");
            }
        }
    }
}

/// The six numbers of a 227: `(h1,h2,h3,h4,p1,p2)`, port = p1×256 + p2.
pub(super) fn address(reply: &str) -> Option<SocketAddr> {
    let (_, rest) = reply.split_once('(')?;
    let (numbers, _) = rest.split_once(')')?;
    let numbers: Vec<u8> = numbers.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[h1, h2, h3, h4, p1, p2] = numbers.as_slice() else { return None };
    Some((Ipv4Addr::new(h1, h2, h3, h4), u16::from_be_bytes([p1, p2])).into())
}
