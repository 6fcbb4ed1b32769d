//! Records as they are read back for export.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Row, params};
use tollfree_core::address::SubscriberId;
use tollfree_core::counter::Usage;

use super::change::Change;
use super::interval::{Interval, SubscriberIdentity};
use super::key::{bucket_name, reason_name, subscriber_name};
use super::stored::{parsed, signed, unsigned, usage};
use super::{Ledger, LedgerError};

/// The change of one account's balance during one interval: of one subscriber in one bucket for one reason, under one
/// rule and one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Number within the gateway, from 1 on, gapless.
    pub record: u64,
    /// Address or prefix with its length; empty for what is nobody's.
    pub subscriber: String,
    /// Who had the address when it was counted.
    pub identity: SubscriberIdentity,
    /// The epoch under which it was decided.
    pub epoch: u32,
    /// The digest of the policy of that epoch.
    pub policy_digest: String,
    /// The bucket's word.
    pub bucket: String,
    /// The reason's word.
    pub reason: String,
    /// The rule's permanent number; `None` where no rule is concerned.
    pub rule: Option<u32>,
    /// The rule's policy.
    pub policy: Option<String>,
    /// The rule's id in its policy.
    pub rule_id: Option<String>,
    /// The rule's rating group, if it has one.
    pub rating_group: Option<u32>,
    /// The balance after this record.
    pub cumulative: Usage,
    /// The balance before it.
    pub previous: Usage,
    /// `cumulative` less `previous`: the usage of this interval. Negative where a pending account's usage was
    /// transferred.
    pub delta: Change,
}

impl Ledger {
    /// Every closed interval that has records and is not marked as published, in order.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn unpublished_intervals(&self) -> Result<Vec<Interval>, LedgerError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT interval, gateway, boot_id, instance, started_at, closed_at, records
             FROM intervals WHERE published = 0 AND records > 0 ORDER BY interval",
        )?;
        let rows = statement.query_map([], interval)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Hands each record of an interval to `take`, by number; stops at its first error.
    ///
    /// # Errors
    ///
    /// A fault of the file, or what `take` returned.
    pub fn each_record<E: From<LedgerError>>(
        &self,
        interval: u64,
        mut take: impl FnMut(&Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let number = signed("an interval number", interval)?;
        let mut statement = self.connection.prepare_cached(RECORDS).map_err(LedgerError::from)?;
        let rows = statement.query_map([number], record).map_err(LedgerError::from)?;
        for row in rows {
            take(&row.map_err(LedgerError::from)?)?;
        }
        Ok(())
    }

    /// Marks an interval as published: its file is durable.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn mark_interval_published(&mut self, interval: u64) -> Result<(), LedgerError> {
        let number = signed("an interval number", interval)?;
        self.connection.execute("UPDATE intervals SET published = 1 WHERE interval = ?", params![number])?;
        Ok(())
    }

    /// When the last interval was closed, which is when the next began; `None` before the first.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn last_closed_at(&self) -> Result<Option<Timestamp>, LedgerError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT closed_at FROM intervals ORDER BY interval DESC LIMIT 1")?;
        let mut rows = statement.query_map([], |row| parsed(row, 0))?;
        Ok(rows.next().transpose()?)
    }

    /// All usage ever recorded, by the bucket's word.
    ///
    /// # Errors
    ///
    /// A fault of the file; also if a sum is past 2^63 - 1.
    pub fn sum_by_bucket(&self) -> Result<BTreeMap<String, Usage>, LedgerError> {
        let mut statement = self.connection.prepare(
            "SELECT bucket, sum(uplink_packets - uplink_packets_previous),
                    sum(uplink_octets - uplink_octets_previous),
                    sum(downlink_packets - downlink_packets_previous),
                    sum(downlink_octets - downlink_octets_previous)
             FROM records GROUP BY bucket",
        )?;
        let rows =
            statement.query_map([], |row| Ok((bucket_name(row.get(0)?).into_owned(), usage(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

const RECORDS: &str = "
    SELECT record, subscriber, epoch, policy_digest, bucket, reason, records.rule, rules.policy, rules.rule,
           rating_group, uplink_packets_previous, uplink_octets_previous, downlink_packets_previous,
           downlink_octets_previous, uplink_packets, uplink_octets, downlink_packets, downlink_octets, msisdn, imsi
    FROM records JOIN epochs USING (epoch) JOIN identities USING (identity)
         LEFT JOIN rules ON rules.number = records.rule
    WHERE interval = ? ORDER BY record";

fn interval(row: &Row<'_>) -> rusqlite::Result<Interval> {
    let instance: i64 = row.get(3)?;
    Ok(Interval {
        interval: unsigned(row, 0)?,
        gateway: row.get(1)?,
        boot_id: row.get(2)?,
        instance: instance.cast_unsigned(),
        started_at: parsed(row, 4)?,
        closed_at: parsed(row, 5)?,
        records: unsigned(row, 6)?,
    })
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let previous = usage(row, 10)?;
    let cumulative = usage(row, 14)?;
    let subscriber = SubscriberId::from_octets(row.get(1)?);
    Ok(Record {
        record: unsigned(row, 0)?,
        subscriber: subscriber_name(subscriber),
        identity: SubscriberIdentity { msisdn: row.get(18)?, imsi: row.get(19)? },
        epoch: row.get(2)?,
        policy_digest: row.get(3)?,
        bucket: bucket_name(row.get(4)?).into_owned(),
        reason: reason_name(row.get(5)?).into_owned(),
        rule: row.get(6)?,
        policy: row.get(7)?,
        rule_id: row.get(8)?,
        rating_group: row.get(9)?,
        cumulative,
        previous,
        delta: Change::between(&previous, &cumulative),
    })
}
