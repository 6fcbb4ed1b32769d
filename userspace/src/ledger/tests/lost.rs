//! What flows left pending whose counters are gone.

use super::*;

/// Instance 7, with a flow of somebody's that holds 100 octets.
fn pending() -> TestCut {
    let msisdn = Some("84901234567".into());
    let flow = PendingKey { flow: 3, subscriber: subscriber(11), epoch: 1, rule: 1 };
    TestCut {
        instance: 7,
        epoch: 1,
        counters: Counters::from([(key(11, 1, 0, Reason::NotListed), octets(10))]),
        pending: BTreeMap::from([(flow, octets(100))]),
        owners: BTreeMap::from([(11, SubscriberIdentity { msisdn, imsi: None })]),
        // One more than is counted: the difference stays what it was.
        arrived_packets: Some(3),
        ..TestCut::default()
    }
}

fn settle(ledger: &mut Ledger, instance: u64) -> Result<Vec<ClosedInterval>, LedgerError> {
    ledger.settle_lost(instance, at(600), &BTreeMap::from([(1, 9001)]))
}

#[test]
fn it_is_charged_to_whoever_had_the_address_in_the_gone_instances_own_interval() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    pending().close(&mut ledger)?;
    assert_eq!(settle(&mut ledger, 7)?, [], "it lives");
    let [closed] = &settle(&mut ledger, 8)?[..] else { return Err("one interval expected".into()) };
    assert_eq!((closed.interval, closed.records, closed.difference_packets), (2, 2, -1));
    let found = records(&ledger, 2)?;
    let [to, from] = &found[..] else { return Err("two records expected".into()) };
    let of = |record: &Record| {
        (record.bucket.clone(), record.reason.clone(), record.rule, record.rating_group, record.epoch)
    };
    assert_eq!(of(to), ("charged".into(), "undecided".into(), Some(1), Some(9001), 1));
    assert_eq!(of(from), ("pending".into(), "awaiting-evidence".into(), Some(1), Some(9001), 1));
    assert_eq!([from.delta.uplink_octets, to.delta.uplink_octets], [-100, 100]);
    for record in [from, to] {
        assert_eq!(record.identity.msisdn.as_deref(), Some("84901234567"));
    }
    let intervals = ledger.unpublished_intervals()?;
    let [_, interval] = &intervals[..] else { return Err("two intervals expected".into()) };
    assert_eq!((interval.instance, interval.boot_id.as_str()), (7, "boot"));
    assert_eq!((interval.started_at, interval.closed_at), (at(120), at(600)));
    assert_eq!(settle(&mut ledger, 8)?, [], "once");
    let report = reconcile(&directory.path().join("ledger.sqlite"), None)?;
    // It is the first interval that begins with one packet too few.
    assert_eq!(report.differences.len(), 1, "{:?}", report.differences);
    Ok(())
}

/// A ledger that an earlier version left so: the new instance has closed intervals before.
#[test]
fn it_is_charged_after_the_next_instance_began_too() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    TestCut { arrived_packets: Some(2), ..pending() }.close(&mut ledger)?;
    let next = Counters::from([(key(11, 2, 0, Reason::NotListed), octets(10))]);
    let go_on = |ledger: &mut Ledger| {
        let counters = next.clone();
        TestCut { instance: 8, counters, arrived_packets: Some(1), ..TestCut::default() }.close(ledger)
    };
    go_on(&mut ledger)?;
    assert_eq!(settle(&mut ledger, 8)?.len(), 1);
    assert_eq!(go_on(&mut ledger)?.records, 0);
    let report = reconcile(&directory.path().join("ledger.sqlite"), None)?;
    assert_eq!(report.differences, []);
    assert_eq!(report.notes.len(), 1, "the new instance: {:?}", report.notes);
    Ok(())
}

/// Of an interval that was closed for one subscriber, what it left to the next is gone with the counters.
#[test]
fn what_was_counted_and_never_recorded_is_not_made_up() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let only = Some(BTreeSet::from([subscriber(11)]));
    let mut cut = TestCut { only, arrived_packets: Some(3), ..pending() };
    cut.counters.insert(key(12, 1, 0, Reason::NotListed), octets(20));
    assert_eq!(cut.close(&mut ledger)?.difference_packets, 0);
    let [closed] = &settle(&mut ledger, 8)?[..] else { return Err("one interval expected".into()) };
    assert_eq!((closed.records, closed.difference_packets), (2, 0));
    let sums = ledger.sum_by_bucket()?;
    assert_eq!((sums["charged"].uplink_octets, sums["pending"].uplink_octets), (110, 0));
    assert_eq!(reconcile(&directory.path().join("ledger.sqlite"), None)?.differences, []);
    Ok(())
}
