//! What the heap of a process held when it held most, by who asked for it: a file of DHAT.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    /// Program points: what was asked for, and from where.
    pps: Vec<Point>,
    /// What the frames of the points are.
    ftbl: Vec<String>,
}

#[derive(Deserialize)]
struct Point {
    /// Bytes, at the peak.
    gb: u64,
    /// Blocks.
    gbk: u64,
    fs: Vec<usize>,
}

/// Bytes and blocks.
#[derive(Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) bytes: f64,
    pub(crate) blocks: f64,
}

pub(crate) type Parts = BTreeMap<String, Held>;

/// What each part held, as `part` calls it by who asked for its blocks and how large they are.
pub(crate) fn read(path: &Path, part: impl Fn(&[&str], Held) -> String) -> anyhow::Result<Parts> {
    let file: File = serde_json::from_slice(&std::fs::read(path)?)?;
    let mut parts = Parts::new();
    for point in file.pps {
        let frames: Vec<&str> =
            point.fs.iter().filter_map(|frame| file.ftbl.get(*frame)).map(String::as_str).collect();
        let held = Held { bytes: point.gb as f64, blocks: point.gbk as f64 };
        let sum = parts.entry(part(&frames, held)).or_default();
        sum.bytes += held.bytes;
        sum.blocks += held.blocks;
    }
    Ok(parts)
}
