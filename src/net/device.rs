//! The name of a network device, `eth1`, as sockets are bound to it.

use std::fmt;

/// Longest name, bytes (`IFNAMSIZ` without its NUL).
const LONGEST: usize = 15;

/// A link by its name: it may come and go, and come back with another number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Device {
    name: [u8; LONGEST],
    length: usize,
}

impl Device {
    /// `None` is no name that a device can have.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if !plain || text.is_empty() || matches!(text, "." | "..") {
            return None;
        }
        let mut name = [0; LONGEST];
        name.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { name, length: text.len() })
    }

    /// As the kernel takes it.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.name.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        for name in ["eth1", "wg-home.7", "fifteen-letters"] {
            assert_eq!(Device::new(name).unwrap().to_string(), name);
        }
        for name in ["", "sixteen-letters-", "a/b", "a b", "..", "\u{fc}"] {
            assert_eq!(Device::new(name), None, "{name}");
        }
    }
}
