//! A bpf file system of one's own.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::Uid;
use tempfile::TempDir;

/// A bpf file system on a temporary directory; gone when it is dropped.
#[derive(Debug)]
pub struct BpfFileSystem {
    directory: TempDir,
}

impl BpfFileSystem {
    /// Mounts it.
    ///
    /// # Errors
    /// Anybody but root, and a kernel without BPF.
    pub fn mount() -> Result<Self> {
        ensure!(
            Uid::effective().is_root(),
            "kernel programs can only be loaded by root: run this again as root"
        );
        let directory = tempfile::tempdir().context("making a directory to mount a bpf file system on")?;
        mount(Some("bpf"), directory.path(), Some("bpf"), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("mounting a bpf file system on {}", directory.path().display()))?;
        Ok(Self { directory })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for BpfFileSystem {
    fn drop(&mut self) {
        // Detached, so that a descriptor that is still open keeps nothing mounted. What fails here leaves an empty
        // directory behind, and nobody to tell.
        let _ = umount2(self.directory.path(), MntFlags::MNT_DETACH);
    }
}
