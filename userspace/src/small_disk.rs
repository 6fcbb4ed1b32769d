//! A disk that is soon full, for tests.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// A mebibyte of file system of its own at `directory`, that only this thread sees. Needs root.
pub(crate) fn small_disk(directory: &Path) -> Result<(), nix::Error> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount::<str, str, str, str>(None, "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)?;
    mount(Some("tmpfs"), directory, Some("tmpfs"), MsFlags::empty(), Some("size=1m"))
}
