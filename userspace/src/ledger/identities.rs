//! Numbers of subscribers' identities.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::LedgerError;
use super::interval::SubscriberIdentity;

/// The number of "not known".
pub(super) const UNKNOWN: i64 = 0;

/// Numbers that were looked up or given since the file was opened.
#[derive(Debug, Default)]
pub(super) struct Identities {
    numbers: HashMap<SubscriberIdentity, i64>,
}

impl Identities {
    /// The number of `identity`; one that has none gets the next. Whoever rolls the transaction back must forget
    /// what was given in it.
    pub(super) fn number(
        &mut self,
        transaction: &Connection,
        identity: Option<SubscriberIdentity>,
    ) -> Result<i64, LedgerError> {
        let Some(identity) = identity.filter(|identity| *identity != SubscriberIdentity::default()) else {
            return Ok(UNKNOWN);
        };
        if let Some(number) = self.numbers.get(&identity) {
            return Ok(*number);
        }
        let SubscriberIdentity { msisdn, imsi } = &identity;
        let mut find =
            transaction.prepare_cached("SELECT identity FROM identities WHERE msisdn IS ? AND imsi IS ?")?;
        let found = find.query_row((msisdn, imsi), |row| row.get(0)).optional()?;
        let number = match found {
            Some(number) => number,
            None => transaction
                .prepare_cached("INSERT INTO identities (msisdn, imsi) VALUES (?, ?)")?
                .insert((msisdn, imsi))?,
        };
        self.numbers.insert(identity, number);
        Ok(number)
    }
}
