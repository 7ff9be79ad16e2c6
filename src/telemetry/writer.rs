//! Lines written by a thread of their own, behind a bounded queue.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::privileges;

/// Lines that may wait; what comes beyond is lost and counted, never waited for.
const QUEUE: usize = 8192;
/// The thread collects for this long before it writes: one write and one wake-up for many lines.
const COLLECT: Duration = Duration::from_millis(10);
/// Bytes written at once, about.
const BATCH: usize = 256 * 1024;
/// How long the end of the process waits for the last lines.
const FLUSH: Duration = Duration::from_secs(2);
/// Losses are told no more often.
const TELL: Duration = Duration::from_secs(10);

/// Where whole lines go.
pub(super) trait Sink: Send + 'static {
    /// Writes some whole lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<()>;
}

/// The sessions' end of the queue. Dropping it writes what is left.
#[derive(Debug)]
pub(super) struct LineWriter {
    queue: SyncSender<Vec<u8>>,
    shared: Arc<Shared>,
    /// Disconnected once the thread has ended.
    ended: Mutex<Receiver<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    lost: AtomicU64,
    finishing: AtomicBool,
}

impl LineWriter {
    /// Starts the thread. `name` is the thread's, and appears in the warning about lost lines.
    pub(super) fn start(name: &'static str, sink: impl Sink) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let (alive, ended) = sync_channel(0);
        let shared = Arc::new(Shared::default());
        let writing = Writing { name, sink, lines, shared: shared.clone(), lost: 0, told: None };
        std::thread::Builder::new().name(name.into()).spawn(move || {
            writing.run();
            drop(alive);
        })?;
        Ok(Self { queue, shared, ended: Mutex::new(ended) })
    }

    /// Hands over one line, its end included; when the queue is full it is lost and counted.
    pub(super) fn send(&self, line: Vec<u8>) {
        if self.queue.try_send(line).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what is queued and ends the thread; waits no longer than [`FLUSH`], and says whether
    /// the thread ended in that time.
    pub(super) fn finish(&self) -> bool {
        self.shared.finishing.store(true, Ordering::Release);
        // Wakes a waiting thread; a full queue means that it is not waiting.
        let _ = self.queue.try_send(Vec::new());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(ended.recv_timeout(FLUSH), Err(RecvTimeoutError::Disconnected))
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The thread's own state.
struct Writing<S> {
    name: &'static str,
    sink: S,
    lines: Receiver<Vec<u8>>,
    shared: Arc<Shared>,
    /// Lines lost since the operator was last told.
    lost: u64,
    told: Option<Instant>,
}

impl<S: Sink> Writing<S> {
    fn run(mut self) {
        // Started before the process gives up what it needs to bind.
        privileges::keep_none();
        let mut batch = Vec::new();
        while let Ok(line) = self.lines.recv() {
            if !self.finishing() {
                std::thread::sleep(COLLECT);
            }
            batch.extend_from_slice(&line);
            self.write_queued(&mut batch, 1);
            // Asked only now: `finish` may have come while we slept, and its wake-up with the rest.
            if self.finishing() {
                while self.write_queued(&mut batch, 0) {}
                return;
            }
        }
    }

    fn finishing(&self) -> bool {
        self.shared.finishing.load(Ordering::Acquire)
    }

    /// Writes `batch`, `count` lines so far, with what else is queued; `false` if that is nothing.
    fn write_queued(&mut self, batch: &mut Vec<u8>, mut count: u64) -> bool {
        while batch.len() < BATCH
            && let Ok(line) = self.lines.try_recv()
        {
            batch.extend_from_slice(&line);
            count += 1;
        }
        if count == 0 {
            return false;
        }
        if let Err(error) = self.sink.write(batch) {
            self.lost += count;
            self.tell(Some(error));
        } else {
            self.tell(None);
        }
        batch.clear();
        true
    }

    fn tell(&mut self, error: Option<io::Error>) {
        self.lost += self.shared.lost.swap(0, Ordering::Relaxed);
        let quiet = self.told.is_some_and(|told| told.elapsed() < TELL);
        if self.lost == 0 || quiet {
            return;
        }
        let lost = std::mem::take(&mut self.lost);
        self.told = Some(Instant::now());
        let error = error.map(tracing::field::display);
        warn!(lost, error, "lines lost by the {} writer", self.name);
    }
}

#[cfg(test)]
mod tests;
