//! What the ledger knows of one instance's accounts, in memory.
//!
//! An account is one [`CounterKey`]. Its balance is what the kernel counted for the key, and what was transferred into
//! it, and, of a pending account, what its flows hold: counted for them and not transferred out. What is kept in memory
//! is what the file says, read once; a close that fails throws it away, so that the file alone says what was committed.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};
use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::flow::{NO_RULE, Verdict};
use tollfree_core::reason::{Bucket, Reason};

use super::LedgerError;
use super::posting::Posting;
use super::standing::Standing;
use super::stored::{plus, usage};

/// What a flow carried while its address was one identity's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The identity's number.
    pub(super) identity: i64,
    /// What the kernel counted.
    pub(super) counted: Usage,
    /// What of it is not transferred.
    pub(super) held: Usage,
}

/// One instance's accounts as of the last close.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) instance: u64,
    /// Kernel counters.
    pub(super) counted: BTreeMap<CounterKey, Usage>,
    /// What was transferred into accounts.
    pub(super) received: BTreeMap<CounterKey, Usage>,
    /// Flows with pending traffic, by identity; never without a part.
    pub(super) pending: BTreeMap<PendingKey, Vec<Part>>,
    /// What pending accounts' flows hold.
    pub(super) held: BTreeMap<CounterKey, Usage>,
    /// The balances of accounts that were closed, over all epochs.
    pub(super) retired: Standing,
    /// Packets in all balances, closed accounts' too.
    pub(super) packets: u128,
    /// What was sent again, by rule.
    pub(super) sent_again: BTreeMap<u32, Usage>,
}

impl Books {
    /// Reads what the file holds of `instance`; nothing, if that is new.
    pub(super) fn load(connection: &Connection, instance: u64) -> Result<Self, LedgerError> {
        let number = instance.cast_signed();
        let mut books = Self {
            instance,
            counted: accounts(connection, COUNTED, number)?,
            received: accounts(connection, RECEIVED, number)?,
            pending: flows(connection, number)?,
            held: BTreeMap::new(),
            retired: retired(connection, number)?,
            packets: 0,
            sent_again: sent_again(connection, number)?,
        };
        for (key, parts) in &books.pending {
            let held = books.held.entry(pending_account(key)).or_default();
            for part in parts {
                *held = plus(*held, part.held)?;
            }
        }
        let balances = books.counted.values().chain(books.received.values()).chain(books.held.values());
        books.packets = balances.chain(books.retired.values()).map(|usage| u128::from(usage.packets())).sum();
        Ok(books)
    }

    /// The balance of an account.
    pub(super) fn balance(&self, key: &CounterKey) -> Result<Usage, LedgerError> {
        let of = |map: &BTreeMap<CounterKey, Usage>| map.get(key).copied().unwrap_or_default();
        plus(plus(of(&self.counted), of(&self.received))?, of(&self.held))
    }

    /// Takes in what was committed.
    pub(super) fn apply(&mut self, posting: Posting) {
        self.counted.extend(posting.counted);
        self.received.extend(posting.received);
        self.pending.extend(posting.pending);
        self.held.extend(posting.held);
        self.held.retain(|_, held| *held != Usage::default());
        for key in &posting.forgotten {
            self.pending.remove(key);
        }
        for key in &posting.closed {
            self.counted.remove(key);
            self.received.remove(key);
        }
        self.retired.extend(posting.retired);
        self.packets = posting.packets;
        self.sent_again.extend(posting.sent_again);
    }
}

/// The account that what a flow holds is in.
pub(super) fn pending_account(key: &PendingKey) -> CounterKey {
    settled_account(key, Verdict { rule: NO_RULE, reason: Reason::AwaitingEvidence })
}

/// The account that what a flow holds goes to once its evidence says `reason`.
pub(super) fn settled_account(key: &PendingKey, verdict: Verdict) -> CounterKey {
    let Verdict { rule, reason } = verdict;
    let bucket: Bucket = reason.bucket();
    let rule = if rule == NO_RULE { key.rule } else { rule };
    CounterKey::new(key.subscriber, key.epoch, rule, bucket, reason)
}

const COUNTED: &str = "
    SELECT subscriber, epoch, rule, bucket, reason, uplink_packets, uplink_octets, downlink_packets,
           downlink_octets
    FROM cumulatives WHERE instance = ?";
const RECEIVED: &str = "
    SELECT subscriber, epoch, rule, bucket, reason, uplink_packets, uplink_octets, downlink_packets,
           downlink_octets
    FROM received WHERE instance = ?";

fn accounts(
    connection: &Connection,
    query: &str,
    instance: i64,
) -> Result<BTreeMap<CounterKey, Usage>, LedgerError> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([instance], |row| Ok((account(row, 0)?, usage(row, 5)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// An account's subscriber, epoch, rule (NULL: none), bucket and reason, from `column` on.
pub(super) fn account(row: &Row<'_>, column: usize) -> rusqlite::Result<CounterKey> {
    Ok(CounterKey {
        subscriber: SubscriberId::from_octets(row.get(column)?),
        epoch: row.get(column + 1)?,
        rule: row.get::<_, Option<u32>>(column + 2)?.unwrap_or_default(),
        bucket: row.get(column + 3)?,
        reason: row.get(column + 4)?,
        reserved: 0,
    })
}

fn flows(connection: &Connection, instance: i64) -> Result<BTreeMap<PendingKey, Vec<Part>>, LedgerError> {
    let mut statement = connection.prepare(
        "SELECT flow, subscriber, epoch, rule, identity, uplink_packets, uplink_octets, downlink_packets,
                downlink_octets, uplink_packets_held, uplink_octets_held, downlink_packets_held,
                downlink_octets_held
         FROM pending WHERE instance = ?",
    )?;
    let rows = statement.query_map([instance], |row| {
        let part = Part { identity: row.get(4)?, counted: usage(row, 5)?, held: usage(row, 9)? };
        Ok((flow(row, 0)?, part))
    })?;
    let mut flows: BTreeMap<PendingKey, Vec<Part>> = BTreeMap::new();
    for row in rows {
        let (key, part) = row?;
        flows.entry(key).or_default().push(part);
    }
    Ok(flows)
}

/// A pending key's flow, subscriber, epoch and rule, from `column` on.
pub(super) fn flow(row: &Row<'_>, column: usize) -> rusqlite::Result<PendingKey> {
    let flow: i64 = row.get(column)?;
    Ok(PendingKey {
        flow: flow.cast_unsigned(),
        subscriber: SubscriberId::from_octets(row.get(column + 1)?),
        epoch: row.get(column + 2)?,
        rule: row.get(column + 3)?,
    })
}

fn retired(connection: &Connection, instance: i64) -> Result<Standing, LedgerError> {
    let mut statement = connection.prepare(
        "SELECT subscriber, bucket, reason, rule, uplink_packets, uplink_octets, downlink_packets, downlink_octets
         FROM retired WHERE instance = ?",
    )?;
    let rows = statement.query_map([instance], |row| {
        let place = (SubscriberId::from_octets(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((place, usage(row, 4)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn sent_again(connection: &Connection, instance: i64) -> Result<BTreeMap<u32, Usage>, LedgerError> {
    let mut statement = connection.prepare(
        "SELECT rule, max(uplink_segments), max(uplink_octets), max(downlink_segments), max(downlink_octets)
         FROM sent_again JOIN intervals USING (interval) WHERE instance = ? GROUP BY rule",
    )?;
    let rows = statement.query_map([instance], |row| Ok((row.get(0)?, usage(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
