//! Reference data beside the repository: schemas and values of the publishers.

use std::path::PathBuf;

/// A folder of the reference data; `None`, with a line, where it is not there.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("HOMELAB_SHARED").map_or_else(beside, PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no reference data at {} (HOMELAB_SHARED)", folder.display());
    None
}
