//! `ftpgate cert`: a certificate to begin with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use rustls_pki_types::ServerName;

use crate::tls::self_signed;

/// What `ftpgate cert` can do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a self-signed certificate and its key, for a first try of TLS.
    ///
    /// Clients will ask whether to trust it. It is ECDSA P-256 and lives for 397 days. Files that
    /// are there already are never overwritten.
    SelfSigned {
        /// The name or address that clients connect to; may be given more than once.
        #[arg(short, long = "name", value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Where cert.pem and key.pem go.
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
    },
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let Command::SelfSigned { names, out } = command;
    let (certificate, key) = make(names)?;
    let files = write(out, &certificate, &key)?;
    let said = "\nIt is self-signed: clients ask whether to trust it.";
    writeln!(io::stdout(), "{}\n{}{said}", files.0.display(), files.1.display())?;
    Ok(ExitCode::SUCCESS)
}

/// A certificate for these names and its key, both PEM.
fn make(names: &[String]) -> anyhow::Result<(String, String)> {
    for name in names {
        let host = name.strip_prefix("*.").unwrap_or(name);
        ensure!(
            ServerName::try_from(host).is_ok(),
            "{name:?} is not a host name or address; give what clients connect to"
        );
    }
    self_signed(names, SystemTime::now()).context("cannot make a certificate")
}

/// Both files or none, and never over what is there.
fn write(dir: &Path, certificate: &str, key: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let files = (dir.join("cert.pem"), dir.join("key.pem"));
    write_new(&files.1, 0o600, key)?;
    if let Err(error) = write_new(&files.0, 0o644, certificate) {
        // It is ours, made a moment ago; alone it would only stand in the way of the next try.
        let _ = fs::remove_file(&files.1);
        return Err(error);
    }
    Ok(files)
}

fn write_new(file: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let make = || -> io::Result<()> {
        let mut made: File =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
        made.write_all(text.as_bytes())
    };
    make().with_context(|| format!("cannot write {}, which must not exist yet", file.display()))
}

#[cfg(test)]
mod tests;
