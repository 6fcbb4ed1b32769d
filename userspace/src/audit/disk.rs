//! Files that are on the disk, whole, before anything relies on them.
//!
//! Every change of the disk is one step, in the order in which it is called for: a crash leaves a prefix of the
//! steps. Tests stop after each.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error::AuditError;

/// Mode of what is published.
pub(super) const PUBLIC: u32 = 0o644;
/// Mode of what only the writer reads.
pub(super) const PRIVATE: u32 = 0o600;

/// What a temporary name begins and ends with. Reason: no published file does, so leftovers can be told.
const TEMPORARY: (&str, &str) = (".", ".tmp");

/// Whether `name` is a temporary one.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
}

/// The temporary name beside `path`.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{}{name}{}", TEMPORARY.0, TEMPORARY.1))
}

fn step<T>(
    action: &'static str,
    path: &Path,
    operation: impl FnOnce() -> io::Result<T>,
) -> Result<T, AuditError> {
    #[cfg(test)]
    crash::step().map_err(AuditError::io(action, path))?;
    operation().map_err(AuditError::io(action, path))
}

/// The file's content; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, AuditError> {
    match fs::read(path) {
        Ok(octets) => Ok(Some(octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(AuditError::io("read", path)(error)),
    }
}

/// Makes the directory and those above it, and makes that durable.
pub(super) fn make_directories(path: &Path) -> Result<(), AuditError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = parent(path);
    make_directories(parent)?;
    step("make the directory", path, || DirBuilder::new().mode(0o755).create(path))?;
    sync_directory(parent)
}

/// Makes a directory's names durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), AuditError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(AuditError::io("sync", path))
}

/// Puts one file in place, durable when this returns.
pub(super) fn write(path: &Path, octets: &[u8], mode: u32) -> Result<(), AuditError> {
    place(path, octets, mode)?;
    sync_directory(parent(path))
}

/// Puts published files in place, all durable when this returns, in any order before.
pub(super) fn write_all(files: &[(PathBuf, Vec<u8>)]) -> Result<(), AuditError> {
    let mut directories = BTreeSet::new();
    for (path, octets) in files {
        let directory = parent(path);
        make_directories(directory)?;
        place(path, octets, PUBLIC)?;
        directories.insert(directory);
    }
    directories.into_iter().try_for_each(sync_directory)
}

/// Renames a file or directory; durable when this returns.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), AuditError> {
    step("put in place", to, || fs::rename(from, to))?;
    sync_directory(parent(to))
}

/// Removes a file, or a directory with what is in it.
pub(super) fn remove(path: &Path) -> Result<(), AuditError> {
    let is_directory = path.is_dir() && !path.is_symlink();
    step("remove", path, || if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) })
}

fn place(path: &Path, octets: &[u8], mode: u32) -> Result<(), AuditError> {
    let beside = temporary(path);
    if beside.is_file() {
        remove(&beside)?;
    }
    let mut file =
        step("create", &beside, || OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside))?;
    step("write", &beside, || file.write_all(octets).and_then(|()| file.sync_all()))?;
    step("put in place", path, || fs::rename(&beside, path))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A crash after a number of steps, on this thread.
#[cfg(test)]
pub(super) mod crash {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// `None`: no crash.
    pub(in super::super) fn after(steps: Option<u32>) {
        LEFT.set(steps);
    }

    pub(super) fn step() -> io::Result<()> {
        match LEFT.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("crashed")),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}
