//! One controller at a time.

use std::fs::{File, create_dir_all};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::RunError;

/// Held as long as the controller runs; the kernel lets go of it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    pub(crate) fn take(run_dir: &Path) -> Result<Self, RunError> {
        let path = run_dir.join("lock");
        let open = || {
            create_dir_all(run_dir)?;
            File::create(&path)
        };
        let file = open().map_err(|source| RunError::Lock { path: path.clone(), source })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(RunError::AlreadyRunning { path }),
            Err((_, errno)) => Err(RunError::Lock { path, source: errno.into() }),
        }
    }
}

/// Checks that no controller holds the lock.
///
/// # Errors
/// [`RunError::AlreadyRunning`] if one does.
pub fn check_not_running(run_dir: &Path) -> Result<(), RunError> {
    Lock::take(run_dir).map(drop)
}
