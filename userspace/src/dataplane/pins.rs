//! The directory that keeps maps and links alive.

use std::fs;
use std::io;
use std::io::ErrorKind::{DirectoryNotEmpty, NotFound, ResourceBusy};
use std::path::{Path, PathBuf};

use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::DataplaneError;

/// What links' names begin with.
const XDP_LINK: &str = "xdp-";
const TC_LINK: &str = "tc-";
/// Maps of any layout version: a name that is retired stays, so that `detach` clears up after an earlier build.
const MAPS: [&str; 42] = [
    "LAYOUT",
    "CONTROL",
    "INTERFACES",
    "LOCAL_V4",
    "LOCAL_V6",
    "TRANSPORTS_V4",
    "TRANSPORTS_V6",
    "CLASS_V4_0",
    "CLASS_V4_1",
    "CLASS_V6_0",
    "CLASS_V6_1",
    "MATCH_SETS",
    "RULES",
    "FLOWS",
    "FRAGMENTS",
    "GRANTS",
    "COUNTERS_0",
    "COUNTERS_1",
    "OVERFLOW_0",
    "OVERFLOW_1",
    "INTERFACE_TOTALS",
    "INTERFACE_BUCKETS",
    "STATS",
    "COPIES",
    "FLOW_NUMBERS",
    "VERDICTS",
    "SUBSCRIBER_FLOWS",
    "SUBSCRIBER_FLOWS_ENDED",
    "QUOTAS",
    "DAY_ENDS",
    "PENDING_0",
    "PENDING_1",
    "SENT_AGAIN",
    "HEARD",
    "TEXTS",
    "NAMES",
    "NAME_PROGRAMS",
    "ASKED",
    "PREFIXES",
    "SHORT_LENGTHS",
    "LONG_LENGTHS",
    "PREFIX_FILTER",
];

/// A directory on a bpf file system: a file a map, and `links/` with a file a link, named by interface index.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    directory: PathBuf,
}

impl Pins {
    /// Makes the directory where it is missing.
    pub(super) fn open(directory: &Path) -> Result<Self, DataplaneError> {
        check_file_system(directory)?;
        let pins = Self { directory: directory.to_owned() };
        let links = pins.links();
        fs::create_dir_all(&links).map_err(DataplaneError::io(format!("making {}", links.display())))?;
        Ok(pins)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn xdp_link(&self, ifindex: u32) -> PathBuf {
        self.links().join(format!("{XDP_LINK}{ifindex}"))
    }

    pub(super) fn tc_link(&self, ifindex: u32) -> PathBuf {
        self.links().join(format!("{TC_LINK}{ifindex}"))
    }

    /// Every pinned link, with the index of the interface it was made for.
    pub(super) fn all_links(&self) -> Result<Vec<(u32, PathBuf)>, DataplaneError> {
        let mut links = Vec::new();
        for path in list(&self.links())? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let index = name.strip_prefix(XDP_LINK).or_else(|| name.strip_prefix(TC_LINK));
            if let Some(ifindex) = index.and_then(|index| index.parse().ok()) {
                links.push((ifindex, path));
            }
        }
        Ok(links)
    }

    /// Removes every pin of these maps and links, and what is empty then: what nothing else holds is gone.
    ///
    /// Others' pins stay, and so does a directory that holds some, or that a file system is mounted on.
    pub(super) fn remove(&self) -> Result<(), DataplaneError> {
        // Links first: while a program still runs, its maps should still be found.
        for (_, link) in self.all_links()? {
            gone(&link, fs::remove_file(&link))?;
        }
        gone(&self.links(), fs::remove_dir(self.links()))?;
        for map in MAPS.map(|name| self.map(name)).iter().filter(|map| !map.is_dir()) {
            gone(map, fs::remove_file(map))?;
        }
        gone(&self.directory, fs::remove_dir(&self.directory))
    }

    fn links(&self) -> PathBuf {
        self.directory.join("links")
    }
}

/// Takes a removal for done where there was nothing, or a directory that others use.
///
/// # Errors
/// Every other failure of it.
fn gone(path: &Path, removed: io::Result<()>) -> Result<(), DataplaneError> {
    match removed {
        Err(error) if !matches!(error.kind(), NotFound | DirectoryNotEmpty | ResourceBusy) => {
            Err(DataplaneError::io(format!("removing {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, DataplaneError> {
    let context = || DataplaneError::io(format!("reading {}", directory.display()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(context())? {
        paths.push(entry.map_err(context())?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Whether `directory`, or the nearest directory above it that exists, is on a bpf file system.
pub(super) fn check_file_system(directory: &Path) -> Result<(), DataplaneError> {
    for ancestor in directory.ancestors() {
        match fs::metadata(ancestor) {
            Ok(_) => {
                let kind = statfs(ancestor).map_err(|errno| {
                    DataplaneError::io(format!("reading {}", ancestor.display()))(errno.into())
                })?;
                if kind.filesystem_type() == BPF_FS_MAGIC {
                    return Ok(());
                }
                return Err(DataplaneError::NoBpffs { path: directory.to_owned() });
            }
            Err(error) if error.kind() == NotFound => {}
            Err(error) => return Err(DataplaneError::io(format!("reading {}", ancestor.display()))(error)),
        }
    }
    Err(DataplaneError::NoBpffs { path: directory.to_owned() })
}
