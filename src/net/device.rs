//! The name of a network device, `eth1`, as sockets are bound to it.

use std::fmt;

use super::name::Name;

/// A link by its name: it may come and go, and come back with another number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Device(Name);

impl Device {
    /// `None` is no name that a device can have.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let name = Name::new(text, |b| b.is_ascii_graphic() && b != b'/')?;
        (!matches!(text, "." | "..")).then_some(Self(name))
    }

    /// As the kernel takes it.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
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
