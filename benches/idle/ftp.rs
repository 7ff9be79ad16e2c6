//! A server that says yes to everything, and clients that log in and then say nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// A client that holds its session.
pub(crate) trait Client: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Client for T {}

/// How often the gateway is looked for, while it starts.
const TRIES: u32 = 500;

pub(crate) async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(BufReader::new(stream)));
    }
}

async fn answer(mut control: BufReader<TcpStream>) -> std::io::Result<()> {
    control.write_all(b"220 ready\r\n").await?;
    let mut line = String::new();
    while control.read_line(&mut line).await? > 0 {
        let reply = match line.get(..4) {
            Some("USER") => "331 password\r\n",
            Some("PASS") => "230 in\r\n",
            _ => "200 OK\r\n",
        };
        control.write_all(reply.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

/// Waits until somebody listens there.
pub(crate) async fn up(at: SocketAddr) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        if connect(at).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("nobody listens on {at}")
}

#[allow(clippy::disallowed_methods, reason = "a client, not the gateway")]
async fn connect(at: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect(at).await
}

/// A session that is logged in, has said NOOP and has nothing more to say.
pub(crate) async fn log_in(
    at: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
) -> anyhow::Result<Box<dyn Client>> {
    let mut stream = connect(at).await?;
    expect(&mut stream, "220").await?;
    let Some(tls) = tls else { return dialogue(stream).await };
    ask(&mut stream, "AUTH TLS", "234").await?;
    let name = ServerName::try_from("localhost")?;
    dialogue(TlsConnector::from(tls).connect(name, stream).await?).await
}

async fn dialogue(mut stream: impl Client + 'static) -> anyhow::Result<Box<dyn Client>> {
    for (command, code) in [("USER anonymous", "331"), ("PASS guest", "230"), ("NOOP", "200")] {
        ask(&mut stream, command, code).await?;
    }
    Ok(Box::new(stream))
}

async fn ask(stream: &mut impl Client, command: &str, code: &str) -> anyhow::Result<()> {
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    expect(stream, code).await
}

async fn expect(stream: &mut impl Client, code: &str) -> anyhow::Result<()> {
    let mut line = String::new();
    BufReader::with_capacity(1, stream).read_line(&mut line).await?;
    anyhow::ensure!(line.starts_with(code), "{line:?} instead of {code}");
    Ok(())
}
