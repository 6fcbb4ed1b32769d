//! Files as they come from the disk.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::diagnostic::{Diagnostic, Explain};

/// Octets of one file. Reason: a hundred times the largest published list of sites, and no burden on memory.
pub(crate) const FILE_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// Why a file or directory could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileFault {
    /// The operating system refused.
    #[error("cannot be read: {error}")]
    Io { error: std::io::Error },
    /// Not what a person writes.
    #[error("the file is larger than {FILE_OCTETS_MAX} octets")]
    TooLarge,
    /// Not a file: reading a pipe or device could wait for ever.
    #[error("this is not a regular file")]
    NotRegular,
    /// A name that cannot be written into records.
    #[error("the file's name is not UTF-8")]
    Name,
}

impl Explain for FileFault {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Io { .. } => "check the path and its permissions".into(),
            Self::TooLarge => "split the file".into(),
            Self::NotRegular => "move it elsewhere, or rename it so that it does not end in .toml".into(),
            Self::Name => "rename the file, or remove it".into(),
        }
    }
}

/// All octets of the regular file at `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    read_bounded(path).map_err(|fault| Diagnostic::of_file(&path.to_string_lossy(), &fault))
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, FileFault> {
    // Asked before opening, because opening a pipe waits for its writer.
    if !std::fs::metadata(path).map_err(|error| FileFault::Io { error })?.is_file() {
        return Err(FileFault::NotRegular);
    }
    let mut octets = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_OCTETS_MAX + 1).read_to_end(&mut octets))
        .map_err(|error| FileFault::Io { error })?;
    if octets.len() as u64 > FILE_OCTETS_MAX { Err(FileFault::TooLarge) } else { Ok(octets) }
}
