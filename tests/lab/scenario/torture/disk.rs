//! The disk of the gateway's state: so small that it can be filled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::statvfs;

/// Room when it is not full, in octets. Reason: far more than the daemon writes until it is full again, and filled in a
/// moment, however long the scenario lasts.
const ROOM_OCTETS: u64 = 64 << 20;
/// What fills it.
const FILLER: &str = "filler";
/// Written at once, in octets, from large to small: in the end not a page is left.
const STEPS: [usize; 3] = [1 << 20, 1 << 14, 1];

/// A file system in memory. Unmounted on drop.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts one at `path`, which must be a directory.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn mount(path: &Path) -> Result<Self> {
        let options = format!("size={ROOM_OCTETS},mode=0755");
        mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
            .with_context(|| format!("cannot mount {}", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Fills it, until nothing can be written any more.
    ///
    /// # Errors
    /// If it fails otherwise than by being full.
    pub(super) fn fill(&self) -> Result<()> {
        let path = self.path.join(FILLER);
        let mut file = File::create(&path).with_context(|| path.display().to_string())?;
        for step in STEPS {
            let zeros = vec![0; step];
            loop {
                match file.write(&zeros) {
                    Ok(octets) if octets > 0 => {}
                    Ok(_) => break,
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).with_context(|| path.display().to_string()),
                }
            }
        }
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn free(&self) -> Result<()> {
        match fs::remove_file(self.path.join(FILLER)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context("cannot free the disk");
            }
            _ => {}
        }
        let size = self.used()? + ROOM_OCTETS;
        let options = format!("size={size}");
        mount(None::<&str>, &self.path, None::<&str>, MsFlags::MS_REMOUNT, Some(options.as_str()))
            .with_context(|| format!("cannot make {} larger", self.path.display()))
    }

    /// Octets that are used.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub(super) fn used(&self) -> Result<u64> {
        let state = statvfs(&self.path).with_context(|| self.path.display().to_string())?;
        Ok((state.blocks() - state.blocks_free()) * state.block_size())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = umount2(&self.path, MntFlags::MNT_DETACH) {
            eprintln!("{}: {error}", self.path.display());
        }
    }
}
