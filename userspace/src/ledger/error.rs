//! What can go wrong with the ledger.

use std::path::PathBuf;

use rusqlite::ErrorCode;
use tollfree_core::counter::Usage;

/// Why the ledger could not do what it was asked. Whatever the error, nothing was half-written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be opened as a ledger.
    #[error("cannot open the ledger {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<LedgerError>,
    },
    /// A later version wrote the file.
    #[error(
        "its schema is version {found}, this program knows versions up to {known}: run the program that \
         wrote it, or a later one"
    )]
    Newer {
        /// The file's schema version.
        found: u32,
        /// The latest version this program knows.
        known: u32,
    },
    /// No room on the disk.
    #[error("the disk is full: make room; the next close records what this one could not")]
    DiskFull,
    /// The file or its file system cannot be written.
    #[error("the ledger is read-only: check the file's owner and mode, its directory's, and the file system")]
    ReadOnly,
    /// The file is not there and cannot be made.
    #[error("{source}; its directory, gateway.state_dir, must exist and be writable")]
    NoFile {
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
    /// The file is damaged or no `SQLite` database.
    #[error("the file is damaged, or is not a ledger: move it away and restore a copy ({source})")]
    Corrupt {
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
    /// Any other fault of the database.
    #[error("database: {source}")]
    Database {
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
    /// A kernel counter is lower than it was at the last cut: the maps were replaced under the same instance
    /// number.
    #[error(
        "the counter of {key} went back, from {recorded:?} to {read:?}: the kernel's maps were replaced or \
         changed by someone else; make them anew, under a new instance number"
    )]
    WentBack {
        /// The counter's key, in words.
        key: String,
        /// What the last cut recorded.
        recorded: Box<Usage>,
        /// What this cut read.
        read: Box<Usage>,
    },
    /// An account holds less than its flows.
    #[error(
        "the account of {key} holds less than its flows do: the ledger was changed by something else; restore a copy"
    )]
    Unbalanced {
        /// The account, in words.
        key: String,
    },
    /// An earlier version wrote the file, and it was opened for reading only.
    #[error(
        "its schema is version {found}, this program reads version {known}: start the controller once, which \
         brings it up to date"
    )]
    Older {
        /// The file's schema version.
        found: u32,
        /// The version this program reads.
        known: u32,
    },
    /// Usage under an epoch that the ledger has never been told of.
    #[error("epoch {epoch} is not in the ledger: record each epoch before it is activated")]
    UnknownEpoch {
        /// The epoch.
        epoch: u32,
    },
    /// Usage under a rule number that the ledger never gave.
    #[error("rule number {rule} is not in the ledger: the kernel's maps belong to another ledger file")]
    UnknownRule {
        /// The permanent number.
        rule: u32,
    },
    /// An epoch is recorded a second time, otherwise than the first.
    #[error("epoch {epoch} is already recorded with another policy digest or log entry")]
    EpochConflict {
        /// The epoch.
        epoch: u32,
    },
    /// An epoch is lower than the last.
    #[error("epoch {epoch} comes before epoch {last}, the last in the ledger: epochs only grow")]
    EpochBehind {
        /// The epoch.
        epoch: u32,
        /// The last that was recorded.
        last: u32,
    },
    /// Rule numbers have run out.
    #[error("all 4294967295 rule numbers are used: start a new ledger")]
    RulesUsedUp,
    /// A number is greater than `SQLite`'s 2^63 - 1.
    #[error("{what} is {value}, more than a ledger holds (9223372036854775807)")]
    TooLarge {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: u128,
    },
}

/// Sorts out the faults that an operator can do something about.
impl From<rusqlite::Error> for LedgerError {
    fn from(source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::CannotOpen) => Self::NoFile { source },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt { source },
            _ => Self::Database { source },
        }
    }
}
