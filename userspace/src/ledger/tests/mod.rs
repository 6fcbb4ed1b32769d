//! The ledger as a whole.

mod accounts;
mod full_disk;
mod holdings;
mod lost;
mod migration;
mod model;
mod reconcile;
mod scale;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::flow::{NO_RULE, Verdict};
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use super::*;
use crate::book::{Answer, SavedAnswers, Source};
use crate::resolve::Security;

type Outcome = Result<(), Box<dyn Error>>;
type Counters = BTreeMap<CounterKey, Usage>;

fn subscriber(host: u8) -> SubscriberId {
    SubscriberId::of(&Address::from(std::net::IpAddr::from([10, 20, 0, host])), Family::V4)
}

fn key(host: u8, epoch: u32, rule: u32, reason: Reason) -> CounterKey {
    CounterKey::new(subscriber(host), epoch, rule, reason.bucket(), reason)
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

/// What a test says of a cut; the rest is empty.
#[derive(Clone, Debug, Default)]
struct TestCut {
    instance: u64,
    /// 0: 2, the last that [`ledger`] records.
    epoch: u32,
    reason: Option<CloseReason>,
    counters: Counters,
    pending: BTreeMap<PendingKey, Usage>,
    verdicts: BTreeMap<u64, Reason>,
    /// The rules that verdicts name, by flow, if they do.
    verdict_rules: BTreeMap<u64, u32>,
    sent_again: BTreeMap<u32, Usage>,
    ceilings: Vec<CeilingPassed>,
    /// Who has which address, by its last octet.
    owners: BTreeMap<u8, SubscriberIdentity>,
    only: Option<BTreeSet<SubscriberId>>,
    interfaces: Vec<InterfaceCut>,
    /// `None`: what is on the interfaces.
    arrived_packets: Option<u64>,
}

impl TestCut {
    fn close(&self, ledger: &mut Ledger) -> Result<ClosedInterval, LedgerError> {
        let arrived = self.interfaces.iter().map(|interface| interface.packets).sum();
        let reason = if self.only.is_some() { CloseReason::Identity } else { CloseReason::Clock };
        let said = |(flow, reason): (&u64, &Reason)| {
            let rule = self.verdict_rules.get(flow).copied().unwrap_or(NO_RULE);
            (*flow, Verdict { rule, reason: *reason })
        };
        let verdicts: BTreeMap<u64, Verdict> = self.verdicts.iter().map(said).collect();
        ledger.close_interval(&IntervalClose {
            gateway: "gw1",
            boot_id: "boot",
            instance: self.instance,
            epoch: if self.epoch == 0 { 2 } else { self.epoch },
            started_at: at(60),
            closed_at: at(120),
            reason: self.reason.unwrap_or(reason),
            cumulative: &self.counters,
            pending: &self.pending,
            verdicts: &verdicts,
            sent_again: &self.sent_again,
            ceilings: &self.ceilings,
            identities: &|subscriber| self.owners.get(&subscriber.octets()[7]).cloned(),
            only: self.only.as_ref(),
            arrived_packets: self.arrived_packets.unwrap_or(arrived),
            interfaces: &self.interfaces,
            rating_groups: &BTreeMap::from([(1, 9001)]),
        })
    }
}

fn close(ledger: &mut Ledger, instance: u64, cumulative: &Counters) -> Result<ClosedInterval, LedgerError> {
    TestCut { instance, counters: cumulative.clone(), ..TestCut::default() }.close(ledger)
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
    let free = key(11, 2, 1, Reason::Address);
    close(&mut ledger, 5, &Counters::from([(free, octets(100))]))?;
    let back = close(&mut ledger, 5, &Counters::from([(free, octets(99))])).expect_err("it went back");
    assert!(
        back.to_string().contains("subscriber 10.20.0.11/32, bucket free, reason address, rule 1, epoch 2")
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
    let closed =
        TestCut { instance: 5, counters, interfaces: vec![cut], ..TestCut::default() }.close(&mut ledger)?;
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
fn answers_come_back_as_they_were_saved() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut first = ledger(directory.path())?;
    let answer = |security, chain: &[&str]| Answer {
        learned_at: at(1),
        ttl: Duration::from_mins(5),
        security,
        resolver: Some([192, 0, 2, 53].into()),
        chain: chain.iter().map(|alias| (*alias).to_owned()).collect(),
    };
    let saved = |name: &str, address: &str, answers| -> Result<SavedAnswers, Box<dyn Error>> {
        Ok(SavedAnswers { name: name.into(), address: address.parse()?, answers })
    };
    let listed = (Source::Resolver, answer(Security::Secure, &["a.example", "b \"c\".example"]));
    let heard = (Source::Wire, answer(Security::Unchecked, &[]));
    let unknown = (Source::Resolver, Answer { resolver: None, ..answer(Security::Indeterminate, &[]) });
    first.save_answers(&[
        saved("gone.example", "192.0.2.1", vec![listed.clone()])?,
        saved("moh.gov.vn", "192.0.2.7", vec![heard.clone()])?,
        saved("moh.gov.vn", "2001:db8::7", vec![unknown.clone()])?,
    ])?;
    // Those that are not named stay.
    first.save_answers(&[
        saved("gone.example", "192.0.2.1", Vec::new())?,
        saved("moh.gov.vn", "192.0.2.7", vec![listed.clone(), heard.clone()])?,
    ])?;
    drop(first);
    let kept = ledger(directory.path())?.saved_answers()?;
    let wanted = [
        saved("moh.gov.vn", "192.0.2.7", vec![listed, heard])?,
        saved("moh.gov.vn", "2001:db8::7", vec![unknown])?,
    ];
    assert_eq!(kept, wanted);
    Ok(())
}
