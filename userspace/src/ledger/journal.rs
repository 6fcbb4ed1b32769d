//! Calls that are in the air, so that a controller that is killed loses none.
//!
//! A file of its own, beside the ledger: a call's state is written while the ledger closes an interval. What is written is
//! there after a kill; a power cut, which ends the kernel's counters too, may cost the last seconds.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{BUSY_TIMEOUT, LedgerError};
use crate::state_file;

/// The layout of the file, as `user_version` says it.
const VERSION: u32 = 1;

const SCHEMA: &str = "
    CREATE TABLE calls (
        uid TEXT PRIMARY KEY,
        instance TEXT NOT NULL, -- the making of the kernel's maps that has its grants
        going TEXT, -- its state, as JSON, while it goes on
        ended TEXT, -- its record, as JSON, until the ledger has it
        CHECK ((going IS NULL) <> (ended IS NULL))
    ) STRICT, WITHOUT ROWID;
";

/// What is kept of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Names the call among the gateway's.
    pub uid: String,
    /// The making of the kernel's maps that has its grants.
    pub instance: u64,
    /// JSON; what is in it is the writer's affair.
    pub state: String,
    /// Whether it ended, and the ledger is not known to have its record.
    pub is_ended: bool,
}

/// An open journal of calls.
#[derive(Debug)]
pub struct CallJournal {
    connection: Connection,
}

impl CallJournal {
    /// Opens the journal at `path`, or makes a new one there; its directory must exist.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Open`], which names the file and the cause.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_checked(path)
            .map_err(|source| LedgerError::Open { path: path.to_owned(), source: Box::new(source) })
    }

    fn open_checked(path: &Path) -> Result<Self, LedgerError> {
        let connection = state_file::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Without a sync at each commit: what a process wrote is there when it is killed.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {
                connection
                    .execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT"))?;
            }
            VERSION => {}
            found => return Err(LedgerError::Newer { found, known: VERSION }),
        }
        Ok(Self { connection })
    }

    /// Keeps calls as they are now, in place of what was kept of them; all or none.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn keep(&mut self, calls: &[Kept]) -> Result<(), LedgerError> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO calls (uid, instance, going, ended) VALUES (?, ?, ?, ?)",
            )?;
            for Kept { uid, instance, state, is_ended } in calls {
                let (going, ended) = if *is_ended { (None, Some(state)) } else { (Some(state), None) };
                insert.execute(params![uid, format!("{instance:016x}"), going, ended])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Forgets calls whose records the ledger has.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn forget(&mut self, uids: &[String]) -> Result<(), LedgerError> {
        let transaction = self.connection.transaction()?;
        {
            let mut delete = transaction.prepare_cached("DELETE FROM calls WHERE uid = ?")?;
            for uid in uids {
                delete.execute([uid])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// All calls that are kept, by uid.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn kept(&self) -> Result<Vec<Kept>, LedgerError> {
        let mut statement = self.connection.prepare(
            "SELECT uid, instance, coalesce(going, ended), ended IS NOT NULL FROM calls ORDER BY uid",
        )?;
        let rows = statement.query_map([], |row| {
            let instance: String = row.get(1)?;
            // An instance that cannot be read is none that the kernel has.
            let instance = u64::from_str_radix(&instance, 16).unwrap_or_default();
            Ok(Kept { uid: row.get(0)?, instance, state: row.get(2)?, is_ended: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(uid: &str, state: &str, is_ended: bool) -> Kept {
        Kept { uid: uid.into(), instance: u64::MAX, state: state.into(), is_ended }
    }

    #[test]
    fn what_is_kept_is_there_until_it_is_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("calls.sqlite");
        let mut journal = CallJournal::open(&path).expect("a journal");
        journal.keep(&[kept("a", "1", false), kept("b", "2", false)]).expect("room");
        journal.keep(&[kept("a", "3", true)]).expect("room");
        // Not closed: as after a kill.
        let mut after = CallJournal::open(&path).expect("the same journal");
        assert_eq!(after.kept().expect("calls"), [kept("a", "3", true), kept("b", "2", false)]);
        after.forget(&["a".into(), "x".into()]).expect("room");
        assert_eq!(journal.kept().expect("calls"), [kept("b", "2", false)]);
    }

    #[test]
    fn a_later_versions_journal_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("calls.sqlite");
        drop(CallJournal::open(&path).expect("a journal"));
        let connection = Connection::open(&path).expect("the file");
        connection.pragma_update(None, "user_version", VERSION + 1).expect("a version");
        assert!(matches!(CallJournal::open(&path), Err(LedgerError::Open { .. })));
    }
}
