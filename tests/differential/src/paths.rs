//! Which files are captures.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// What captures' names end with. Files that are named outright may have any name.
const EXTENSIONS: [&str; 4] = ["pcap", "pcapng", "cap", "ntar"];

/// The files that `paths` name, and the captures in directories among them and below, in order of their names.
///
/// # Errors
/// A path that is not there, or a directory that cannot be read.
pub fn captures(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut found)?;
        } else {
            fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let context = || format!("the directory {} cannot be read", directory.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).with_context(context)? {
        entries.push(entry.with_context(context)?.path());
    }
    entries.sort();
    for path in entries {
        if path.is_symlink() && path.is_dir() {
            // May lead back to where it is.
            continue;
        }
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
        {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_walked_and_files_taken_as_they_are() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("below")).expect("a directory");
        for name in ["b.pcapng", "a.pcap", "notes.txt", "below/c.cap", "odd"] {
            fs::write(at(name), "").expect("a file");
        }
        let found = captures(&[directory.path().to_owned(), at("odd")]).expect("readable paths");
        assert_eq!(found, [at("a.pcap"), at("b.pcapng"), at("below/c.cap"), at("odd")]);
        captures(&[at("absent")]).expect_err("a path that is not there");
    }
}
