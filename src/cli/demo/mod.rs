//! `ftpgate demo`: an FTP server and a gateway in front of it, in one process on loopback.
//!
//! The server has the classic fault: its 227 names an address that no client can reach, as
//! servers in containers do. The demo shows it, shows what the gateway makes of it, and carries
//! a file each way.

mod client;
mod server;

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use client::Client;
use server::Server;

/// An address of a container bridge: right inside, of no use outside.
const UNREACHABLE: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 2);
/// Size of the two files: large enough to need many packets.
const SIZE: usize = 1 << 20;

/// A gateway that runs until it is dropped.
pub(crate) struct Gateway<G> {
    /// Where its control listener is.
    pub(crate) control: SocketAddr,
    /// What keeps it running.
    pub(crate) running: G,
}

/// Runs the demo until `stop` comes true: the story goes to `out`, and `start` starts a gateway
/// on loopback in front of the server whose address it is given.
pub(crate) async fn run<G>(
    out: &mut impl Write,
    start: impl AsyncFnOnce(SocketAddr) -> anyhow::Result<Gateway<G>>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let server = Server::start(UNREACHABLE).await?;
    let gateway = start(server.address()).await.context("cannot start the gateway")?;
    compare(out, &server, gateway.control).await?;
    carry(out, server.folder(), gateway.control).await?;
    invite(out, server.folder(), gateway.control)?;
    stop.await;
    drop(gateway.running);
    Ok(())
}

/// Both 227 replies, side by side.
async fn compare(out: &mut impl Write, server: &Server, gateway: SocketAddr) -> anyhow::Result<()> {
    let mut direct = Client::login(server.address()).await?;
    let theirs = direct.pasv().await?;
    direct.quit().await?;
    let mut through = Client::login(gateway).await?;
    let ours = through.pasv().await?;
    through.quit().await?;
    let address = client::address(&ours).with_context(|| format!("no address in {ours:?}"))?;
    let port = address.port();
    let [high, low] = port.to_be_bytes();
    writeln!(
        out,
        "An FTP server on {server} and ftpgate in front of it on {gateway}, both in this process.

A client asks where to fetch its data (PASV):
  the server says  {theirs}
  ftpgate says     {ours}

The server names {UNREACHABLE}, its address on a container network: a client outside connects to
nothing and hangs. ftpgate ignores that address, opens a port of its own and names an address that
the client can reach: {ip}, port {high} x 256 + {low} = {port}.
",
        server = server.address(),
        ip = address.ip(),
    )?;
    Ok(())
}

/// One upload and one download through the gateway, compared with the server's folder.
async fn carry(
    out: &mut impl Write,
    folder: &std::path::Path,
    gateway: SocketAddr,
) -> anyhow::Result<()> {
    let (mut up, mut down) = (vec![0; SIZE], vec![0; SIZE]);
    rand::fill(&mut up[..]);
    rand::fill(&mut down[..]);
    fs::write(folder.join("download.bin"), &down)?;
    let mut client = Client::login(gateway).await?;
    let stored = client.upload("upload.bin", &up).await?;
    let (fetched, sent) = client.download("download.bin").await?;
    client.quit().await?;
    writeln!(out, "Two files of {SIZE} bytes through the gateway:")?;
    let on_disk = fs::read(folder.join("upload.bin"))?;
    same(out, "STOR upload.bin  ", &stored, ["sent", "on disk"], [&up, &on_disk])?;
    same(out, "RETR download.bin", &sent, ["on disk", "fetched"], [&down, &fetched])
}

/// Prints both checksums of a transfer; they must be equal.
fn same(
    out: &mut impl Write,
    what: &str,
    reply: &str,
    names: [&str; 2],
    contents: [&[u8]; 2],
) -> anyhow::Result<()> {
    let sums = contents.map(|content| format!("{:x}", Sha256::digest(content)));
    writeln!(out, "  {what}  {reply}")?;
    for (name, sum) in names.iter().zip(&sums) {
        writeln!(out, "    sha256 {name:8} {sum}")?;
    }
    let [a, b] = sums;
    ensure!(a == b, "{}: the checksums differ", what.trim_end());
    Ok(())
}

/// How to go on with any client.
fn invite(
    out: &mut impl Write,
    folder: &std::path::Path,
    gateway: SocketAddr,
) -> anyhow::Result<()> {
    writeln!(
        out,
        "
Now with a client of your own, user anonymous, any password:
  curl ftp://{gateway}/
  curl -T FILE ftp://{gateway}/
  lftp -p {port} {ip}
The server's files are in {folder} and go away with the demo. Ctrl-C ends it.",
        ip = gateway.ip(),
        port = gateway.port(),
        folder = folder.display(),
    )?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
