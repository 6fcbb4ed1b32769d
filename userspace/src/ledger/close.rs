//! Closing an interval: what a cut changes is written, in one transaction.

use std::collections::BTreeSet;

use rusqlite::{Transaction, params_from_iter};
use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};

use super::books::{Books, Part, settled_account};
use super::identities::{Identities, UNKNOWN};
use super::interval::{ClosedInterval, InterfaceCut, InterfaceDifference, IntervalClose};
use super::new_row::{ACCOUNT, NewRow, USAGE, insert_into, replace_into};
use super::posting::{Entry, Poster, Posting};
use super::standing::Standing;
use super::stored::{signed, signed_sum};
use super::{Ledger, LedgerError};

impl Ledger {
    /// Closes an interval: each account whose balance differs from its last becomes one record (one for each identity
    /// that its subscriber had), flows that have their verdict are transferred, and the cut is kept for the next. If
    /// this fails, nothing is written, and the next close that succeeds records the growth of both.
    ///
    /// # Errors
    ///
    /// [`LedgerError::WentBack`], [`LedgerError::UnknownEpoch`], [`LedgerError::UnknownRule`] and
    /// [`LedgerError::TooLarge`] if the counters cannot be right, [`LedgerError::Unbalanced`] if the file cannot be;
    /// else a fault of the file.
    pub fn close_interval(&mut self, close: &IntervalClose<'_>) -> Result<ClosedInterval, LedgerError> {
        // Put back only after a commit: whatever fails, the next close reads what the file holds.
        let books = self.books.take().filter(|books| books.instance == close.instance);
        let mut identities = std::mem::take(&mut self.identities);
        let transaction = self.begin()?;
        let mut books = match books {
            Some(books) => books,
            None => Books::load(&transaction, close.instance)?,
        };
        let posting = post(&transaction, &books, close, &mut identities)?;
        let closed = write(&transaction, &books, close, &posting, &mut identities)?;
        transaction.commit()?;
        let settled = posting.settled.clone();
        books.apply(posting);
        let closed = ClosedInterval { settled, unsettled: books.unsettled(), ..closed };
        (self.books, self.identities) = (Some(books), identities);
        Ok(closed)
    }
}

fn post(
    transaction: &Transaction<'_>,
    books: &Books,
    close: &IntervalClose<'_>,
    identities: &mut Identities,
) -> Result<Posting, LedgerError> {
    // Accounts come in the order of subscribers, so the last answer often is the next.
    let mut last = (SubscriberId::NONE, UNKNOWN);
    let who = |subscriber| {
        if subscriber != last.0 {
            last = (subscriber, identities.number(transaction, (close.identities)(subscriber))?);
        }
        Ok(last.1)
    };
    Poster::new(books, close, who).post()
}

fn write(
    transaction: &Transaction<'_>,
    books: &Books,
    close: &IntervalClose<'_>,
    posting: &Posting,
    identities: &mut Identities,
) -> Result<ClosedInterval, LedgerError> {
    check_references(transaction, close, posting)?;
    let closed = insert_interval(transaction, close, posting)?;
    insert_records(transaction, close, &closed, &posting.entries)?;
    insert_transfers(transaction, closed.interval, posting)?;
    insert_sent_again(transaction, closed.interval, books, posting)?;
    insert_ceilings(transaction, closed.interval, close, identities)?;
    save_counted(transaction, close.instance, posting)?;
    save_received(transaction, close.instance, posting)?;
    save_pending(transaction, close.instance, posting)?;
    drop_rows(transaction, close.instance, posting)?;
    let interfaces = insert_interfaces(transaction, closed.interval, close.interfaces)?;
    Ok(ClosedInterval { interfaces, ..closed })
}

/// Finds the epoch or rule that the ledger does not know, so that the error can name it; the foreign keys
/// would not.
fn check_references(
    transaction: &Transaction<'_>,
    close: &IntervalClose<'_>,
    posting: &Posting,
) -> Result<(), LedgerError> {
    let mut find_epoch = transaction.prepare_cached("SELECT 1 FROM epochs WHERE epoch = ?")?;
    let mut epochs: BTreeSet<u32> = posting.entries.iter().map(|entry| entry.key.epoch).collect();
    epochs.extend(posting.pending.iter().map(|(key, _)| key.epoch));
    epochs.insert(close.epoch);
    for epoch in epochs {
        if !find_epoch.exists([epoch])? {
            return Err(LedgerError::UnknownEpoch { epoch });
        }
    }
    let mut find_rule = transaction.prepare_cached("SELECT 1 FROM rules WHERE number = ?")?;
    let mut rules: BTreeSet<u32> = posting.entries.iter().map(|entry| entry.key.rule).collect();
    rules.extend(posting.pending.iter().map(|(key, _)| key.rule));
    rules.extend(posting.transfers.iter().flat_map(|transfer| [transfer.key.rule, transfer.verdict.rule]));
    rules.remove(&0);
    // Without a rule there is none of these.
    rules.extend(posting.sent_again.keys());
    rules.extend(close.ceilings.iter().map(|ceiling| ceiling.rule));
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
    posting: &Posting,
) -> Result<ClosedInterval, LedgerError> {
    let before: i64 = transaction.query_row(
        "SELECT coalesce(max(last_record), 0) FROM intervals WHERE gateway = ?",
        [close.gateway],
        |row| row.get(0),
    )?;
    let records = posting.entries.len() as u64;
    let last_record = before.unsigned_abs() + records;
    let recorded = signed_sum("the count of all recorded packets", posting.packets)?;
    let counted = signed_sum("the count of all packets", posting.packets + posting.left_packets)?;
    let arrived = signed("the count of all interfaces' packets", close.arrived_packets)?;
    let mut statement = transaction.prepare(&insert_into(
        "intervals",
        "gateway, boot_id, instance, epoch, started_at, closed_at, reason, records, last_record, recorded_packets,
         counted_packets, interface_packets",
    ))?;
    NewRow::of(&mut statement)
        .value(close.gateway)?
        .value(close.boot_id)?
        // A name, not a quantity: all 64 bits are kept.
        .value(close.instance.cast_signed())?
        .value(close.epoch)?
        .value(close.started_at.to_string())?
        .value(close.closed_at.to_string())?
        .value(close.reason.name())?
        .value(signed("a count of records", records)?)?
        .value(signed("a record number", last_record)?)?
        .value(recorded)?
        .value(counted)?
        .value(arrived)?
        .write()?;
    Ok(ClosedInterval {
        interval: transaction.last_insert_rowid().unsigned_abs(),
        records,
        last_record,
        difference_packets: counted - arrived,
        interfaces: Vec::new(),
        settled: Vec::new(),
        unsettled: Vec::new(),
        is_complete: close.only.is_none(),
    })
}

fn insert_records(
    transaction: &Transaction<'_>,
    close: &IntervalClose<'_>,
    closed: &ClosedInterval,
    entries: &[Entry],
) -> Result<(), LedgerError> {
    let mut statement = transaction.prepare_cached(&insert_into(
        "records",
        &format!(
            "interval, record, subscriber, identity, epoch, bucket, reason, rule, rating_group,
             uplink_packets_previous, uplink_octets_previous, downlink_packets_previous,
             downlink_octets_previous, {USAGE}"
        ),
    ))?;
    let interval = signed("an interval number", closed.interval)?;
    let first = closed.last_record - closed.records + 1;
    for (record, Entry { key, identity, previous, balance }) in (first..).zip(entries) {
        NewRow::of(&mut statement)
            .value(interval)?
            .value(signed("a record number", record)?)?
            .value(key.subscriber.octets())?
            .value(identity)?
            .value(key.epoch)?
            .value(key.bucket)?
            .value(key.reason)?
            .rule(key.rule)?
            .value(close.rating_groups.get(&key.rule))?
            .usage(previous)?
            .usage(balance)?
            .write()?;
    }
    Ok(())
}

fn insert_transfers(
    transaction: &Transaction<'_>,
    interval: u64,
    posting: &Posting,
) -> Result<(), LedgerError> {
    let mut statement = transaction.prepare_cached(&insert_into(
        "transfers",
        &format!(
            "interval, transfer, flow, subscriber, identity, epoch, rule, rule_to, bucket, reason, {USAGE}"
        ),
    ))?;
    let interval = signed("an interval number", interval)?;
    for (number, transfer) in (1_i64..).zip(&posting.transfers) {
        let PendingKey { flow, subscriber, epoch, rule } = transfer.key;
        let to = settled_account(&transfer.key, transfer.verdict);
        NewRow::of(&mut statement)
            .value(interval)?
            .value(number)?
            .value(flow.cast_signed())?
            .value(subscriber.octets())?
            .value(transfer.identity)?
            .value(epoch)?
            .rule(rule)?
            .rule(to.rule)?
            .value(to.bucket)?
            .value(to.reason)?
            .usage(&transfer.usage)?
            .write()?;
    }
    Ok(())
}

fn insert_sent_again(
    transaction: &Transaction<'_>,
    interval: u64,
    books: &Books,
    posting: &Posting,
) -> Result<(), LedgerError> {
    let mut statement = transaction.prepare_cached(&insert_into(
        "sent_again",
        "interval, rule, uplink_segments_previous, uplink_octets_previous, downlink_segments_previous,
         downlink_octets_previous, uplink_segments, uplink_octets, downlink_segments, downlink_octets",
    ))?;
    let interval = signed("an interval number", interval)?;
    for (rule, read) in &posting.sent_again {
        let previous = books.sent_again.get(rule).copied().unwrap_or_default();
        NewRow::of(&mut statement).value(interval)?.value(rule)?.usage(&previous)?.usage(read)?.write()?;
    }
    Ok(())
}

fn insert_ceilings(
    transaction: &Transaction<'_>,
    interval: u64,
    close: &IntervalClose<'_>,
    identities: &mut Identities,
) -> Result<(), LedgerError> {
    let columns = "interval, subscriber, identity, rule, day, used_octets";
    let mut statement = transaction.prepare_cached(&replace_into("ceilings", columns))?;
    let interval = signed("an interval number", interval)?;
    for ceiling in close.ceilings {
        NewRow::of(&mut statement)
            .value(interval)?
            .value(ceiling.subscriber.octets())?
            .value(identities.number(transaction, (close.identities)(ceiling.subscriber))?)?
            .value(ceiling.rule)?
            .value(ceiling.day.to_string())?
            .value(signed("a ceiling's octets", ceiling.used_octets)?)?
            .write()?;
    }
    Ok(())
}

/// Where an account lies in the tables that are sorted by account: going through them in this order touches each page
/// once.
fn place(key: &CounterKey) -> ([u8; 8], u32, u32, u16, u16) {
    (key.subscriber.octets(), key.epoch, key.rule, key.bucket, key.reason)
}

fn save_counted(transaction: &Transaction<'_>, instance: u64, posting: &Posting) -> Result<(), LedgerError> {
    let accounts = posting.counted.iter().map(|(key, usage)| (key, usage)).collect();
    save_accounts(transaction, "cumulatives", instance, accounts)
}

fn save_received(transaction: &Transaction<'_>, instance: u64, posting: &Posting) -> Result<(), LedgerError> {
    save_accounts(transaction, "received", instance, posting.received.iter().collect())
}

fn save_accounts(
    transaction: &Transaction<'_>,
    table: &str,
    instance: u64,
    mut accounts: Vec<(&CounterKey, &Usage)>,
) -> Result<(), LedgerError> {
    let insert = insert_into(table, &format!("instance, {ACCOUNT}, {USAGE}"));
    let mut statement = transaction.prepare_cached(&format!(
        "{insert}
         ON CONFLICT DO UPDATE SET uplink_packets = excluded.uplink_packets, uplink_octets = excluded.uplink_octets,
                                   downlink_packets = excluded.downlink_packets,
                                   downlink_octets = excluded.downlink_octets"
    ))?;
    accounts.sort_unstable_by_key(|(key, _)| place(key));
    for (key, usage) in accounts {
        NewRow::of(&mut statement).value(instance.cast_signed())?.account(key)?.usage(usage)?.write()?;
    }
    Ok(())
}

fn save_pending(transaction: &Transaction<'_>, instance: u64, posting: &Posting) -> Result<(), LedgerError> {
    let columns = format!(
        "instance, flow, subscriber, epoch, rule, identity, {USAGE}, uplink_packets_held, uplink_octets_held,
         downlink_packets_held, downlink_octets_held"
    );
    let mut statement = transaction.prepare_cached(&replace_into("pending", &columns))?;
    let parts = posting.pending.iter().flat_map(|(key, parts)| parts.iter().map(move |part| (key, part)));
    for (key, Part { identity, counted, held }) in parts {
        flow(NewRow::of(&mut statement), instance, key)?
            .value(identity)?
            .usage(counted)?
            .usage(held)?
            .write()?;
    }
    Ok(())
}

/// The columns that name a pending flow.
fn flow<'s, 'c>(row: NewRow<'s, 'c>, instance: u64, key: &PendingKey) -> Result<NewRow<'s, 'c>, LedgerError> {
    row.value(instance.cast_signed())?
        .value(key.flow.cast_signed())?
        .value(key.subscriber.octets())?
        .value(key.epoch)?
        .value(key.rule)
}

/// Drops what can change no more; what it holds goes into the instance's total.
fn drop_rows(transaction: &Transaction<'_>, instance: u64, posting: &Posting) -> Result<(), LedgerError> {
    let mut drop_flow = transaction.prepare_cached(
        "DELETE FROM pending WHERE instance = ? AND flow = ? AND subscriber = ? AND epoch = ? AND rule = ?",
    )?;
    for key in &posting.forgotten {
        flow(NewRow::of(&mut drop_flow), instance, key)?.write()?;
    }
    let drop_from = |table| format!("DELETE FROM {table} WHERE (instance, {ACCOUNT}) = (?, ?, ?, ?, ?, ?)");
    let mut drop_counted = transaction.prepare_cached(&drop_from("cumulatives"))?;
    let mut drop_received = transaction.prepare_cached(&drop_from("received"))?;
    let mut closed: Vec<&CounterKey> = posting.closed.iter().collect();
    closed.sort_unstable_by_key(|key| place(key));
    for key in closed {
        for statement in [&mut drop_counted, &mut drop_received] {
            NewRow::of(statement).value(instance.cast_signed())?.account(key)?.write()?;
        }
    }
    save_retired(transaction, instance, &posting.retired)
}

fn save_retired(transaction: &Transaction<'_>, instance: u64, retired: &Standing) -> Result<(), LedgerError> {
    let columns = format!("instance, subscriber, rule, bucket, reason, {USAGE}");
    let mut statement = transaction.prepare_cached(&replace_into("retired", &columns))?;
    let mut places: Vec<_> = retired.iter().collect();
    places.sort_unstable_by_key(|((subscriber, bucket, reason, rule), _)| {
        (subscriber.octets(), *rule, *bucket, *reason)
    });
    for ((subscriber, bucket, reason, rule), usage) in places {
        NewRow::of(&mut statement)
            .value(instance.cast_signed())?
            .value(subscriber.octets())?
            .value(rule)?
            .value(bucket)?
            .value(reason)?
            .usage(usage)?
            .write()?;
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
