//! Epochs: which policy was in force under which number.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::stored::signed;
use super::{Ledger, LedgerError};

impl Ledger {
    /// Records an activation: its `epoch`, the digest of the policy, when it takes effect, and its entry's
    /// place in the audit log. Doing so again with the same values changes nothing, so an activation that was
    /// cut short can be repeated; the first time is kept.
    ///
    /// # Errors
    ///
    /// [`LedgerError::EpochConflict`] if the epoch has another digest or log entry,
    /// [`LedgerError::EpochBehind`] if a later one is recorded; else a fault of the file.
    pub fn record_epoch(
        &mut self,
        epoch: u32,
        policy_digest: &str,
        activated_at: Timestamp,
        log_index: u64,
    ) -> Result<(), LedgerError> {
        let log_index = signed("an audit log index", log_index)?;
        let transaction = self.begin()?;
        let known: Option<(String, i64)> = transaction
            .query_row("SELECT policy_digest, log_index FROM epochs WHERE epoch = ?", [epoch], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        if let Some((digest, index)) = known {
            let same = digest == policy_digest && index == log_index;
            return if same { Ok(()) } else { Err(LedgerError::EpochConflict { epoch }) };
        }
        let last: Option<u32> =
            transaction.query_row("SELECT max(epoch) FROM epochs", [], |row| row.get(0))?;
        if let Some(last) = last.filter(|last| *last > epoch) {
            return Err(LedgerError::EpochBehind { epoch, last });
        }
        transaction.execute(
            "INSERT INTO epochs (epoch, policy_digest, activated_at, log_index) VALUES (?, ?, ?, ?)",
            params![epoch, policy_digest, activated_at.to_string(), log_index],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// The last epoch recorded; `None` before the first.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn last_epoch(&self) -> Result<Option<u32>, LedgerError> {
        Ok(self.connection.query_row("SELECT max(epoch) FROM epochs", [], |row| row.get(0))?)
    }

    /// The digest of the policy of `epoch`; `None` if the epoch is not recorded.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn policy_digest(&self, epoch: u32) -> Result<Option<String>, LedgerError> {
        let query = "SELECT policy_digest FROM epochs WHERE epoch = ?";
        Ok(self.connection.query_row(query, [epoch], |row| row.get(0)).optional()?)
    }
}
