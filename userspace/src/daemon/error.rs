//! Why the controller could not start or go on, and with which exit code.

use std::io;
use std::path::PathBuf;

use crate::api::ServerError;
use crate::audit::AuditError;
use crate::dataplane::DataplaneError;
use crate::diagnostic::Diagnostics;
use crate::exit::Exit;
use crate::identity::journal::JournalError;
use crate::identity::radius::{ListenError, SecretError};
use crate::ledger::LedgerError;
use crate::policy::CompileError;
use crate::resolve::{ProbeError, ResolverError};

/// Why `tollfree run` ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration.
    #[error("{0}")]
    Config(#[from] Diagnostics),
    /// The policy directory.
    #[error("{0}")]
    Policy(Diagnostics),
    /// The policies are right each by itself, but do not fit together or into the kernel.
    #[error("the policies do not compile: {0}")]
    Compile(#[from] CompileError),
    /// The kernel's side.
    #[error(transparent)]
    Dataplane(#[from] DataplaneError),
    /// A secret of the RADIUS listener.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The RADIUS listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// What is known of sessions is not kept.
    #[error(transparent)]
    Sessions(#[from] JournalError),
    /// Another controller has the lock.
    #[error("another controller runs: it holds {path}; stop it first, or set another gateway.run_dir")]
    AlreadyRunning {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock cannot be taken.
    #[error("cannot lock {path}: {source}; check gateway.run_dir")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Resolvers.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// No resolver answers.
    #[error(transparent)]
    NoResolver(#[from] ProbeError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A statement for the audit log.
    #[error("the audit log's statement: {0}")]
    Statement(#[from] crate::audit::StatementError),
    /// An address to answer on.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The policy directory cannot be watched.
    #[error("cannot watch {path}: {source}")]
    Watch {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: notify::Error,
    },
    /// Threads, signals or clocks.
    #[error("the system refused: {source}")]
    Runtime {
        /// Why.
        source: io::Error,
    },
    /// The engine did not end.
    #[error("the controller did not close its books in time; the next start does")]
    NotEnded,
}

impl RunError {
    /// Whether trying again may help: a full disk, or a kernel that is short of memory, not what is written in a file.
    pub(super) const fn is_of_machine(&self) -> bool {
        matches!(self, Self::Ledger(_) | Self::Audit(_) | Self::Dataplane(_) | Self::Runtime { .. })
    }

    pub(super) const fn runtime(source: io::Error) -> Self {
        Self::Runtime { source }
    }

    /// The exit code that says so.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Secret(_) => Exit::Config,
            Self::Policy(_) | Self::Compile(_) => Exit::Policy,
            Self::Dataplane(error) => dataplane_exit(error),
            Self::AlreadyRunning { .. } => Exit::AlreadyRunning,
            Self::Resolver(_) | Self::NoResolver(_) => Exit::NoResolver,
            Self::Ledger(_) | Self::Sessions(_) => Exit::Ledger,
            Self::Audit(_) | Self::Statement(_) => Exit::Audit,
            Self::Server(_) | Self::Listen(_) => Exit::Export,
            Self::Lock { .. } | Self::Watch { .. } | Self::Runtime { .. } | Self::NotEnded => Exit::Failure,
        }
    }
}

/// The exit code for a fault of the kernel's side.
pub const fn dataplane_exit(error: &DataplaneError) -> Exit {
    match error {
        DataplaneError::NotRoot => Exit::NotRoot,
        DataplaneError::NoInterface { .. } => Exit::NoInterface,
        DataplaneError::OtherProgram { .. } => Exit::OtherProgram,
        DataplaneError::NoBpffs { .. } => Exit::NoBpffs,
        DataplaneError::LayoutVersion { .. } => Exit::Layout,
        DataplaneError::KernelTooOld { .. }
        | DataplaneError::MarksNeedTcx
        | DataplaneError::Program { .. }
        | DataplaneError::Object(_) => Exit::Kernel,
        _ => Exit::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_lacks_something_has_its_exit_code_and_says_what_helps() {
        let old = DataplaneError::KernelTooOld { found: "5.10.0".into(), oldest: "6.1".into() };
        for (error, words) in [
            (old, ["5.10.0", "6.1", "boot a newer kernel"]),
            (DataplaneError::MarksNeedTcx, ["tcx", "Linux 6.6", "tag by dscp alone"]),
        ] {
            let message = error.to_string();
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
            // docs/operators.md
            assert_eq!(dataplane_exit(&error) as u8, 9);
            assert_eq!(RunError::from(error).exit() as u8, 9);
        }
    }
}
