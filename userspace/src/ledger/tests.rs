//! The ledger as a whole, against a model of what was counted.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use super::*;
use crate::resolve::SavedAddress;

type Outcome = Result<(), Box<dyn Error>>;
type Counters = BTreeMap<CounterKey, Usage>;

fn key(host: u8, epoch: u32, rule: u32, reason: Reason) -> CounterKey {
    let subscriber = SubscriberId::of(&Address::from(std::net::IpAddr::from([10, 20, 0, host])), Family::V4);
    CounterKey::new(subscriber, epoch, rule, reason.bucket(), reason)
}

fn octets(uplink_octets: u64) -> Usage {
    Usage { uplink_packets: 1, uplink_octets, ..Usage::default() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::constant(1_580_515_200 + second, 0)
}

/// A ledger with rules 1 and 2 and epochs 1 and 2.
fn ledger(directory: &Path) -> Result<Ledger, LedgerError> {
    let mut ledger = Ledger::open(&directory.join("ledger.sqlite"))?;
    for (number, rule) in [(1, "moh-portal"), (2, "command-centre")] {
        assert_eq!(ledger.rule_number("vn-covid19-2020", rule)?, number);
    }
    ledger.record_epoch(1, "digest-1", at(0), 10)?;
    ledger.record_epoch(2, "digest-2", at(60), 11)?;
    Ok(ledger)
}

fn close(ledger: &mut Ledger, instance: u64, cumulative: &Counters) -> Result<ClosedInterval, LedgerError> {
    close_with(ledger, instance, cumulative, &[])
}

fn close_with(
    ledger: &mut Ledger,
    instance: u64,
    cumulative: &Counters,
    interfaces: &[InterfaceCut],
) -> Result<ClosedInterval, LedgerError> {
    ledger.close_interval(&IntervalClose {
        gateway: "gw1",
        boot_id: "boot",
        instance,
        epoch: 2,
        started_at: at(60),
        closed_at: at(120),
        reason: CloseReason::Clock,
        cumulative,
        arrived_packets: interfaces.iter().map(|interface| interface.packets).sum(),
        interfaces,
        rating_groups: &BTreeMap::from([(1, 9001)]),
    })
}

fn records(ledger: &Ledger, interval: u64) -> Result<Vec<Record>, LedgerError> {
    let mut records = Vec::new();
    ledger.each_record(interval, |record| {
        records.push(record.clone());
        Ok::<_, LedgerError>(())
    })?;
    Ok(records)
}

#[test]
fn rules_keep_their_number() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut first = ledger(directory.path())?;
    assert_eq!(first.rule_number("other", "moh-portal")?, 3);
    first.connection.execute("DELETE FROM rules WHERE number = 3", [])?;
    drop(first);
    let mut again = ledger(directory.path())?;
    assert_eq!(again.rule_number("other", "moh-portal")?, 4, "3 was used");
    let numbers: Vec<u32> = again.rules()?.iter().map(|rule| rule.number).collect();
    assert_eq!(numbers, [1, 2, 4]);
    Ok(())
}

#[test]
fn epochs_only_grow() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    ledger.record_epoch(2, "digest-2", at(99), 11)?;
    assert!(matches!(
        ledger.record_epoch(2, "digest-3", at(60), 11),
        Err(LedgerError::EpochConflict { epoch: 2 })
    ));
    ledger.record_epoch(5, "digest-5", at(60), 12)?;
    assert!(matches!(
        ledger.record_epoch(4, "digest-4", at(60), 13),
        Err(LedgerError::EpochBehind { epoch: 4, last: 5 })
    ));
    assert_eq!(ledger.last_epoch()?, Some(5));
    assert_eq!(ledger.policy_digest(2)?.as_deref(), Some("digest-2"));
    assert_eq!(ledger.policy_digest(3)?, None);
    Ok(())
}

#[test]
fn a_counter_becomes_a_record_when_it_grew() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let free = key(11, 1, 1, Reason::Address);
    let charged = key(11, 2, 0, Reason::NotListed);
    let first = close(&mut ledger, 5, &Counters::from([(free, octets(100))]))?;
    assert_eq!((first.interval, first.records, first.last_record), (1, 1, 1));
    let second = close(&mut ledger, 5, &Counters::from([(free, octets(100)), (charged, octets(30))]))?;
    assert_eq!((second.interval, second.records, second.last_record), (2, 1, 2));
    // The free counter's epoch is over, and its entry was taken out of the kernel.
    let third = close(&mut ledger, 5, &Counters::from([(charged, octets(30))]))?;
    assert_eq!((third.interval, third.records, third.last_record), (3, 0, 2));

    let [record] = &records(&ledger, 1)?[..] else { return Err("one record expected".into()) };
    assert_eq!((record.epoch, record.policy_digest.as_str()), (1, "digest-1"));
    assert_eq!((record.subscriber.as_str(), record.bucket.as_str()), ("10.20.0.11/32", "free"));
    assert_eq!((record.reason.as_str(), record.rule, record.rating_group), ("address", Some(1), Some(9001)));
    assert_eq!(record.policy.as_deref(), Some("vn-covid19-2020"));
    assert_eq!(record.rule_id.as_deref(), Some("moh-portal"));
    let [record] = &records(&ledger, 2)?[..] else { return Err("one record expected".into()) };
    assert_eq!((record.rule, record.policy.as_deref(), record.rating_group), (None, None, None));
    assert_eq!(ledger.unpublished_intervals()?.len(), 2, "the third has no records");
    assert_eq!(ledger.last_closed_at()?, Some(at(120)));
    Ok(())
}

#[test]
fn a_new_instance_starts_from_zero() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let free = key(11, 1, 1, Reason::Address);
    close(&mut ledger, 5, &Counters::from([(free, octets(100))]))?;
    let closed = close(&mut ledger, u64::MAX, &Counters::from([(free, octets(40))]))?;
    assert_eq!(closed.records, 1);
    let sums = ledger.sum_by_bucket()?;
    assert_eq!(sums, BTreeMap::from([("free".to_owned(), octets(100) + octets(40))]));
    Ok(())
}

#[test]
fn impossible_counters_are_refused() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let free = key(11, 1, 1, Reason::Address);
    close(&mut ledger, 5, &Counters::from([(free, octets(100))]))?;
    let back = close(&mut ledger, 5, &Counters::from([(free, octets(99))])).expect_err("it went back");
    assert!(
        back.to_string().contains("subscriber 10.20.0.11/32, bucket free, reason address, rule 1, epoch 1")
    );
    for (cumulative, expected) in [
        (Counters::from([(key(11, 3, 1, Reason::Address), octets(1))]), "epoch 3 is not in the ledger"),
        (Counters::from([(key(11, 2, 9, Reason::Address), octets(1))]), "rule number 9 is not in the ledger"),
        (
            Counters::from([(key(11, 2, 1, Reason::Address), octets(u64::MAX))]),
            "is 18446744073709551615, more",
        ),
    ] {
        let error = close(&mut ledger, 5, &cumulative).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    // None of it left a trace.
    assert_eq!(close(&mut ledger, 5, &Counters::from([(free, octets(100))]))?.interval, 2);
    Ok(())
}

#[test]
fn an_interval_is_reconciled() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let counters = Counters::from([
        (
            key(11, 1, 1, Reason::Address),
            Usage { uplink_packets: 7, downlink_packets: 3, ..Usage::default() },
        ),
        (key(12, 2, 0, Reason::NotListed), Usage { uplink_packets: 5, ..Usage::default() }),
    ]);
    let cut = InterfaceCut {
        name: "access0".into(),
        role: Role::Access,
        packets: 16,
        frame_octets: 1000,
        bucket_packets: 15,
        bucket_frame_octets: 990,
        nic_packets: 18,
        nic_octets: 1064,
    };
    let closed = close_with(&mut ledger, 5, &counters, &[cut])?;
    assert_eq!(closed.difference_packets, -1, "15 in the counters, 16 on the interface");
    let expected = InterfaceDifference {
        name: "access0".into(),
        bucket_packets: -1,
        bucket_frame_octets: -10,
        nic_packets: 2,
        nic_octets: 64,
    };
    assert_eq!(closed.interfaces, [expected]);
    Ok(())
}

/// Lets the file grow by `pages` at most, as a disk that is nearly full would.
fn limit(ledger: &Ledger, pages: u32) -> Outcome {
    let used: u32 = ledger.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    ledger.connection.pragma_update_and_check(None, "max_page_count", used + pages, |_| Ok(()))?;
    Ok(())
}

fn unlimit(ledger: &Ledger) -> Outcome {
    ledger.connection.pragma_update_and_check(None, "max_page_count", u32::MAX, |_| Ok(()))?;
    Ok(())
}

#[test]
fn a_full_disk_loses_nothing() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let counters = |each| -> Counters {
        (0..=u8::MAX).map(|host| (key(host, 1, 1, Reason::Address), octets(each))).collect()
    };
    close(&mut ledger, 5, &counters(100))?;
    limit(&ledger, 1)?;
    assert!(matches!(close(&mut ledger, 5, &counters(300)), Err(LedgerError::DiskFull)));
    assert_eq!(ledger.unpublished_intervals()?.len(), 1, "nothing of the failed one");
    unlimit(&ledger)?;
    let closed = close(&mut ledger, 5, &counters(450))?;
    assert_eq!((closed.interval, closed.records, closed.last_record), (2, 256, 512));
    for record in records(&ledger, 2)? {
        assert_eq!((record.previous.uplink_octets, record.delta.uplink_octets), (100, 350));
    }
    Ok(())
}

#[test]
fn a_file_that_is_no_ledger_is_refused() -> Outcome {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("ledger.sqlite");
    fs::write(&path, "not a database, but long enough to be looked at as one. ".repeat(20))?;
    let error = Ledger::open(&path).expect_err("not a ledger");
    assert!(
        matches!(&error, LedgerError::Open { source, .. } if matches!(**source, LedgerError::Corrupt { .. }))
    );
    assert!(error.to_string().contains("ledger.sqlite"));

    let absent = Ledger::open(&directory.path().join("absent/ledger.sqlite")).expect_err("no directory");
    assert!(matches!(absent, LedgerError::Open { .. }));
    Ok(())
}

#[test]
fn a_later_schema_is_refused() -> Outcome {
    let directory = tempfile::tempdir()?;
    ledger(directory.path())?.connection.pragma_update(None, "user_version", 99)?;
    let error = Ledger::open(&directory.path().join("ledger.sqlite")).expect_err("too new").to_string();
    assert!(error.contains("its schema is version 99"), "{error}");
    Ok(())
}

#[test]
fn a_read_only_ledger_says_so() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    ledger.connection.pragma_update(None, "query_only", true)?;
    assert!(matches!(close(&mut ledger, 5, &Counters::new()), Err(LedgerError::ReadOnly)));
    Ok(())
}

#[test]
fn commits_are_synced_to_a_write_ahead_log() -> Outcome {
    let directory = tempfile::tempdir()?;
    let ledger = ledger(directory.path())?;
    let mode: String = ledger.connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let synchronous: u32 = ledger.connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    let keys: u32 = ledger.connection.pragma_query_value(None, "foreign_keys", |row| row.get(0))?;
    assert_eq!((mode.as_str(), synchronous, keys), ("wal", 2, 1));
    Ok(())
}

#[test]
fn names_come_back_as_they_were_saved() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut first = ledger(directory.path())?;
    let saved = |name: &str, address: &str| -> Result<SavedAddress, Box<dyn Error>> {
        let ttl = Duration::from_mins(5);
        Ok(SavedAddress { name: name.into(), address: address.parse()?, learned_at: at(1), ttl })
    };
    first.save_names(&[saved("gone.example", "192.0.2.1")?])?;
    let names = [saved("moh.gov.vn", "192.0.2.7")?, saved("moh.gov.vn", "2001:db8::7")?];
    first.save_names(&names)?;
    drop(first);
    assert_eq!(ledger(directory.path())?.saved_names()?, names);
    Ok(())
}

/// What happens to a ledger between two cuts of growing counters.
#[derive(Clone, Copy, Debug)]
enum Step {
    Grow { host: u8, free: bool, usage: (u16, u16) },
    Close,
    CloseOnFullDisk { pages: u8 },
    CloseReadOnly,
    Reopen,
    NewInstance,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..8u8, any::<bool>(), any::<(u16, u16)>())
            .prop_map(|(host, free, usage)| Step::Grow { host, free, usage }),
        3 => Just(Step::Close),
        1 => (0..3u8).prop_map(|pages| Step::CloseOnFullDisk { pages }),
        1 => Just(Step::CloseReadOnly),
        1 => Just(Step::Reopen),
        1 => Just(Step::NewInstance),
    ]
}

fn grow(counters: &mut Counters, host: u8, free: bool, (up, down): (u16, u16)) {
    let key = if free { key(host, 2, 1, Reason::Address) } else { key(host, 1, 0, Reason::NotListed) };
    *counters.entry(key).or_default() += Usage {
        uplink_packets: 1,
        uplink_octets: up.into(),
        downlink_packets: 2,
        downlink_octets: down.into(),
    };
}

/// Takes one step; a close that fails must leave the ledger usable.
fn take(
    directory: &Path,
    mut ledger: Ledger,
    instance: &mut u64,
    counters: &mut Counters,
    step: Step,
) -> Result<Ledger, Box<dyn Error>> {
    match step {
        Step::Grow { host, free, usage } => grow(counters, host, free, usage),
        Step::Close => drop(close(&mut ledger, *instance, counters)?),
        Step::CloseOnFullDisk { pages } => {
            limit(&ledger, pages.into())?;
            match close(&mut ledger, *instance, counters) {
                Ok(_) | Err(LedgerError::DiskFull) => {}
                Err(other) => return Err(other.into()),
            }
            unlimit(&ledger)?;
        }
        Step::CloseReadOnly => {
            ledger.connection.pragma_update(None, "query_only", true)?;
            assert!(matches!(close(&mut ledger, *instance, counters), Err(LedgerError::ReadOnly)));
            ledger.connection.pragma_update(None, "query_only", false)?;
        }
        Step::Reopen => {
            drop(ledger);
            ledger = Ledger::open(&directory.join("ledger.sqlite"))?;
        }
        Step::NewInstance => {
            close(&mut ledger, *instance, counters)?;
            *instance += 1;
            counters.clear();
        }
    }
    Ok(ledger)
}

/// Everything that must hold of the records, whatever happened: `totals` is what each instance counted.
fn check(ledger: &Ledger, totals: &[Counters]) -> Outcome {
    let mut last: BTreeMap<(u64, String, String), Usage> = BTreeMap::new();
    let mut sums: BTreeMap<(u64, String, String), Usage> = BTreeMap::new();
    let mut number = 0;
    for interval in ledger.unpublished_intervals()? {
        for record in records(ledger, interval.interval)? {
            number += 1;
            assert_eq!(record.record, number, "gapless");
            let id = (interval.instance, record.subscriber.clone(), record.bucket.clone());
            let before = last.insert(id.clone(), record.cumulative).unwrap_or_default();
            assert_eq!(record.previous, before, "the chain of cumulatives");
            assert_eq!(record.previous + record.delta, record.cumulative);
            assert_ne!(record.delta, Usage::default(), "no empty record");
            *sums.entry(id).or_default() += record.delta;
        }
    }
    let expected: BTreeMap<_, _> = (0u64..)
        .zip(totals)
        .flat_map(|(instance, counters)| {
            counters.iter().map(move |(key, usage)| {
                let bucket = if key.rule == 1 { "free" } else { "charged" };
                let subscriber = format!("10.20.0.{}/32", key.subscriber.octets()[7]);
                ((instance, subscriber, bucket.to_owned()), *usage)
            })
        })
        .collect();
    assert_eq!(sums, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_is_lost_or_doubled(steps in prop::collection::vec(step(), 1..60)) {
        let run = || -> Outcome {
            let directory = tempfile::tempdir()?;
            let mut ledger = ledger(directory.path())?;
            let (mut instance, mut counters, mut totals) = (0, Counters::new(), Vec::new());
            for step in steps {
                let before = counters.clone();
                ledger = take(directory.path(), ledger, &mut instance, &mut counters, step)?;
                if matches!(step, Step::NewInstance) {
                    totals.push(before);
                }
            }
            close(&mut ledger, instance, &counters)?;
            totals.push(counters);
            check(&ledger, &totals)
        };
        run().map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
}
