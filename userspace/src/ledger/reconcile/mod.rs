//! Holding the ledger against itself and against the interfaces: every packet that arrived is in one account, and every
//! change of an account is one record.

mod accounts;
mod finding;
mod interfaces;
mod text;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

pub use finding::{Difference, Note};
pub use text::render;

use super::{BUSY_TIMEOUT, Change, LedgerError, schema};
use walk::Walk;

/// Differences that are listed. Reason: one fault repeats in every later interval; the first thousand tell where it
/// began.
pub const DIFFERENCES_LISTED_MAX: usize = 1000;

/// What one interface counted by its last cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InterfaceTotals {
    /// `access` or `core`.
    pub role: String,
    /// Intervals that have a cut of it.
    pub intervals: u64,
    /// Frames that arrived, since the maps were made.
    pub frames: u64,
    /// Frames in buckets less those.
    pub bucket_difference: i64,
    /// Frames by the NIC less those that arrived; it is read just after, so a few more are right.
    pub nic_difference: i64,
}

/// What was held against each other, and what does not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// The ledger's file.
    pub ledger: PathBuf,
    /// From when on; `None`: from the beginning.
    pub since: Option<Timestamp>,
    /// How many intervals.
    pub intervals: u64,
    /// The first and the last of them.
    pub range: Option<(u64, u64)>,
    /// When these two were closed.
    pub closed: Option<(Timestamp, Timestamp)>,
    /// How many records they have.
    pub records: u64,
    /// How many transfers.
    pub transfers: u64,
    /// The sum of their records' deltas, by the bucket's word.
    pub buckets: BTreeMap<String, Change>,
    /// Interfaces by name.
    pub interfaces: BTreeMap<String, InterfaceTotals>,
    /// What is worth knowing.
    pub notes: Vec<Note>,
    /// How many differences there are.
    pub differences_found: u64,
    /// The first [`DIFFERENCES_LISTED_MAX`] of them.
    pub differences: Vec<Difference>,
}

impl Reconciliation {
    fn new(ledger: &Path, since: Option<Timestamp>) -> Self {
        Self {
            ledger: ledger.to_owned(),
            since,
            intervals: 0,
            range: None,
            closed: None,
            records: 0,
            transfers: 0,
            buckets: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            notes: Vec::new(),
            differences_found: 0,
            differences: Vec::new(),
        }
    }

    fn differ(&mut self, difference: Difference) {
        self.differences_found += 1;
        if self.differences.len() < DIFFERENCES_LISTED_MAX {
            self.differences.push(difference);
        }
    }
}

/// Checks the intervals of the ledger at `path` that were closed at `since` or later; those before are taken to be
/// right. The file is read as of one instant and never written; a controller may go on closing intervals meanwhile.
///
/// # Errors
///
/// [`LedgerError::Open`] if the file cannot be opened as a ledger of this version; else a fault of the file.
pub fn reconcile(path: &Path, since: Option<Timestamp>) -> Result<Reconciliation, LedgerError> {
    let mut connection =
        open(path).map_err(|source| LedgerError::Open { path: path.to_owned(), source: Box::new(source) })?;
    // One transaction: everything is read from one state of the file.
    let transaction = connection.transaction()?;
    Walk::new(&transaction, Reconciliation::new(path, since)).run()
}

/// Opens a ledger of this version for reading.
pub(super) fn open(path: &Path) -> Result<Connection, LedgerError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    schema::check(&connection)?;
    Ok(connection)
}
