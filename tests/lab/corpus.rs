//! Captures by others, which lie beside the project: their licences vary, so it holds none of them.

use std::path::{Path, PathBuf};

/// Where the corpus is, seen from the project's root.
const CORPUS: &str = "../shared/corpus";

/// The corpus; `None`, and a word on standard error, where it is absent.
///
/// # Panics
/// Continuous integration has it, so there its absence is a failure.
pub fn find() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(CORPUS);
    if root.is_dir() {
        return Some(root);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{} is not there", root.display());
    eprintln!("skipped: the corpus is not at {CORPUS}");
    None
}
