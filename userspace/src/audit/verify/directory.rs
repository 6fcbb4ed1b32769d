//! The log's directory, and which of its files nobody has checked yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::fault::Fault;

/// Directories inside each other. Reason: a tile of the largest log is six deep.
const DEPTH_MAX: usize = 16;

/// The files that are still to be checked, and what was found wrong.
pub(super) struct Directory<'a> {
    root: &'a Path,
    unchecked: BTreeSet<String>,
    pub(super) faults: Vec<Fault>,
}

impl<'a> Directory<'a> {
    /// Lists all files below `root`.
    pub(super) fn list(root: &'a Path) -> Self {
        let mut directory = Self { root, unchecked: BTreeSet::new(), faults: Vec::new() };
        directory.walk(PathBuf::new(), 0);
        directory
    }

    fn walk(&mut self, below: PathBuf, depth: usize) {
        let entries = fs::read_dir(self.root.join(&below)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = match entries {
            Ok(entries) if depth < DEPTH_MAX => entries,
            Ok(_) => return self.faults.push(Fault::Unexpected { path: below }),
            Err(source) => return self.faults.push(Fault::Read { path: self.root.join(below), source }),
        };
        for entry in entries {
            let path = below.join(entry.file_name());
            match (entry.file_type(), path.to_str()) {
                (Ok(kind), _) if kind.is_dir() => self.walk(path, depth + 1),
                (Ok(kind), _) if !kind.is_file() => self.faults.push(Fault::NotAFile { path }),
                (Ok(_), Some(text)) => {
                    self.unchecked.insert(text.to_owned());
                }
                (Ok(_), None) => self.faults.push(Fault::Unexpected { path }),
                (Err(source), _) => self.faults.push(Fault::Read { path, source }),
            }
        }
    }

    /// Whether the file is there and was not read yet.
    pub(super) fn has(&self, path: &str) -> bool {
        self.unchecked.contains(path)
    }

    /// Reads a file that the caller checks, of at most `max` octets; `None`: it is a fault already.
    pub(super) fn read(&mut self, path: &str, max: u64) -> Option<Vec<u8>> {
        self.unchecked.remove(path);
        let mut octets = Vec::new();
        let read =
            File::open(self.root.join(path)).and_then(|file| file.take(max + 1).read_to_end(&mut octets));
        let path = PathBuf::from(path);
        match read {
            Ok(length) if length as u64 <= max => return Some(octets),
            Ok(_) => self.faults.push(Fault::TooLarge { path, max }),
            Err(source) => self.faults.push(Fault::Read { path, source }),
        }
        None
    }

    /// The files whose paths begin with `start` that were not read yet.
    pub(super) fn beginning_with(&self, start: &str) -> Vec<String> {
        self.unchecked.range(start.to_owned()..).take_while(|path| path.starts_with(start)).cloned().collect()
    }

    /// The files that are exactly two below `start`: by directory, their names.
    pub(super) fn groups(&self, start: &str) -> BTreeMap<String, Vec<String>> {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in self.beginning_with(start) {
            if let Some((group, name)) =
                path[start.len()..].split_once('/').filter(|(_, name)| !name.contains('/'))
            {
                groups.entry(group.to_owned()).or_default().push(name.to_owned());
            }
        }
        groups
    }

    /// All faults; a file that nobody read is one.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        let unexpected = self.unchecked.into_iter().map(|path| Fault::Unexpected { path: path.into() });
        self.faults.extend(unexpected);
        self.faults
    }
}
