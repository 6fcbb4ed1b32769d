//! Closing an interval: counters become records.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Transaction, params, params_from_iter};
use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{CounterKey, Usage};

use super::interval::{ClosedInterval, InterfaceCut, InterfaceDifference, IntervalClose};
use super::key::key_name;
use super::stored::{signed, signed_usage, usage};
use super::{Ledger, LedgerError};

/// A counter that grew since its last cut.
struct Growth {
    key: CounterKey,
    previous: Usage,
    cumulative: Usage,
}

impl Ledger {
    /// Closes an interval: each counter that differs from its last cut becomes one record, and the cut is
    /// kept for the next. If this fails, nothing is written, and the next close that succeeds records the
    /// growth of both.
    ///
    /// # Errors
    ///
    /// [`LedgerError::WentBack`], [`LedgerError::UnknownEpoch`], [`LedgerError::UnknownRule`] and
    /// [`LedgerError::TooLarge`] if the counters cannot be right; else a fault of the file.
    pub fn close_interval(&mut self, close: &IntervalClose<'_>) -> Result<ClosedInterval, LedgerError> {
        let transaction = self.begin()?;
        let mut last = last_cut(&transaction, close.instance)?;
        let grown = growth(&last, close.cumulative)?;
        check_references(&transaction, close.epoch, &grown)?;
        last.extend(grown.iter().map(|growth| (growth.key, growth.cumulative)));
        let closed = insert_interval(&transaction, close, &last, grown.len())?;
        insert_records(&transaction, close, &closed, &grown)?;
        save_cut(&transaction, close.instance, &grown)?;
        let interfaces = insert_interfaces(&transaction, closed.interval, close.interfaces)?;
        transaction.commit()?;
        Ok(ClosedInterval { interfaces, ..closed })
    }
}

fn last_cut(
    transaction: &Transaction<'_>,
    instance: u64,
) -> Result<BTreeMap<CounterKey, Usage>, LedgerError> {
    let mut statement = transaction.prepare_cached(
        "SELECT subscriber, epoch, rule, bucket, reason, uplink_packets, uplink_octets, downlink_packets,
                downlink_octets
         FROM cumulatives WHERE instance = ?",
    )?;
    let rows = statement.query_map([instance.cast_signed()], |row| {
        let key = CounterKey {
            subscriber: SubscriberId::from_octets(row.get(0)?),
            epoch: row.get(1)?,
            rule: row.get(2)?,
            bucket: row.get(3)?,
            reason: row.get(4)?,
            reserved: 0,
        };
        Ok((key, usage(row, 5)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn growth(
    last: &BTreeMap<CounterKey, Usage>,
    cumulative: &BTreeMap<CounterKey, Usage>,
) -> Result<Vec<Growth>, LedgerError> {
    let mut grown = Vec::new();
    for (key, read) in cumulative {
        let previous = last.get(key).copied().unwrap_or_default();
        let Some(delta) = read.since(&previous) else {
            let (recorded, read) = (Box::new(previous), Box::new(*read));
            return Err(LedgerError::WentBack { key: key_name(key), recorded, read });
        };
        if delta != Usage::default() {
            // Checked here, so that the sums below cannot overflow.
            signed_usage(read)?;
            grown.push(Growth { key: *key, previous, cumulative: *read });
        }
    }
    Ok(grown)
}

/// Finds the epoch or rule that the ledger does not know, so that the error can name it; the foreign keys
/// would not.
fn check_references(transaction: &Transaction<'_>, epoch: u32, grown: &[Growth]) -> Result<(), LedgerError> {
    let mut find_epoch = transaction.prepare_cached("SELECT 1 FROM epochs WHERE epoch = ?")?;
    let mut epochs: BTreeSet<u32> = grown.iter().map(|growth| growth.key.epoch).collect();
    epochs.insert(epoch);
    for epoch in epochs {
        if !find_epoch.exists([epoch])? {
            return Err(LedgerError::UnknownEpoch { epoch });
        }
    }
    let mut find_rule = transaction.prepare_cached("SELECT 1 FROM rules WHERE number = ?")?;
    let mut rules: BTreeSet<u32> = grown.iter().map(|growth| growth.key.rule).collect();
    rules.remove(&0);
    for rule in rules {
        if !find_rule.exists([rule])? {
            return Err(LedgerError::UnknownRule { rule });
        }
    }
    Ok(())
}

fn insert_interval(
    transaction: &Transaction<'_>,
    close: &IntervalClose<'_>,
    cut: &BTreeMap<CounterKey, Usage>,
    records: usize,
) -> Result<ClosedInterval, LedgerError> {
    let before: i64 = transaction.query_row(
        "SELECT coalesce(max(last_record), 0) FROM intervals WHERE gateway = ?",
        [close.gateway],
        |row| row.get(0),
    )?;
    let records = records as u64;
    let last_record = before.unsigned_abs() + records;
    let counted = sum("the count of all packets", cut.values().map(Usage::packets))?;
    let arrived = signed("the count of all interfaces' packets", close.arrived_packets)?;
    transaction.execute(
        "INSERT INTO intervals (gateway, boot_id, instance, epoch, started_at, closed_at, reason, records,
                                last_record, counted_packets, interface_packets)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            close.gateway,
            close.boot_id,
            // A name, not a quantity: all 64 bits are kept.
            close.instance.cast_signed(),
            close.epoch,
            close.started_at.to_string(),
            close.closed_at.to_string(),
            close.reason.name(),
            signed("a count of records", records)?,
            signed("a record number", last_record)?,
            counted,
            arrived,
        ],
    )?;
    Ok(ClosedInterval {
        interval: transaction.last_insert_rowid().unsigned_abs(),
        records,
        last_record,
        difference_packets: counted - arrived,
        interfaces: Vec::new(),
    })
}

fn sum(what: &'static str, values: impl Iterator<Item = u64>) -> Result<i64, LedgerError> {
    let value: u128 = values.map(u128::from).sum();
    i64::try_from(value).map_err(|_| LedgerError::TooLarge { what, value })
}

fn insert_records(
    transaction: &Transaction<'_>,
    close: &IntervalClose<'_>,
    closed: &ClosedInterval,
    grown: &[Growth],
) -> Result<(), LedgerError> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO records (interval, record, subscriber, epoch, bucket, reason, rule, rating_group,
                              uplink_packets_previous, uplink_octets_previous, downlink_packets_previous,
                              downlink_octets_previous, uplink_packets, uplink_octets, downlink_packets,
                              downlink_octets)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let interval = signed("an interval number", closed.interval)?;
    let first = closed.last_record - closed.records + 1;
    for (record, Growth { key, previous, cumulative }) in (first..).zip(grown) {
        let [previous_up, previous_up_octets, previous_down, previous_down_octets] = signed_usage(previous)?;
        let [up, up_octets, down, down_octets] = signed_usage(cumulative)?;
        statement.execute(params![
            interval,
            signed("a record number", record)?,
            key.subscriber.octets(),
            key.epoch,
            key.bucket,
            key.reason,
            (key.rule != 0).then_some(key.rule),
            close.rating_groups.get(&key.rule),
            previous_up,
            previous_up_octets,
            previous_down,
            previous_down_octets,
            up,
            up_octets,
            down,
            down_octets,
        ])?;
    }
    Ok(())
}

fn save_cut(transaction: &Transaction<'_>, instance: u64, grown: &[Growth]) -> Result<(), LedgerError> {
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO cumulatives
             (instance, subscriber, epoch, rule, bucket, reason, uplink_packets, uplink_octets,
              downlink_packets, downlink_octets)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for Growth { key, cumulative, .. } in grown {
        let [up, up_octets, down, down_octets] = signed_usage(cumulative)?;
        statement.execute(params![
            instance.cast_signed(),
            key.subscriber.octets(),
            key.epoch,
            key.rule,
            key.bucket,
            key.reason,
            up,
            up_octets,
            down,
            down_octets,
        ])?;
    }
    Ok(())
}

/// Keeps the interfaces' counts; the differences come back as the table worked them out.
fn insert_interfaces(
    transaction: &Transaction<'_>,
    interval: u64,
    cuts: &[InterfaceCut],
) -> Result<Vec<InterfaceDifference>, LedgerError> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO interface_cuts (interval, packets, frame_octets, bucket_packets, bucket_frame_octets,
                                     nic_packets, nic_octets, name, role)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         RETURNING bucket_packets_difference, bucket_frame_octets_difference, nic_packets_difference,
                   nic_octets_difference",
    )?;
    let mut differences = Vec::with_capacity(cuts.len());
    for cut in cuts {
        let mut values: Vec<rusqlite::types::Value> = vec![signed("an interval number", interval)?.into()];
        for (what, count) in [
            ("an interface's packets", cut.packets),
            ("an interface's octets", cut.frame_octets),
            ("the packets in an interface's buckets", cut.bucket_packets),
            ("the octets in an interface's buckets", cut.bucket_frame_octets),
            ("a NIC's packets", cut.nic_packets),
            ("a NIC's octets", cut.nic_octets),
        ] {
            values.push(signed(what, count)?.into());
        }
        values.push(cut.name.clone().into());
        values.push(cut.role.name().to_owned().into());
        differences.push(statement.query_row(params_from_iter(values), |row| {
            Ok(InterfaceDifference {
                name: cut.name.clone(),
                bucket_packets: row.get(0)?,
                bucket_frame_octets: row.get(1)?,
                nic_packets: row.get(2)?,
                nic_octets: row.get(3)?,
            })
        })?);
    }
    Ok(differences)
}
