//! What is read from outside: the file, the process's variables, the kernel's port settings.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use super::checks::Kernel;
use super::problem::Problem;
use super::tuning;
use crate::net::tuning::Congestions;
use crate::privileges::{self, Capability, files};

/// Largest file that is taken for a configuration, bytes.
const LARGEST: u64 = 1 << 20;

/// A file's name as the user gave it, and its text; not one that anybody may write (S39).
pub(super) fn file(path: &Path) -> Result<(String, String), Problem> {
    let name = path.display().to_string();
    let unreadable = |error: std::io::Error| Problem::error(format!("cannot read {name}: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(Problem::error(format!("{name} is a directory")));
    }
    if let Some(open) = files::open_to_all(path) {
        let open = open.display();
        return Err(Problem::error(format!(
            "anybody may write to {open}, and so say where sessions go"
        ))
        .remedy(format!("chmod o-w {open}")));
    }
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(Problem::error(format!("{name} is larger than 1 MiB: is it the right file?")));
    }
    let text = String::from_utf8(text).map_err(|_| {
        Problem::error(format!("{name} is not UTF-8 text")).remedy("save it as UTF-8")
    })?;
    Ok((name, text))
}

/// The FTPGATE_ variables of the process.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with("FTPGATE_"))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect()
}

/// The kernel's settings; unknown elsewhere than on Linux.
pub(super) fn kernel() -> Kernel {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap_or_default();
    let bytes = |name| read(name).trim().parse().ok();
    let tuning = tuning::Kernel {
        congestions: Congestions::here(),
        privileged: privileges::holds(Capability::Admin),
        largest: ["core/rmem_max", "core/wmem_max"].map(bytes),
    };
    let ports =
        Kernel::parse(&read("ipv4/ip_local_port_range"), &read("ipv4/ip_local_reserved_ports"));
    Kernel { tuning, ..ports }
}
