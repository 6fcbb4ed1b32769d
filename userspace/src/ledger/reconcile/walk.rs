//! Going through a ledger, interval by interval.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use rusqlite::{Connection, Row};
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::reason::Bucket;

use super::super::LedgerError;
use super::super::books::{Books, account, flow, pending_account};
use super::super::interval::CloseReason;
use super::super::key::{bucket_name, key_name};
use super::super::stored::{parsed, unsigned, usage};
use super::accounts::{Sum, Sums, add, narrow};
use super::interfaces::{Bounds, Interfaces};
use super::{Difference, Note, Reconciliation};

/// What an interval says of itself: a row of `intervals`.
#[derive(Clone, Debug)]
struct Stated {
    interval: u64,
    gateway: String,
    boot_id: String,
    instance: u64,
    epoch: u32,
    started_at: Timestamp,
    closed_at: Timestamp,
    is_complete: bool,
    records: u64,
    last_record: u64,
    recorded: i64,
    counted: i64,
    difference: i64,
}

/// What is known of one instance.
#[derive(Debug, Default)]
struct Instance {
    boot_id: String,
    balances: HashMap<CounterKey, Usage>,
    /// Whether `balances` has every account: the instance is followed from its first interval.
    is_whole: bool,
    /// The sum of all deltas, in packets.
    recorded: i128,
    difference: i64,
    /// The first complete interval of each epoch.
    epochs: BTreeMap<u32, u64>,
}

/// What one interval's records and transfers say.
#[derive(Debug, Default)]
struct Turnover {
    /// Changes of balances.
    deltas: Sums,
    /// What transfers brought in, less what they took out.
    moved: Sums,
}

/// The state between two intervals.
pub(super) struct Walk<'a> {
    connection: &'a Connection,
    report: Reconciliation,
    last_interval: u64,
    /// Each gateway's last record.
    last_records: BTreeMap<String, u64>,
    instances: BTreeMap<u64, Instance>,
    interfaces: Interfaces,
    buckets: BTreeMap<u16, Sum>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(connection: &'a Connection, report: Reconciliation) -> Self {
        Self {
            connection,
            report,
            last_interval: 0,
            last_records: BTreeMap::new(),
            instances: BTreeMap::new(),
            interfaces: Interfaces::default(),
            buckets: BTreeMap::new(),
        }
    }

    pub(super) fn run(mut self) -> Result<Reconciliation, LedgerError> {
        let connection = self.connection;
        let mut statement = connection.prepare(
            "SELECT interval, gateway, boot_id, instance, epoch, started_at, closed_at, reason, records, last_record,
                    recorded_packets, counted_packets, difference_packets
             FROM intervals ORDER BY interval",
        )?;
        for row in statement.query_map([], closed)? {
            self.interval(&row?)?;
        }
        self.interfaces.compare_nics(&mut self.report);
        self.last_cuts()?;
        let words =
            self.buckets.iter().map(|(bucket, sum)| (bucket_name(*bucket).into_owned(), sum.change()));
        self.report.buckets = words.collect();
        Ok(self.report)
    }

    fn interval(&mut self, closed: &Stated) -> Result<(), LedgerError> {
        let asked = self.report.since.is_none_or(|since| closed.closed_at >= since);
        let Stated { interval, instance, started_at, closed_at, .. } = *closed;
        if asked {
            self.begin(closed);
        }
        let bounds = Bounds { interval, instance, started_at, closed_at, asked };
        self.interfaces.read(self.connection, bounds, &mut self.report)?;
        if asked {
            let is_new = !self.instances.contains_key(&instance);
            self.instances.entry(instance).or_default().is_whole |= is_new;
            let turnover = self.turnover(closed)?;
            let packets: i128 = turnover.deltas.values().map(|sum| sum.packets()).sum();
            self.instances.entry(instance).or_default().recorded += packets;
            self.growth(closed, &turnover);
            self.sums(closed);
        }
        let state = self.instances.entry(instance).or_default();
        if !asked {
            state.recorded = closed.recorded.into();
        }
        state.difference = closed.difference;
        state.boot_id.clone_from(&closed.boot_id);
        if closed.is_complete {
            state.epochs.entry(closed.epoch).or_insert(interval);
        }
        self.last_interval = interval;
        self.last_records.insert(closed.gateway.clone(), closed.last_record);
        Ok(())
    }

    /// The interval's place among the others.
    fn begin(&mut self, closed: &Stated) {
        let Stated { interval, instance, closed_at, .. } = *closed;
        let report = &mut self.report;
        report.intervals += 1;
        report.range = Some((report.range.map_or(interval, |(first, _)| first), interval));
        report.closed = Some((report.closed.map_or(closed_at, |(first, _)| first), closed_at));
        if interval != self.last_interval + 1 {
            report.differ(Difference::IntervalGap { interval, before: self.last_interval });
        }
        let (gateway, boot_id) = (closed.gateway.clone(), closed.boot_id.clone());
        match self.instances.get(&instance) {
            // Nothing came before the first.
            None if self.last_interval == 0 => {}
            None => {
                let instance = format!("{instance:016x}");
                report.notes.push(Note::NewInstance { interval, gateway, boot_id, instance });
            }
            Some(state) if state.boot_id != boot_id => report.notes.push(Note::NewBoot { interval, boot_id }),
            Some(_) => {}
        }
    }

    fn turnover(&mut self, closed: &Stated) -> Result<Turnover, LedgerError> {
        let mut turnover = Turnover::default();
        self.records(closed, &mut turnover)?;
        let connection = self.connection;
        let mut statement = connection.prepare_cached(
            "SELECT flow, subscriber, epoch, coalesce(rule, 0), bucket, reason, coalesce(rule_to, 0), uplink_packets,
                    uplink_octets, downlink_packets, downlink_octets
             FROM transfers WHERE interval = ?",
        )?;
        let transfers = statement.query_map([closed.interval.cast_signed()], |row| {
            let from = pending_account(&flow(row, 0)?);
            let to = CounterKey { bucket: row.get(4)?, reason: row.get(5)?, rule: row.get(6)?, ..from };
            Ok((from, to, Sum::of(&usage(row, 7)?)))
        })?;
        for transfer in transfers {
            let (from, to, sum) = transfer?;
            self.report.transfers += 1;
            add(&mut turnover.moved, from, Sum::default().minus(sum));
            add(&mut turnover.moved, to, sum);
        }
        Ok(turnover)
    }

    fn records(&mut self, closed: &Stated, turnover: &mut Turnover) -> Result<(), LedgerError> {
        let connection = self.connection;
        let mut statement = connection.prepare_cached(
            "SELECT record, subscriber, epoch, rule, bucket, reason, uplink_packets_previous,
                    uplink_octets_previous, downlink_packets_previous, downlink_octets_previous, uplink_packets,
                    uplink_octets, downlink_packets, downlink_octets
             FROM records WHERE interval = ? ORDER BY record",
        )?;
        let rows = statement.query_map([closed.interval.cast_signed()], |row| {
            Ok((unsigned(row, 0)?, account(row, 1)?, usage(row, 6)?, usage(row, 10)?))
        })?;
        let mut last = self.last_records.get(&closed.gateway).copied().unwrap_or_default();
        let mut count = 0;
        for row in rows {
            let (record, key, previous, balance) = row?;
            if record != last + 1 {
                let (interval, gateway) = (closed.interval, closed.gateway.clone());
                self.report.differ(Difference::RecordGap { interval, gateway, found: record, due: last + 1 });
            }
            last = record;
            count += 1;
            self.chain(closed, record, &key, &previous, balance);
            let delta = Sum::of(&balance).minus(Sum::of(&previous));
            if key.bucket != Bucket::Pending as u16 && delta.shortfall().is_some() {
                let (interval, account) = (closed.interval, key_name(&key));
                self.report.differ(Difference::WentDown { interval, record, account });
            }
            add(&mut turnover.deltas, key, delta);
            let bucket = self.buckets.entry(key.bucket).or_default();
            *bucket = bucket.plus(delta);
        }
        self.report.records += count;
        if (count, last) != (closed.records, closed.last_record) {
            self.report.differ(Difference::RecordCount {
                interval: closed.interval,
                stated: closed.records,
                stated_last: closed.last_record,
                found: count,
                found_last: last,
            });
        }
        Ok(())
    }

    /// Whether a record starts from its account's last balance.
    fn chain(&mut self, closed: &Stated, record: u64, key: &CounterKey, previous: &Usage, balance: Usage) {
        let state = self.instances.entry(closed.instance).or_default();
        let due = match state.balances.insert(*key, balance) {
            Some(due) => due,
            None if state.is_whole => Usage::default(),
            // Its earlier records were not asked for.
            None => return,
        };
        if *previous != due {
            self.report.differ(Difference::Chain {
                interval: closed.interval,
                record,
                account: key_name(key),
                previous: previous.packets(),
                previous_octets: previous.octets(),
                due: due.packets(),
                due_octets: due.octets(),
            });
        }
    }

    /// What each account's kernel counter grew by: the change of the balance, less what transfers did.
    fn growth(&mut self, closed: &Stated, turnover: &Turnover) {
        let accounts: BTreeSet<CounterKey> =
            turnover.deltas.keys().chain(turnover.moved.keys()).copied().collect();
        let mut older = BTreeSet::new();
        for key in accounts {
            let of = |sums: &Sums| sums.get(&key).copied().unwrap_or_default();
            let grown = of(&turnover.deltas).minus(of(&turnover.moved));
            let interval = closed.interval;
            let is_pending = key.bucket == Bucket::Pending as u16;
            // What else went down is told of already.
            let is_asked = is_pending || turnover.moved.contains_key(&key);
            if let Some((packets, octets)) = grown.shortfall().filter(|_| is_asked) {
                let account = key_name(&key);
                self.report.differ(if is_pending {
                    Difference::NotTransferred { interval, account, packets, octets }
                } else {
                    Difference::NotCredited { interval, account, packets, octets }
                });
            } else if !grown.is_zero() && key.epoch != closed.epoch {
                self.other_epoch(closed, &key, &mut older);
            }
        }
        for older in older {
            let (interval, epoch) = (closed.interval, closed.epoch);
            self.report.notes.push(Note::TwoEpochs { interval, epoch, older });
        }
    }

    /// Growth under another epoch than the interval's. It may be of an earlier one that no complete interval of a later
    /// epoch has closed yet: then no packet of it was lost, but an interval was not closed when it should have been.
    fn other_epoch(&mut self, closed: &Stated, key: &CounterKey, older: &mut BTreeSet<u32>) {
        let (interval, epoch, account) = (closed.interval, key.epoch, key_name(key));
        let ended_by = self.instances.get(&closed.instance).and_then(|state| {
            let (_, interval) = state.epochs.range(epoch.saturating_add(1)..).next()?;
            Some(*interval)
        });
        if epoch > closed.epoch {
            let interval_epoch = closed.epoch;
            self.report.differ(Difference::EpochAhead { interval, account, epoch, interval_epoch });
        } else if let Some(ended_by) = ended_by {
            self.report.differ(Difference::EpochOver { interval, account, epoch, ended_by });
        } else {
            older.insert(epoch);
        }
    }

    /// Records against counters against arrivals.
    fn sums(&mut self, closed: &Stated) {
        let Stated { interval, recorded: stated, counted, difference: now, .. } = *closed;
        let state = self.instances.entry(closed.instance).or_default();
        let (recorded, before) = (state.recorded, state.difference);
        if recorded != i128::from(stated) {
            self.report.differ(Difference::Recorded { interval, found: narrow(recorded), stated });
            // Told once, and not again at every later interval.
            state.recorded = stated.into();
        }
        // A close for some subscribers leaves the others' growth to the next.
        if stated > counted || (closed.is_complete && stated != counted) {
            self.report.differ(Difference::Counted { interval, counted, recorded: stated });
        }
        if before != now {
            self.report.differ(Difference::Arrived { interval, before, now });
        }
    }

    /// The tables that the next close starts from, against the records.
    fn last_cuts(&mut self) -> Result<(), LedgerError> {
        for (instance, state) in &self.instances {
            let books = Books::load(self.connection, *instance)?;
            let (recorded, kept) = (state.recorded, i128::try_from(books.packets).unwrap_or(i128::MAX));
            if recorded != kept {
                let (instance, recorded, kept) = (format!("{instance:016x}"), narrow(recorded), narrow(kept));
                self.report.differ(Difference::LastCut { instance, recorded, kept });
            }
        }
        Ok(())
    }
}

fn closed(row: &Row<'_>) -> rusqlite::Result<Stated> {
    let instance: i64 = row.get(3)?;
    let reason: String = row.get(7)?;
    Ok(Stated {
        interval: unsigned(row, 0)?,
        gateway: row.get(1)?,
        boot_id: row.get(2)?,
        instance: instance.cast_unsigned(),
        epoch: row.get(4)?,
        started_at: parsed(row, 5)?,
        closed_at: parsed(row, 6)?,
        is_complete: reason != CloseReason::Identity.name(),
        records: unsigned(row, 8)?,
        last_record: unsigned(row, 9)?,
        recorded: row.get(10)?,
        counted: row.get(11)?,
        difference: row.get(12)?,
    })
}
