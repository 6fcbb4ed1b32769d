//! CSV files for billing (RFC 4180, lines end in a line feed).
//!
//! Each closed interval that has records becomes `GATEWAY-records-NNNNNNNNNN.csv`, numbered by interval; an
//! interval without records has no file. Calls become `GATEWAY-calls-NNNNNNNNNN.csv`. A file appears at once
//! and whole, and never changes. A consumer finds a lost file by a gap in the `record` or `call` numbers of a
//! gateway, and by a counter whose `_previous` is not the `_cumulative` it saw last. A file that appears
//! twice is the same to the last octet.

use std::io;
use std::path::{Path, PathBuf};

use tollfree_core::counter::Usage;

use super::new_file::NewFile;
use crate::ledger::{CallFile, Change, Interval, Ledger, LedgerError, Record, StoredCall};

/// Columns of a file of records. Empty `subscriber`: nobody's; empty `rule`, `policy`, `rule_id`,
/// `rating_group`: none; empty `msisdn`, `imsi`: not known. A delta of a pending account may be negative. Times are RFC 3339 in UTC; octets are inner IP length.
pub const RECORD_COLUMNS: [&str; 30] = [
    "interval",
    "record",
    "gateway",
    "boot_id",
    "instance",
    "started_at",
    "closed_at",
    "epoch",
    "policy_digest",
    "subscriber",
    "msisdn",
    "imsi",
    "bucket",
    "reason",
    "rule",
    "policy",
    "rule_id",
    "rating_group",
    "uplink_packets_delta",
    "uplink_octets_delta",
    "downlink_packets_delta",
    "downlink_octets_delta",
    "uplink_packets_cumulative",
    "uplink_octets_cumulative",
    "downlink_packets_cumulative",
    "downlink_octets_cumulative",
    "uplink_packets_previous",
    "uplink_octets_previous",
    "downlink_packets_previous",
    "downlink_octets_previous",
];

/// Columns of a file of calls. Empty `answered_at`: it was not answered; empty `proxy`: the API opened it; empty
/// `charging_id`: not known.
pub const CALL_COLUMNS: [&str; 25] = [
    "call",
    "gateway",
    "call_id",
    "rule",
    "policy",
    "rule_id",
    "number",
    "caller",
    "subscriber",
    "proxy",
    "invited_at",
    "answered_at",
    "ended_at",
    "cause",
    "epoch",
    "policy_digest",
    "uplink_packets",
    "uplink_octets",
    "downlink_packets",
    "downlink_octets",
    "uid",
    "caller_asserted",
    "charging_id",
    "uplink_packets_lost",
    "downlink_packets_lost",
];

/// Why files could not be published. What was published before stays so; the rest is tried again next time.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The ledger could not be read or marked.
    #[error("publishing: the ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// A file could not be written, renamed or synced.
    #[error(
        "publishing: cannot write {}: {source}; check that the directory exists, is writable and has room",
        path.display()
    )]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The gateway's id cannot be part of a file name.
    #[error(
        "publishing: the gateway id {gateway:?} is no file name: use letters, digits, `.`, `_` and `-` only"
    )]
    Gateway {
        /// The id.
        gateway: String,
    },
}

/// What was published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The new files, in order.
    pub files: Vec<PathBuf>,
    /// Records in them.
    pub records: u64,
    /// Calls in them.
    pub calls: u64,
}

/// Writes what the ledger has not marked as published into `directory`, and marks it.
///
/// Each file is written beside its place under a hidden name, synced, renamed, and the directory synced; only
/// then is it marked. After a crash in between it is written again, with the same octets.
///
/// # Errors
///
/// [`PublishError`]; files published before the error stay published.
pub fn publish(ledger: &mut Ledger, directory: &Path) -> Result<Published, PublishError> {
    let mut published = Published::default();
    for interval in ledger.unpublished_intervals()? {
        let file = records_file(ledger, directory, &interval)?;
        ledger.mark_interval_published(interval.interval)?;
        published.files.push(file);
        published.records += interval.records;
    }
    for calls in ledger.unpublished_call_files()? {
        let (file, count) = calls_file(ledger, directory, &calls)?;
        ledger.mark_calls_published(calls.file)?;
        published.files.push(file);
        published.calls += count;
    }
    Ok(published)
}

fn records_file(ledger: &Ledger, directory: &Path, interval: &Interval) -> Result<PathBuf, PublishError> {
    let name = file_name(&interval.gateway, "records", interval.interval)?;
    let mut file = NewFile::create(directory, name)?;
    file.row(RECORD_COLUMNS)?;
    ledger.each_record(interval.interval, |record| file.row(record_fields(interval, record)))?;
    file.publish()
}

fn calls_file(ledger: &Ledger, directory: &Path, calls: &CallFile) -> Result<(PathBuf, u64), PublishError> {
    let mut file = NewFile::create(directory, file_name(&calls.gateway, "calls", calls.file)?)?;
    file.row(CALL_COLUMNS)?;
    let mut count = 0;
    ledger.each_call(calls.file, |call| {
        count += 1;
        file.row(call_fields(call))
    })?;
    Ok((file.publish()?, count))
}

fn file_name(gateway: &str, kind: &str, number: u64) -> Result<String, PublishError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if gateway.is_empty() || gateway.starts_with('.') || !gateway.chars().all(fits) {
        return Err(PublishError::Gateway { gateway: gateway.to_owned() });
    }
    Ok(format!("{gateway}-{kind}-{number:010}.csv"))
}

fn record_fields(interval: &Interval, record: &Record) -> [String; RECORD_COLUMNS.len()] {
    let [delta_up, delta_up_octets, delta_down, delta_down_octets] = change_fields(&record.delta);
    let [up, up_octets, down, down_octets] = usage_fields(&record.cumulative);
    let [previous_up, previous_up_octets, previous_down, previous_down_octets] =
        usage_fields(&record.previous);
    [
        interval.interval.to_string(),
        record.record.to_string(),
        interval.gateway.clone(),
        interval.boot_id.clone(),
        interval.instance.to_string(),
        interval.started_at.to_string(),
        interval.closed_at.to_string(),
        record.epoch.to_string(),
        record.policy_digest.clone(),
        record.subscriber.clone(),
        record.identity.msisdn.clone().unwrap_or_default(),
        record.identity.imsi.clone().unwrap_or_default(),
        record.bucket.clone(),
        record.reason.clone(),
        optional(record.rule),
        record.policy.clone().unwrap_or_default(),
        record.rule_id.clone().unwrap_or_default(),
        optional(record.rating_group),
        delta_up,
        delta_up_octets,
        delta_down,
        delta_down_octets,
        up,
        up_octets,
        down,
        down_octets,
        previous_up,
        previous_up_octets,
        previous_down,
        previous_down_octets,
    ]
}

fn call_fields(call: &StoredCall) -> [String; CALL_COLUMNS.len()] {
    let row = &call.row;
    [
        call.call.to_string(),
        row.gateway.clone(),
        row.call_id.clone(),
        row.rule.to_string(),
        call.policy.clone(),
        call.rule_id.clone(),
        row.number.clone(),
        row.caller.clone(),
        row.subscriber.clone(),
        optional(row.proxy),
        row.invited_at.to_string(),
        optional(row.answered_at),
        row.ended_at.to_string(),
        row.cause.clone(),
        row.epoch.to_string(),
        call.policy_digest.clone(),
        row.media.uplink_packets.to_string(),
        row.media.uplink_octets.to_string(),
        row.media.downlink_packets.to_string(),
        row.media.downlink_octets.to_string(),
        optional(row.uid.as_ref()),
        u8::from(row.is_caller_asserted).to_string(),
        optional(row.charging_id.as_ref()),
        row.media.uplink_packets_lost.to_string(),
        row.media.downlink_packets_lost.to_string(),
    ]
}

fn usage_fields(usage: &Usage) -> [String; 4] {
    [usage.uplink_packets, usage.uplink_octets, usage.downlink_packets, usage.downlink_octets]
        .map(|count| count.to_string())
}

fn change_fields(change: &Change) -> [String; 4] {
    [change.uplink_packets, change.uplink_octets, change.downlink_packets, change.downlink_octets]
        .map(|count| count.to_string())
}

fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
