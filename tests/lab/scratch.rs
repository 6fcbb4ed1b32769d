//! A directory for one lab, and the removal of what killed labs left behind.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::geteuid;

use crate::{namespace, wait};

/// Where the labs keep their files; one directory each.
const ROOT: &str = "/run/tollfree-lab";
/// Two labs that start at once wait for each other no longer than this.
const START_LIMIT: Duration = Duration::from_mins(1);
/// In a lab's directory; locked as long as the lab lives, by the kernel, so that a killed lab counts as gone.
const LOCK: &str = "lock";
const BPFFS: &str = "bpf";
/// Where a scenario may mount a file system of its own.
const DISK: &str = "state";

/// A lab's directory, with a bpf file system in it. Removed on drop.
#[derive(Debug)]
pub struct Scratch {
    id: String,
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Removes what dead labs left, then makes a directory for this one.
    ///
    /// # Errors
    /// If not root, or the kernel has no bpf file system.
    pub fn create() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        anyhow::ensure!(geteuid().is_root(), "the lab makes network namespaces: run it as root");
        fs::create_dir_all(ROOT).context(ROOT)?;
        let start = File::create(Path::new(ROOT).join(LOCK))?;
        wait::until("the start of another lab", START_LIMIT, || Ok(try_lock(&start)?.then_some(())))?;
        sweep()?;
        let id = format!("{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(ROOT).join(&id);
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let lock = File::create(path.join(LOCK))?;
        lock.lock()?;
        let scratch = Self { id, path, _lock: lock };
        let bpffs = scratch.bpffs();
        fs::create_dir(&bpffs)?;
        mount(Some("bpf"), &bpffs, Some("bpf"), MsFlags::empty(), None::<&str>)
            .context("cannot mount a bpf file system; the kernel needs CONFIG_BPF_SYSCALL")?;
        Ok(scratch)
    }

    /// What this lab's namespaces are named by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory on a bpf file system of the lab's own.
    pub fn bpffs(&self) -> PathBuf {
        self.path.join(BPFFS)
    }

    /// Where a scenario may mount a file system of its own: unmounted with the rest.
    pub fn disk(&self) -> PathBuf {
        self.path.join(DISK)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            eprintln!("{}: {error:#}; the next lab tries again", self.path.display());
        }
    }
}

/// Removes the namespaces, processes, mounts and files of labs that are gone.
fn sweep() -> Result<()> {
    for entry in fs::read_dir(ROOT)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        // A lab that died before its lock was made has none.
        let dead = match File::open(path.join(LOCK)) {
            Ok(lock) => try_lock(&lock)?,
            Err(_) => true,
        };
        if let Some(id) = path.file_name().and_then(|name| name.to_str()).filter(|_| dead) {
            namespace::sweep(id)?;
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    for mounted in [BPFFS, DISK] {
        // Not mounted, if the lab died before that, or has no use for it.
        let _ = umount2(&path.join(mounted), MntFlags::MNT_DETACH);
    }
    match fs::remove_dir_all(path) {
        // A lab that ends removes its directory while one that starts sweeps: whoever was first.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| path.display().to_string()),
    }
}

fn try_lock(file: &File) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock a file"),
    }
}
