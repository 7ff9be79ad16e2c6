//! What a machine lays down while it handles an event: actions, and the words they send.

use std::collections::VecDeque;

use super::event::{Action, Side};

/// Room for actions that is kept between events.
const ACTIONS_KEPT: usize = 32;
/// Room for words that is kept between events, bytes.
const WORDS_KEPT: usize = 16 << 10;

/// Actions not yet given out, and a buffer for the words of the next one. Between events there is
/// nothing on it but room: one desk may serve many machines, one after another
/// ([`Machine::lend`](super::Machine::lend)), which then allocate nothing to pass a line.
#[derive(Debug, Default)]
pub struct Desk {
    actions: VecDeque<Action>,
    spare: Vec<u8>,
}

impl Desk {
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn next(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Lines to the same side are one action: a long reply is not a thousand of them.
    pub(super) fn write(&mut self, to: Side, words: impl FnOnce(&mut Vec<u8>)) {
        if let Some(Action::Send { to: last, bytes, urgent: false }) = self.actions.back_mut()
            && *last == to
        {
            return words(bytes);
        }
        let mut bytes = std::mem::take(&mut self.spare);
        words(&mut bytes);
        self.act(Action::Send { to, bytes, urgent: false });
    }

    /// Keeps the buffer of words that were sent for words to come.
    pub fn recycle(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= WORDS_KEPT && bytes.capacity() > self.spare.capacity() {
            bytes.clear();
            self.spare = bytes;
        }
    }

    /// Whether it has grown so large that it is better not kept.
    pub fn is_large(&self) -> bool {
        self.actions.capacity() > ACTIONS_KEPT
    }
}
