//! Permanent numbers of rules.

use rusqlite::{OptionalExtension, params};

use super::{Ledger, LedgerError};

/// A rule and the number it keeps for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedRule {
    /// From 1 on; never given to another rule.
    pub number: u32,
    /// The policy's id.
    pub policy: String,
    /// The rule's id in its policy.
    pub rule: String,
}

impl Ledger {
    /// The permanent number of `rule` in `policy`; a rule that has none gets the next.
    ///
    /// # Errors
    ///
    /// [`LedgerError::RulesUsedUp`] when no 32-bit number is left; else a fault of the file.
    pub fn rule_number(&mut self, policy: &str, rule: &str) -> Result<u32, LedgerError> {
        let transaction = self.begin()?;
        let known: Option<u32> = transaction
            .query_row("SELECT number FROM rules WHERE policy = ? AND rule = ?", [policy, rule], |row| {
                row.get(0)
            })
            .optional()?;
        if let Some(number) = known {
            return Ok(number);
        }
        transaction.execute("INSERT INTO rules (policy, rule) VALUES (?, ?)", params![policy, rule])?;
        let number = u32::try_from(transaction.last_insert_rowid()).map_err(|_| LedgerError::RulesUsedUp)?;
        transaction.commit()?;
        Ok(number)
    }

    /// All rules that ever had a number, by number.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn rules(&self) -> Result<Vec<NumberedRule>, LedgerError> {
        let mut statement =
            self.connection.prepare("SELECT number, policy, rule FROM rules ORDER BY number")?;
        let rows = statement.query_map([], |row| {
            Ok(NumberedRule { number: row.get(0)?, policy: row.get(1)?, rule: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
