//! Keeps the answers of names and of the watched file fresh, in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Advertiser;
use super::rules::{Addresses, Known};

/// How long one look at a source may take; a resolver's own patience is far longer.
const LOOK: Duration = Duration::from_secs(5);
/// How soon a source that never had an answer is asked again: its clients get 425 meanwhile.
const RETRY: Duration = Duration::from_secs(5);
/// More than any file with two addresses and a comment needs.
const FILE_LIMIT: u64 = 4096;

/// What one look at all the sources brought.
type Looked = (BTreeMap<String, io::Result<Addresses>>, Option<io::Result<Addresses>>);

/// Failures already told, so that each is told once until it ends.
pub(super) type Told = BTreeSet<String>;

impl Advertiser {
    /// Looks at every source once; at start, before the first client.
    pub(crate) async fn refresh_once(&self) {
        let looked = self.look().await;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.known.load_full();
        let after = settle(&before, looked, &mut told);
        if after != *before {
            self.known.store(Arc::new(after));
        }
    }

    /// Looks at every source again and again until cancelled; returns at once without any.
    pub(crate) async fn refresh_forever(self: Arc<Self>, cancel: CancellationToken) {
        if self.options.names().next().is_none() && self.options.file.is_none() {
            return;
        }
        loop {
            let wait = if self.complete() { self.options.refresh } else { RETRY };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(wait.min(self.options.refresh)) => {}
            }
            self.refresh_once().await;
        }
    }

    /// Whether every source has had an answer.
    fn complete(&self) -> bool {
        let known = self.known.load();
        let file = self.options.file.is_none() || known.file.is_some();
        file && self.options.names().all(|name| known.names.contains_key(name))
    }

    /// All sources at once, so that a slow one does not hold up the others.
    async fn look(&self) -> Looked {
        let names: BTreeSet<String> = self.options.names().map(str::to_owned).collect();
        let mut lookups = JoinSet::new();
        for name in names {
            lookups.spawn(async move {
                let answer = timeout(LOOK, resolve(&name)).await.unwrap_or_else(timed_out);
                (name, answer)
            });
        }
        let file = match self.options.file.clone() {
            Some(path) => {
                let read = tokio::task::spawn_blocking(move || read_file(&path));
                let read = async { read.await.unwrap_or_else(|e| Err(io::Error::other(e))) };
                Some(timeout(LOOK, read).await.unwrap_or_else(timed_out))
            }
            None => None,
        };
        let mut names = BTreeMap::new();
        while let Some(done) = lookups.join_next().await {
            names.extend(done);
        }
        (names, file)
    }
}

fn timed_out(_: tokio::time::error::Elapsed) -> io::Result<Addresses> {
    Err(io::ErrorKind::TimedOut.into())
}

/// What is known after a look: new answers, and the last good ones where there is none.
fn settle(before: &Known, (names, file): Looked, told: &mut Told) -> Known {
    let mut after = before.clone();
    for (name, answer) in names {
        let last = before.names.get(&name).copied();
        if let Some(addresses) = settle_one(&name, last, answer, told) {
            after.names.insert(name, addresses);
        }
    }
    if let Some(answer) = file {
        after.file = settle_one("the address file", before.file, answer, told);
    }
    after
}

fn settle_one(
    source: &str,
    last: Option<Addresses>,
    answer: io::Result<Addresses>,
    told: &mut Told,
) -> Option<Addresses> {
    match answer {
        Ok(addresses) => {
            let recovered = told.remove(source);
            if recovered || last != Some(addresses) {
                let before = last.map(|a| a.to_string());
                info!(source, before, now = %addresses, "advertised address");
            }
            Some(addresses)
        }
        Err(error) => {
            if told.insert(source.to_owned()) {
                match last {
                    Some(kept) => warn!(source, %error, %kept, "no answer, the last one is kept"),
                    None => warn!(source, %error, "no answer yet: its clients get 425 for PASV"),
                }
            }
            last
        }
    }
}

/// The addresses of a name. They are sorted, so that the order of a round-robin answer does not
/// make the advertised address change from one look to the next.
async fn resolve(name: &str) -> io::Result<Addresses> {
    let mut found: Vec<IpAddr> =
        tokio::net::lookup_host((name, 0)).await?.map(|a| a.ip().to_canonical()).collect();
    found.sort_unstable();
    first_of_each(found)
}

/// The addresses written in a file: one of each family at most, blanks between, `#` comments.
fn read_file(path: &Path) -> io::Result<Addresses> {
    let mut text = String::new();
    File::open(path)?.take(FILE_LIMIT).read_to_string(&mut text)?;
    let words = text.lines().flat_map(|line| {
        line.split('#').next().unwrap_or_default().split_whitespace().map(str::to_owned)
    });
    let addresses: Result<Vec<IpAddr>, _> = words.map(|word| word.parse()).collect();
    first_of_each(addresses.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?)
}

fn first_of_each(found: Vec<IpAddr>) -> io::Result<Addresses> {
    let mut addresses = Addresses::default();
    for ip in found {
        match ip.to_canonical() {
            IpAddr::V4(ip) => addresses.v4 = addresses.v4.or(Some(ip)),
            IpAddr::V6(ip) => addresses.v6 = addresses.v6.or(Some(ip)),
        }
    }
    if addresses == Addresses::default() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it holds no address"));
    }
    Ok(addresses)
}

/// Whether we run in a container, by the marks that Docker and Podman leave, and by the variable
/// that Kubernetes sets.
pub(super) fn in_container() -> bool {
    let marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists());
    marked || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

#[cfg(test)]
mod tests;
