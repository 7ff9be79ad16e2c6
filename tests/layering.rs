//! Imports go down only, and the words and the mind stay pure.
//!
//! One crate cannot let the compiler hold the layers apart, so this reads the source tree. Files
//! of unit tests are free; comments and strings do not count.

mod layering {
    pub(crate) mod paths;
    pub(crate) mod rules;
    mod tests;
}

use std::path::{Path, PathBuf};
use std::{fs, io};

use layering::rules::violations;

#[test]
fn the_source_tree_keeps_its_layers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src).unwrap();
    assert!(files.len() > 20, "only {} files under {}", files.len(), src.display());
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let name = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
            violations(&name, &fs::read_to_string(file).unwrap())
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn rust_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
