//! Names as the kernel keeps them, in 16 bytes: of links, of congestion controls.

use std::fmt;

/// Longest name, bytes; a NUL ends it (`IFNAMSIZ`, `TCP_CA_NAME_MAX`).
const LONGEST: usize = 15;

/// From 1 to 15 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    bytes: [u8; LONGEST],
    length: u8,
}

impl Name {
    /// `None`: it is empty, too long, or has a byte that is not good in it.
    pub(super) fn new(text: &str, good: impl Fn(u8) -> bool) -> Option<Self> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length != 0)?;
        let mut bytes = [0; LONGEST];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        text.bytes().all(good).then_some(Self { bytes, length })
    }

    /// As the kernel takes it.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}
