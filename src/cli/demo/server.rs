//! The demo's FTP server: a real one, in this process, over a folder that goes away with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Context;
use libunftp::ServerBuilder;
use libunftp::options::PassiveHost;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use unftp_sbe_fs::Filesystem;

/// A running FTP server on loopback: anonymous, everything allowed, one folder.
pub(super) struct Server {
    address: SocketAddr,
    folder: TempDir,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts it. `passive_host` is the address that its 227 names, right or wrong.
    pub(super) async fn start(passive_host: Ipv4Addr) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("ftpgate-demo-").context("cannot make a folder")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, folder.path().to_owned(), passive_host));
        Ok(Self { address, folder, accepting })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, folder: std::path::PathBuf, passive_host: Ipv4Addr) {
    let mut sessions = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while sessions.try_join_next().is_some() {}
        sessions.spawn(serve(stream, folder.clone(), passive_host));
    }
}

async fn serve(stream: TcpStream, folder: std::path::PathBuf, passive_host: Ipv4Addr) {
    // The closure cannot fail later if it did not fail here: the folder exists while we run.
    if Filesystem::new(&folder).is_err() {
        return;
    }
    #[expect(clippy::unwrap_used, reason = "libunftp wants a closure that cannot fail; see above")]
    let server = ServerBuilder::new(Box::new(move || Filesystem::new(&folder).unwrap()))
        .greeting("The demo's FTP server")
        .passive_host(PassiveHost::Ip(passive_host))
        .build();
    if let Ok(server) = server {
        // A session's end, good or bad, is of no interest here.
        let _ = server.service(stream).await;
    }
}
