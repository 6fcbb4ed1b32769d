//! The disk of the gateway's state: so small that it can be filled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

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
    /// Mounts one of `octets` at `path`, which must be a directory.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn mount(path: &Path, octets: u64) -> Result<Self> {
        let options = format!("size={octets},mode=0755");
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
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.context("cannot free the disk"),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = umount2(&self.path, MntFlags::MNT_DETACH) {
            eprintln!("{}: {error}", self.path.display());
        }
    }
}
