//! Who may write a file decides what we do with it (S39).

use std::fs;
use std::path::{Path, PathBuf};

/// What anybody may write to, the file or the directory that it stands in; a directory in which
/// nobody can replace another's files (sticky) will do.
pub(crate) fn open_to_all(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;

    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let metadata = fs::metadata(path).ok()?;
    if metadata.is_file() && metadata.permissions().mode() & OTHERS_WRITE != 0 {
        return Some(path.to_owned());
    }
    let real = path.canonicalize().ok()?;
    let directory = real.parent()?;
    let mode = fs::metadata(directory).ok()?.permissions().mode();
    (mode & (OTHERS_WRITE | STICKY) == OTHERS_WRITE).then(|| directory.to_owned())
}
