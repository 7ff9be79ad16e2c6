//! What is in every file: one pattern, told from other offsets, so that a lost, doubled or
//! exchanged piece shows.
//!
//! A file's size is in its name, after the last `z` or `v`: `z1024`, `up/3-v0`. Both are the same
//! to fetch; a `v` that is stored is compared by the null server, a `z` is thrown away.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;

use rustix::fs::{MemfdFlags, memfd_create, sendfile};

use crate::args::Args;

/// The pattern repeats after so many bytes: small enough for any machine, large against what a
/// relay can hold.
const PERIOD: usize = 4 << 20;

pub struct Pattern {
    file: File,
    bytes: Vec<u8>,
}

impl Pattern {
    pub fn new() -> io::Result<Self> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let bytes: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        let mut file = File::from(memfd_create("pattern", MemfdFlags::CLOEXEC)?);
        file.write_all(&bytes)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { file, bytes })
    }

    /// Sends up to `count` bytes from `offset` on, as many as go at once.
    pub fn send(&self, to: impl AsFd, offset: u64, count: u64) -> io::Result<u64> {
        let mut within = offset % PERIOD as u64;
        let count = count.min(PERIOD as u64 - within) as usize;
        Ok(sendfile(to, &self.file, Some(&mut within), count)? as u64)
    }

    /// Up to `count` bytes from `offset` on, as many as are in one piece.
    pub fn piece(&self, offset: u64, count: u64) -> &[u8] {
        let rest = &self.bytes[(offset % PERIOD as u64) as usize..];
        &rest[..rest.len().min(usize::try_from(count).unwrap_or(rest.len()))]
    }

    /// Whether `bytes` are what stands at `offset`.
    pub fn matches(&self, mut offset: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let here = &self.bytes[(offset % PERIOD as u64) as usize..];
            let (piece, rest) = bytes.split_at(bytes.len().min(here.len()));
            if piece != &here[..piece.len()] {
                return false;
            }
            offset += piece.len() as u64;
            bytes = rest;
        }
        true
    }
}

/// What a file's name says about it.
pub struct Named {
    pub size: u64,
    pub compared: bool,
}

/// `None`: not a name of ours.
pub fn named(path: &str) -> Option<Named> {
    let leaf = path.rsplit('/').next()?;
    let mark = leaf.rfind(['z', 'v'])?;
    let size = leaf[mark + 1..].parse().ok()?;
    Some(Named { size, compared: leaf[mark..].starts_with('v') })
}

/// `load file`.
pub fn print(mut args: Args) -> io::Result<bool> {
    let size: u64 = args.required("bytes")?;
    args.end()?;
    let bytes = Pattern::new()?.bytes;
    let mut contents = io::Cursor::new(&bytes).chain(io::empty()).take(size);
    let mut out = io::stdout().lock();
    let mut left = size;
    while left > 0 {
        left -= io::copy(&mut contents, &mut out)?;
        contents = io::Cursor::new(&bytes).chain(io::empty()).take(left);
    }
    Ok(true)
}
