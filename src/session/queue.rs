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

/// Lines in order, and the bytes behind them that were not cut into lines yet. Empty, as in most
/// sessions at all times, it is a null pointer.
#[derive(Debug, Default)]
pub(super) struct Queue(Option<Box<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Queued>,
    bytes: usize,
    unread: Vec<u8>,
}

impl Queue {
    /// Nothing waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether another line may be read, `limit` being the most that wait.
    pub(super) fn has_room(&self, limit: usize) -> bool {
        let room = |w: &Waiting| w.lines.len() < limit.max(1) && w.bytes < MAX_BYTES;
        self.0.as_deref().is_none_or(room)
    }

    /// Whether another read from the client may be asked for.
    pub(super) fn wants_more(&self, limit: usize) -> bool {
        !self.keeps_bytes() && self.has_room(limit)
    }

    pub(super) fn push(&mut self, line: &[u8]) {
        let waiting = self.0.get_or_insert_default();
        waiting.bytes += line.len();
        waiting.lines.push_back(Queued::Line(line.into()));
    }

    pub(super) fn push_too_long(&mut self) {
        self.0.get_or_insert_default().lines.push_back(Queued::TooLong);
    }

    /// Puts a line back in front.
    pub(super) fn put_back(&mut self, line: &[u8]) {
        let waiting = self.0.get_or_insert_default();
        waiting.bytes += line.len();
        waiting.lines.push_front(Queued::Line(line.into()));
    }

    pub(super) fn pop(&mut self) -> Option<Queued> {
        let waiting = self.0.as_mut()?;
        let next = waiting.lines.pop_front();
        if let Some(Queued::Line(line)) = &next {
            waiting.bytes -= line.len();
        }
        if waiting.lines.is_empty() && waiting.unread.is_empty() {
            self.0 = None;
        }
        next
    }

    /// Keeps what came when there was no room: one read at most, if
    /// [`wants_more`](Self::wants_more) is heeded.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().unread.extend_from_slice(bytes);
        }
    }

    /// Whether bytes were kept: later ones belong behind them.
    pub(super) fn keeps_bytes(&self) -> bool {
        self.0.as_ref().is_some_and(|waiting| !waiting.unread.is_empty())
    }

    /// The bytes kept, once all lines before them are gone.
    pub(super) fn take_kept(&mut self) -> Option<Vec<u8>> {
        let waiting = self.0.take_if(|waiting| waiting.lines.is_empty())?;
        Some(waiting.unread)
    }
}
