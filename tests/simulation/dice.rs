//! Where choices come from: a seed, or a fuzzer's bytes.

use std::collections::VecDeque;

/// A source of choices.
pub(crate) enum Dice {
    Seed(u64),
    Bytes(VecDeque<u8>),
}

impl Dice {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self::Seed(seed)
    }

    #[allow(
        dead_code,
        clippy::unnecessary_to_owned,
        reason = "the fuzz target's; it owns its bytes"
    )]
    pub(crate) fn chosen(choices: &[u8]) -> Self {
        Self::Bytes(choices.iter().copied().collect())
    }

    /// Less than `n`, which must not be 0. Bytes used up give 0 for ever.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        match self {
            // SplitMix64 (Steele, Lea, Flood 2014).
            Self::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((z ^ (z >> 31)) % n as u64) as usize
            }
            Self::Bytes(bytes) if n <= 256 => usize::from(bytes.pop_front().unwrap_or(0)) % n,
            Self::Bytes(bytes) => {
                let (high, low) = (bytes.pop_front().unwrap_or(0), bytes.pop_front().unwrap_or(0));
                usize::from(u16::from_be_bytes([high, low])) % n
            }
        }
    }

    /// Once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Nothing more to choose from.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Seed(_) => false,
            Self::Bytes(bytes) => bytes.is_empty(),
        }
    }
}
