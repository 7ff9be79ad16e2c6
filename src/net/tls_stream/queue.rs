//! Bytes that wait.

/// First in, first out. Empty, it holds no memory.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    gone: usize,
}

impl Queue {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), gone: 0 }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// What waits.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.gone..).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.gone
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Room for `count` bytes at the end, to be written.
    pub(super) fn grow(&mut self, count: usize) -> &mut [u8] {
        let at = self.bytes.len();
        self.bytes.resize(at + count, 0);
        self.bytes.get_mut(at..).unwrap_or_default()
    }

    /// The first `count` are done with.
    pub(super) fn take(&mut self, count: usize) {
        self.gone = (self.gone + count).min(self.bytes.len());
        if self.is_empty() {
            *self = Self::default();
        }
    }
}
