//! A row that is written.

use rusqlite::{Statement, ToSql};
use tollfree_core::counter::{CounterKey, Usage};

use super::LedgerError;
use super::stored::signed_usage;

/// Columns of [`NewRow::usage`].
pub(super) const USAGE: &str = "uplink_packets, uplink_octets, downlink_packets, downlink_octets";

/// Columns of [`NewRow::account`].
pub(super) const ACCOUNT: &str = "subscriber, epoch, rule, bucket, reason";

/// A statement that puts a row into `table`: a parameter for each of `columns`, which commas separate.
pub(super) fn insert_into(table: &str, columns: &str) -> String {
    let parameters = vec!["?"; columns.split(',').count()].join(", ");
    format!("INSERT INTO {table} ({columns}) VALUES ({parameters})")
}

/// The same, in the place of a row with the same key.
pub(super) fn replace_into(table: &str, columns: &str) -> String {
    insert_into(table, columns).replacen("INSERT", "REPLACE", 1)
}

/// Binds a statement's parameters, one value after the other. Nothing is allocated: a close writes a row for each account.
pub(super) struct NewRow<'s, 'c> {
    statement: &'s mut Statement<'c>,
    bound: usize,
}

impl<'s, 'c> NewRow<'s, 'c> {
    /// None is bound yet.
    pub(super) const fn of(statement: &'s mut Statement<'c>) -> Self {
        Self { statement, bound: 0 }
    }

    /// One value.
    pub(super) fn value(mut self, value: impl ToSql) -> Result<Self, LedgerError> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)?;
        Ok(self)
    }

    /// The columns [`ACCOUNT`].
    pub(super) fn account(self, key: &CounterKey) -> Result<Self, LedgerError> {
        self.value(key.subscriber.octets())?
            .value(key.epoch)?
            .value(key.rule)?
            .value(key.bucket)?
            .value(key.reason)
    }

    /// A rule that is in the table of rules; NULL for 0, which is none.
    pub(super) fn rule(self, number: u32) -> Result<Self, LedgerError> {
        self.value((number != 0).then_some(number))
    }

    /// The columns [`USAGE`], or others in this order.
    pub(super) fn usage(self, usage: &Usage) -> Result<Self, LedgerError> {
        signed_usage(usage)?.into_iter().try_fold(self, Self::value)
    }

    /// Carries the statement out.
    pub(super) fn write(self) -> Result<(), LedgerError> {
        let expected = self.statement.parameter_count();
        // What is not bound would be NULL, or what it was in the row before.
        if self.bound != expected {
            return Err(rusqlite::Error::InvalidParameterCount(self.bound, expected).into());
        }
        self.statement.raw_execute()?;
        Ok(())
    }
}
