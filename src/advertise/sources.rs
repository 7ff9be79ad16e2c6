//! Keeps the answers of names, of the watched file, of the cloud and of STUN fresh, in the
//! background.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::rules::{Addresses, Known};
use super::{Advertiser, stun};
use crate::net::routes::default_gateways;

/// How long one look at a source may take; a resolver's own patience is far longer.
const LOOK: Duration = Duration::from_secs(5);
/// How soon a source that never had an answer is asked again: its clients get 425 meanwhile.
const RETRY: Duration = Duration::from_secs(5);
/// More than any file with two addresses and a comment needs.
const FILE_LIMIT: u64 = 4096;

/// The watched file, as the log calls it.
pub(super) const FILE: &str = "the address file";
/// The cloud's metadata.
pub(super) const CLOUD: &str = "the cloud's metadata";
/// The STUN server.
pub(super) const STUN: &str = "the STUN server";

/// What one look at all the sources brought; `None`: there is no such source.
#[derive(Debug, Default)]
struct Looked {
    names: BTreeMap<String, io::Result<Addresses>>,
    file: Option<io::Result<Addresses>>,
    cloud: Option<io::Result<Addresses>>,
    stun: Option<io::Result<Addresses>>,
    gateways: Vec<IpAddr>,
}

/// What is remembered of the sources beside their answers.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Failures already told, so that each is told once until it ends.
    told: BTreeSet<String>,
    /// When each was last heard.
    heard: BTreeMap<String, Instant>,
}

impl Advertiser {
    /// Looks at every source once; at start, before the first client.
    pub(crate) async fn refresh_once(&self) {
        let looked = self.look().await;
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.known.load_full();
        let after = settle(&before, looked, &mut journal);
        if after != *before {
            self.known.store(Arc::new(after));
        }
    }

    /// Looks at every source again and again until cancelled.
    pub(crate) async fn refresh_forever(self: Arc<Self>, cancel: CancellationToken) {
        loop {
            let wait = if self.complete() { self.options.refresh } else { RETRY };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(wait.min(self.options.refresh)) => {}
            }
            self.refresh_once().await;
        }
    }

    /// Whether every source has had an answer that was asked for. A cloud that does not answer at
    /// once may never do so, and is asked in no hurry.
    fn complete(&self) -> bool {
        let known = self.known.load();
        let file = self.options.file.is_none() || known.file.is_some();
        let stun = self.options.stun.is_none() || known.stun.is_some();
        file && stun && self.options.names().all(|name| known.names.contains_key(name))
    }

    /// How long ago a source was last heard, once that is more than it should be.
    pub(super) fn stale(&self, source: &str) -> Option<Duration> {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let age = journal.heard.get(source)?.elapsed();
        (age > 2 * self.options.refresh + LOOK).then_some(age)
    }

    /// All sources at once, so that a slow one does not hold up the others.
    async fn look(&self) -> Looked {
        let (names, file, cloud, stun) =
            tokio::join!(self.look_names(), self.look_file(), self.look_cloud(), self.look_stun());
        Looked { names, file, cloud, stun, gateways: default_gateways() }
    }

    async fn look_names(&self) -> BTreeMap<String, io::Result<Addresses>> {
        let names: BTreeSet<String> = self.options.names().map(str::to_owned).collect();
        let mut lookups = JoinSet::new();
        for name in names {
            lookups.spawn(async move {
                let answer = in_time(resolve(&name)).await;
                (name, answer)
            });
        }
        let mut names = BTreeMap::new();
        while let Some(done) = lookups.join_next().await {
            names.extend(done);
        }
        names
    }

    async fn look_file(&self) -> Option<io::Result<Addresses>> {
        let path = self.options.file.clone()?;
        let read = tokio::task::spawn_blocking(move || read_file(&path));
        Some(in_time(async { read.await.unwrap_or_else(|e| Err(io::Error::other(e))) }).await)
    }

    async fn look_cloud(&self) -> Option<io::Result<Addresses>> {
        Some(in_time(self.options.cloud.as_ref()?.ask(self.platform?)).await)
    }

    async fn look_stun(&self) -> Option<io::Result<Addresses>> {
        Some(in_time(stun::ask(self.options.stun.as_ref()?)).await)
    }
}

async fn in_time(look: impl Future<Output = io::Result<Addresses>>) -> io::Result<Addresses> {
    timeout(LOOK, look).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What is known after a look: new answers, and the last good ones where there is none.
fn settle(before: &Known, looked: Looked, journal: &mut Journal) -> Known {
    let mut after = Known { gateways: looked.gateways, ..before.clone() };
    for (name, answer) in looked.names {
        let last = before.names.get(&name).copied();
        if let Some(addresses) = journal.settle(&name, last, answer) {
            after.names.insert(name, addresses);
        }
    }
    for (source, answer, known) in [
        (FILE, looked.file, &mut after.file),
        (CLOUD, looked.cloud, &mut after.cloud),
        (STUN, looked.stun, &mut after.stun),
    ] {
        if let Some(answer) = answer {
            *known = journal.settle(source, *known, answer);
        }
    }
    after
}

impl Journal {
    fn settle(
        &mut self,
        source: &str,
        last: Option<Addresses>,
        answer: io::Result<Addresses>,
    ) -> Option<Addresses> {
        match answer {
            Ok(addresses) => {
                let recovered = self.told.remove(source);
                self.heard.insert(source.to_owned(), Instant::now());
                if recovered || last != Some(addresses) {
                    let before = last.map(|a| a.to_string());
                    info!(source, before, now = %addresses, "advertised address");
                }
                Some(addresses)
            }
            Err(error) => {
                if self.told.insert(source.to_owned()) {
                    self.tell(source, last, &error);
                }
                last
            }
        }
    }

    fn tell(&self, source: &str, last: Option<Addresses>, error: &io::Error) {
        let age = self.heard.get(source).map(|heard| heard.elapsed().as_secs());
        match last {
            Some(kept) => warn!(source, %error, %kept, age, "no answer, the last one is kept"),
            None if source == CLOUD => {
                warn!(source, %error, "no answer: what it would say is not told")
            }
            None => warn!(source, %error, "no answer yet: its clients get 425 for PASV"),
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
