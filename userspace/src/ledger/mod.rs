//! The ledger: what was counted, in records that are written once and never changed.
//!
//! One `SQLite` file holds the permanent numbers of rules, the epochs, every closed accounting interval with
//! its records, transfers and interface totals, the free calls, and which rule had which address when. Every change is
//! one transaction: it is there completely or not at all, after a full disk or a crash as well. The API
//! blocks; the daemon calls it from a thread of its own.

mod answers;
mod books;
mod calls;
mod change;
mod close;
mod epochs;
mod error;
mod holdings;
mod identities;
mod interval;
mod journal;
mod key;
mod lost;
mod merge;
mod new_row;
mod past;
mod posting;
mod reconcile;
mod record;
mod rules;
mod schema;
mod standing;
mod stored;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::state_file;
use books::Books;
pub use calls::{CallFile, CallRow, StoredCall, past_calls};
pub use change::Change;
pub use error::LedgerError;
use identities::Identities;
pub use interval::{
    CeilingPassed, CloseReason, ClosedInterval, InterfaceCut, InterfaceDifference, Interval, IntervalClose,
    SubscriberIdentity,
};
pub use journal::{CallJournal, Kept};
pub use past::{About, Past, PastEpoch, PastHolding, PastSharing};
pub use reconcile::{
    DIFFERENCES_LISTED_MAX, Difference, InterfaceTotals, Note, Reconciliation, reconcile, render,
};
pub use record::Record;
pub use rules::NumberedRule;
pub use standing::{Place, Standing};

/// How long a statement waits for another process that holds the file. Reason: only short reads by the
/// command line compete with the daemon.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open ledger file.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    /// The instance's accounts as of the last close, once one succeeded.
    books: Option<Books>,
    identities: Identities,
}

impl Ledger {
    /// Opens the ledger at `path`, or makes a new one there; its directory must exist. An older schema is
    /// brought up to date.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Open`], which names the file and the cause: not writable, not a ledger, damaged, or
    /// written by a later version.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_checked(path)
            .map_err(|source| LedgerError::Open { path: path.to_owned(), source: Box::new(source) })
    }

    fn open_checked(path: &Path) -> Result<Self, LedgerError> {
        let mut connection = state_file::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // A record that was announced must survive a power cut: WAL with FULL syncs at every commit.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut connection)?;
        Ok(Self { connection, books: None, identities: Identities::default() })
    }

    /// Begins a change. The write lock is taken at once, so that what is read is what is changed.
    fn begin(&mut self) -> Result<Transaction<'_>, LedgerError> {
        Ok(self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }
}
