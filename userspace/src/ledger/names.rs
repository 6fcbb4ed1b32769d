//! Last good addresses of names, so that a restart does not begin with none.

use std::time::Duration;

use rusqlite::params;

use super::stored::{parsed, signed, unsigned};
use super::{Ledger, LedgerError};
use crate::resolve::SavedAddress;

impl Ledger {
    /// Keeps these addresses in place of all that were kept before. A lifetime's fraction of a second is cut.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn save_names(&mut self, addresses: &[SavedAddress]) -> Result<(), LedgerError> {
        let transaction = self.begin()?;
        transaction.execute("DELETE FROM name_addresses", [])?;
        for saved in addresses {
            let ttl_seconds = signed("a lifetime in seconds", saved.ttl.as_secs())?;
            transaction.execute(
                "INSERT OR REPLACE INTO name_addresses (name, address, learned_at, ttl_seconds)
                 VALUES (?, ?, ?, ?)",
                params![saved.name, saved.address.to_string(), saved.learned_at.to_string(), ttl_seconds],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The addresses that were last kept, by name and address.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn saved_names(&self) -> Result<Vec<SavedAddress>, LedgerError> {
        let mut statement = self.connection.prepare(
            "SELECT name, address, learned_at, ttl_seconds FROM name_addresses ORDER BY name, address",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(SavedAddress {
                name: row.get(0)?,
                address: parsed(row, 1)?,
                learned_at: parsed(row, 2)?,
                ttl: Duration::from_secs(unsigned(row, 3)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
