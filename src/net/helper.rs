//! The kernel's own FTP rewriter (P84).

use std::fs;
use std::path::Path;

/// What of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KernelHelper {
    /// It is not loaded.
    Absent,
    /// It works on connections that a rule gives it.
    Loaded,
    /// It works on every connection to port 21, as kernels of old had it.
    Automatic,
}

impl KernelHelper {
    /// Looks for it.
    pub(crate) fn look() -> Self {
        let automatic = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_helper");
        let loaded = Path::new("/sys/module/nf_conntrack_ftp").exists();
        Self::of(loaded, automatic.ok().as_deref())
    }

    fn of(loaded: bool, automatic: Option<&str>) -> Self {
        match automatic.map(str::trim) {
            _ if !loaded => Self::Absent,
            Some("1") => Self::Automatic,
            _ => Self::Loaded,
        }
    }

    /// What to do about it, for the operator; nothing where there is nothing to do.
    pub(crate) const fn advice(self) -> Option<&'static str> {
        match self {
            Self::Absent => None,
            Self::Loaded => Some(
                "the kernel's FTP helper (nf_conntrack_ftp) is there: no rule (`ct helper set`) \
                 should give it these connections, since two rewriters on one connection do harm",
            ),
            Self::Automatic => Some(
                "the kernel's FTP helper (nf_conntrack_ftp) rewrites every connection to port 21, \
                 ours too: set net.netfilter.nf_conntrack_helper=0 with sysctl",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KernelHelper::{self, Absent, Automatic, Loaded};

    #[test]
    fn it_is_told_apart() {
        for (loaded, sysctl, expected) in [
            (false, None, Absent),
            (false, Some("1\n"), Absent),
            (true, None, Loaded),
            (true, Some("0\n"), Loaded),
            (true, Some("1\n"), Automatic),
        ] {
            assert_eq!(KernelHelper::of(loaded, sysctl), expected);
        }
        assert!(Absent.advice().is_none() && Loaded.advice() != Automatic.advice());
    }
}
