//! The client's lines that wait for their turn (P8).

use std::collections::VecDeque;

/// Bytes of waiting lines above which nothing more is read from the client.
const MAX_BYTES: usize = 64 << 10;

/// A line that was read before its turn.
#[derive(Debug)]
pub(super) enum Queued {
    Line(Box<[u8]>),
    /// Over the limit: refused when its turn comes (P7).
    TooLong,
}

/// Lines in order, and the bytes behind them that were not cut into lines yet. Empty, it holds no
/// memory.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: VecDeque<Queued>,
    bytes: usize,
    unread: Vec<u8>,
}

impl Queue {
    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.unread.is_empty()
    }

    /// Whether another line may be read, `limit` being the most that wait.
    pub(super) fn has_room(&self, limit: usize) -> bool {
        self.lines.len() < limit.max(1) && self.bytes < MAX_BYTES
    }

    /// Whether another read from the client may be asked for.
    pub(super) fn wants_more(&self, limit: usize) -> bool {
        self.unread.is_empty() && self.has_room(limit)
    }

    pub(super) fn push(&mut self, line: &[u8]) {
        self.bytes += line.len();
        self.lines.push_back(Queued::Line(line.into()));
    }

    pub(super) fn push_too_long(&mut self) {
        self.lines.push_back(Queued::TooLong);
    }

    /// Puts a line back in front.
    pub(super) fn put_back(&mut self, line: &[u8]) {
        self.bytes += line.len();
        self.lines.push_front(Queued::Line(line.into()));
    }

    pub(super) fn pop(&mut self) -> Option<Queued> {
        let next = self.lines.pop_front();
        if let Some(Queued::Line(line)) = &next {
            self.bytes -= line.len();
        }
        if self.lines.is_empty() {
            self.lines = VecDeque::new();
        }
        next
    }

    /// Keeps what came when there was no room: one read at most, if
    /// [`wants_more`](Self::wants_more) is heeded.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Whether bytes were kept: later ones belong behind them.
    pub(super) fn keeps_bytes(&self) -> bool {
        !self.unread.is_empty()
    }

    /// The bytes kept, once all lines before them are gone.
    pub(super) fn take_kept(&mut self) -> Option<Vec<u8>> {
        let ready = self.lines.is_empty() && !self.unread.is_empty();
        ready.then(|| std::mem::take(&mut self.unread))
    }
}
