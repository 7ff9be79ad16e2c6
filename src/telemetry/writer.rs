//! Lines written by a thread of their own, behind a bounded queue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing::warn;

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
}

#[derive(Debug, Default)]
struct Shared {
    lost: AtomicU64,
    closing: AtomicBool,
    closed: AtomicBool,
}

impl LineWriter {
    /// Starts the thread. `name` appears in the warning about lost lines.
    pub(super) fn start(name: &'static str, sink: impl Sink) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let thread = Thread { name, sink, lines, shared: shared.clone(), lost: 0, told: None };
        std::thread::Builder::new().name(name.into()).spawn(move || thread.run())?;
        Ok(Self { queue, shared })
    }

    /// Hands over one line, its end included; when the queue is full it is lost and counted.
    pub(super) fn send(&self, line: Vec<u8>) {
        if self.queue.try_send(line).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
