//! Numbers and times as `SQLite` holds them.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;
use tollfree_core::counter::Usage;

use super::error::LedgerError;

/// A number as `SQLite`'s signed 64 bits; `what` names it in the error if it is too large.
pub(super) fn signed(what: &'static str, value: u64) -> Result<i64, LedgerError> {
    i64::try_from(value).map_err(|_| LedgerError::TooLarge { what, value: value.into() })
}

/// A sum as `SQLite`'s signed 64 bits, likewise.
pub(super) fn signed_sum(what: &'static str, value: u128) -> Result<i64, LedgerError> {
    i64::try_from(value).map_err(|_| LedgerError::TooLarge { what, value })
}

/// The four counters, in the order of the tables' columns.
pub(super) fn signed_usage(usage: &Usage) -> Result<[i64; 4], LedgerError> {
    Ok([
        signed("a count of uplink packets", usage.uplink_packets)?,
        signed("a count of uplink octets", usage.uplink_octets)?,
        signed("a count of downlink packets", usage.downlink_packets)?,
        signed("a count of downlink octets", usage.downlink_octets)?,
    ])
}

/// The sum of two usages that the ledger can hold, if it can hold that too.
pub(super) fn plus(a: Usage, b: Usage) -> Result<Usage, LedgerError> {
    signed_usage(&a)?;
    signed_usage(&b)?;
    // Twice 2^63 - 1 fits.
    let sum = a + b;
    signed_usage(&sum)?;
    Ok(sum)
}

/// A number that was not negative when it was stored.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// Four counters from `column` on.
pub(super) fn usage(row: &Row<'_>, column: usize) -> rusqlite::Result<Usage> {
    Ok(Usage {
        uplink_packets: unsigned(row, column)?,
        uplink_octets: unsigned(row, column + 1)?,
        downlink_packets: unsigned(row, column + 2)?,
        downlink_octets: unsigned(row, column + 3)?,
    })
}

/// Text that was written by the type's `Display`.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    parse(column, row.get_ref(column)?.as_str()?)
}

/// Like [`parsed`]; `None` for NULL.
pub(super) fn parsed_option<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?.as_str_or_null()?.map(|text| parse(column, text)).transpose()
}

fn parse<T>(column: usize, text: &str) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
