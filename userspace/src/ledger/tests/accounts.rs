//! Pending accounts, transfers, identities, and the end of accounts.

use super::*;

fn flow(number: u64, host: u8, epoch: u32) -> PendingKey {
    PendingKey { flow: number, subscriber: subscriber(host), epoch, rule: 1 }
}

fn cut() -> TestCut {
    TestCut { instance: 5, ..TestCut::default() }
}

fn number(msisdn: &str) -> SubscriberIdentity {
    SubscriberIdentity { msisdn: Some(msisdn.into()), imsi: None }
}

/// `bucket reason uplink-octets` of each record, and whose it is.
fn lines(ledger: &Ledger, interval: u64) -> Result<Vec<String>, LedgerError> {
    let records = records(ledger, interval)?;
    Ok(records
        .iter()
        .map(|record| {
            let owner = record.identity.msisdn.as_deref().unwrap_or("-");
            format!("{} {} {:+} {owner}", record.bucket, record.reason, record.delta.uplink_octets)
        })
        .collect())
}

/// Interval, flow, epoch, reason and uplink octets of a transfer.
type TransferRow = (i64, i64, u32, u16, i64);

fn transfers(ledger: &Ledger) -> Result<Vec<TransferRow>, LedgerError> {
    let mut statement = ledger
        .connection
        .prepare("SELECT interval, flow, epoch, reason, uplink_octets FROM transfers ORDER BY 1, transfer")?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn rows(ledger: &Ledger, table: &str) -> Result<i64, LedgerError> {
    Ok(ledger.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
}

#[test]
fn a_verdict_transfers_what_the_flow_holds() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let mut cut = cut();
    let (one, two) = (flow(1, 11, 2), flow(2, 11, 2));
    cut.pending = BTreeMap::from([(one, octets(100)), (two, octets(7))]);
    assert_eq!(cut.close(&mut ledger)?.settled, []);
    assert_eq!(lines(&ledger, 1)?, ["pending awaiting-evidence +107 -"]);

    // The first flow carries more before its verdict; the kernel then counts it as free by itself.
    cut.pending.insert(one, octets(130));
    cut.counters.insert(key(11, 2, 1, Reason::NameAndAddress), octets(1000));
    cut.verdicts = BTreeMap::from([(1, Reason::NameAndAddress)]);
    let closed = cut.close(&mut ledger)?;
    assert_eq!((closed.settled, closed.is_complete), (vec![one], true));
    let wanted = ["free name-and-address +1130 -", "pending awaiting-evidence -100 -"];
    assert_eq!(lines(&ledger, 2)?, wanted, "107 pending and 30 more, less 130");
    assert_eq!(transfers(&ledger)?, [(2, 1, 2, 3, 130)]);

    cut.verdicts.insert(2, Reason::Undecided);
    cut.pending.remove(&one);
    assert_eq!(cut.close(&mut ledger)?.settled, [two]);
    assert_eq!(lines(&ledger, 3)?, ["charged undecided +7 -", "pending awaiting-evidence -7 -"]);
    assert_eq!(transfers(&ledger)?[1..], [(3, 2, 2, 38, 7)]);
    Ok(())
}

/// A flow was opened while its address was being learned: it was counted under no rule.
#[test]
fn what_is_learned_goes_to_the_rule_that_the_verdict_names() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let mut cut = cut();
    let under = |flow: PendingKey, rule| PendingKey { rule, ..flow };
    // The second was counted under the rule too, once the address was listed; the third turns out to be a stranger's.
    let (one, two, three) = (under(flow(1, 11, 2), 0), under(flow(2, 11, 2), 0), under(flow(3, 11, 2), 0));
    cut.pending = BTreeMap::from([(one, octets(100)), (two, octets(20)), (three, octets(3))]);
    cut.pending.insert(flow(2, 11, 2), octets(4000));
    cut.arrived_packets = Some(cut.pending.values().map(Usage::packets).sum());
    cut.close(&mut ledger)?;
    cut.verdicts =
        BTreeMap::from([(1, Reason::Address), (2, Reason::NameAndAddress), (3, Reason::NotListed)]);
    cut.verdict_rules = BTreeMap::from([(1, 1), (2, 1)]);
    let closed = cut.close(&mut ledger)?;
    assert_eq!(closed.settled.len(), 4);
    let mut moved = Vec::new();
    let mut statement = ledger.connection.prepare(
        "SELECT flow, coalesce(rule, 0), coalesce(rule_to, 0), reason, uplink_octets + downlink_octets
         FROM transfers WHERE interval = 2",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, u32>(1)?,
            row.get::<_, u32>(2)?,
            row.get::<_, u16>(3)?,
            row.get::<_, i64>(4)?,
        ))
    })?;
    for row in rows {
        moved.push(row?);
    }
    moved.sort_unstable();
    assert_eq!(moved, [(1, 0, 1, 1, 100), (2, 0, 1, 3, 20), (2, 1, 1, 3, 4000), (3, 0, 0, 16, 3)]);
    drop(statement);
    assert_eq!(reconcile(&directory.path().join("ledger.sqlite"), None)?.differences, []);
    Ok(())
}

#[test]
fn what_is_decided_within_one_interval_has_a_transfer_but_no_pending_record() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let mut cut = cut();
    cut.pending.insert(flow(1, 11, 2), octets(100));
    cut.verdicts.insert(1, Reason::OtherName);
    cut.close(&mut ledger)?;
    assert_eq!(lines(&ledger, 1)?, ["charged other-name +100 -"]);
    assert_eq!(transfers(&ledger)?, [(1, 1, 2, 36, 100)]);
    Ok(())
}

#[test]
fn a_verdict_that_decides_nothing_transfers_nothing() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let mut cut = cut();
    cut.pending.insert(flow(1, 11, 2), octets(100));
    cut.verdicts.insert(1, Reason::AwaitingEvidence);
    assert_eq!(cut.close(&mut ledger)?.settled, []);
    assert_eq!(transfers(&ledger)?, []);
    Ok(())
}

/// The entry of an epoch that is over is taken out of the kernel before the flow has its verdict.
#[test]
fn what_is_pending_outlives_its_entry_until_the_verdict() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut first = ledger(directory.path())?;
    let mut cut = TestCut { epoch: 1, ..cut() };
    cut.pending.insert(flow(1, 11, 1), octets(100));
    cut.close(&mut first)?;
    cut.pending.clear();
    cut.epoch = 2;
    for _ in 0..2 {
        assert_eq!(cut.close(&mut first)?.records, 0);
        assert_eq!(rows(&first, "pending")?, 1);
    }
    drop(first);
    let mut again = ledger(directory.path())?;
    cut.verdicts.insert(1, Reason::NameAndAddress);
    assert_eq!(cut.close(&mut again)?.settled, [], "the kernel has no entry to take out");
    let record = &records(&again, 4)?[0];
    assert_eq!((record.epoch, record.bucket.as_str(), record.delta.uplink_octets), (1, "free", 100));
    assert_eq!((rows(&again, "pending")?, rows(&again, "received")?, rows(&again, "retired")?), (0, 0, 1));
    Ok(())
}

/// A crash between the commit and the removal, and one in the middle of the removal.
#[test]
fn an_entry_that_was_not_taken_out_is_not_counted_again() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut first = ledger(directory.path())?;
    let (free, one) = (key(11, 1, 1, Reason::Address), flow(1, 11, 1));
    let mut cut = TestCut { epoch: 1, ..cut() };
    cut.counters.insert(free, octets(100));
    cut.pending.insert(one, octets(30));
    cut.verdicts.insert(1, Reason::OtherName);
    assert_eq!(cut.close(&mut first)?.settled, [one]);
    drop(first);
    let mut again = ledger(directory.path())?;
    cut.epoch = 2;
    let closed = cut.close(&mut again)?;
    assert_eq!((closed.records, closed.settled), (0, vec![one]), "to be taken out still");

    // One bank's entries are gone.
    cut.counters.insert(free, octets(60));
    cut.pending.insert(one, octets(10));
    assert_eq!(cut.close(&mut again)?.records, 0);
    assert_eq!((rows(&again, "cumulatives")?, rows(&again, "retired")?), (1, 0));

    cut.counters.clear();
    cut.pending.clear();
    cut.arrived_packets = Some(2);
    let closed = cut.close(&mut again)?;
    assert_eq!((closed.records, closed.difference_packets), (0, 0), "closed accounts count");
    assert_eq!(
        (rows(&again, "cumulatives")?, rows(&again, "pending")?, rows(&again, "received")?),
        (0, 0, 0)
    );
    drop(again);
    assert_eq!(cut.close(&mut ledger(directory.path())?)?.difference_packets, 0, "after a start too");
    Ok(())
}

#[test]
fn an_account_is_not_closed_while_it_can_change() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let mut cut = TestCut { epoch: 1, ..cut() };
    let free = key(11, 1, 1, Reason::NameAndAddress);
    cut.counters = BTreeMap::from([(free, octets(100)), (key(12, 1, 1, Reason::Address), octets(5))]);
    cut.pending.insert(flow(1, 11, 1), octets(30));
    cut.close(&mut ledger)?;
    cut.counters.clear();
    cut.close(&mut ledger)?;
    assert_eq!(rows(&ledger, "cumulatives")?, 2, "the epoch goes on");
    cut.epoch = 2;
    cut.close(&mut ledger)?;
    assert_eq!(rows(&ledger, "cumulatives")?, 1, "the flow may still become free");
    cut.verdicts.insert(1, Reason::NameAndAddress);
    cut.close(&mut ledger)?;
    let record = &records(&ledger, 4)?[0];
    assert_eq!((record.previous.uplink_octets, record.cumulative.uplink_octets), (100, 130));
    assert_eq!(rows(&ledger, "cumulatives")?, 1, "the flow's entry is there still");
    cut.pending.clear();
    cut.close(&mut ledger)?;
    assert_eq!(rows(&ledger, "cumulatives")?, 0);
    Ok(())
}

#[test]
fn a_flow_that_goes_back_is_refused() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let mut cut = cut();
    cut.pending.insert(flow(1, 11, 2), octets(100));
    cut.close(&mut ledger)?;
    cut.pending.insert(flow(1, 11, 2), octets(99));
    let error = cut.close(&mut ledger).expect_err("it went back").to_string();
    assert!(error.contains("flow 1, subscriber 10.20.0.11/32, rule 1, epoch 2"), "{error}");
    Ok(())
}

/// What was counted while the address was the first one's stays his, also when it is decided later.
#[test]
fn usage_is_of_who_had_the_address() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let mut cut = cut();
    cut.owners.insert(11, number("84901"));
    let (mine, others) = (key(11, 2, 0, Reason::NotListed), key(12, 2, 0, Reason::NotListed));
    cut.counters = BTreeMap::from([(mine, octets(10)), (others, octets(500))]);
    cut.pending.insert(flow(1, 11, 2), octets(30));
    cut.arrived_packets = Some(3);
    let handover = TestCut { only: Some(BTreeSet::from([subscriber(11)])), ..cut.clone() };
    let closed = handover.close(&mut ledger)?;
    assert_eq!((closed.is_complete, closed.difference_packets), (false, 0));
    assert_eq!(lines(&ledger, 1)?, ["charged not-listed +10 84901", "pending awaiting-evidence +30 84901"]);

    cut.owners.insert(11, number("84902"));
    cut.counters.insert(mine, octets(16));
    cut.pending.insert(flow(1, 11, 2), octets(70));
    cut.verdicts.insert(1, Reason::OtherName);
    cut.close(&mut ledger)?;
    let expected = BTreeSet::from([
        "charged not-listed +6 84902",
        "charged not-listed +500 -",
        "charged other-name +30 84901",
        "charged other-name +40 84902",
        "pending awaiting-evidence -30 84901",
    ]);
    let found = lines(&ledger, 2)?;
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    Ok(())
}

#[test]
fn an_identity_has_one_number() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut first = ledger(directory.path())?;
    let mut cut = cut();
    let both = SubscriberIdentity { msisdn: Some("84901".into()), imsi: Some("452040".into()) };
    cut.owners = BTreeMap::from([(11, number("84901")), (12, both.clone()), (13, number("84901"))]);
    for octets_now in [10, 20] {
        for host in 11..=14 {
            cut.counters.insert(key(host, 2, 0, Reason::NotListed), octets(octets_now));
        }
        cut.close(&mut first)?;
        drop(first);
        first = ledger(directory.path())?;
    }
    assert_eq!(rows(&first, "identities")?, 3, "two, and nobody");
    let found: BTreeMap<String, SubscriberIdentity> =
        records(&first, 2)?.into_iter().map(|record| (record.subscriber, record.identity)).collect();
    assert_eq!(found["10.20.0.12/32"], both);
    assert_eq!(found["10.20.0.13/32"], number("84901"));
    assert_eq!(found["10.20.0.14/32"], SubscriberIdentity::default());
    Ok(())
}

#[test]
fn what_was_sent_again_is_kept_when_it_grew() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let mut cut = cut();
    for (rule, octets_now) in [(1, 100), (1, 100), (2, 7), (1, 130)] {
        cut.sent_again.insert(rule, octets(octets_now));
        cut.close(&mut ledger)?;
    }
    let mut statement = ledger.connection.prepare(
        "SELECT interval, rule, uplink_octets_previous, uplink_octets FROM sent_again ORDER BY interval",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let rows: Vec<(u32, u32, u32, u32)> = rows.collect::<Result<_, _>>()?;
    assert_eq!(rows, [(1, 1, 0, 100), (3, 2, 0, 7), (4, 1, 100, 130)]);
    Ok(())
}

#[test]
fn ceilings_are_kept_with_who_passed_them() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let day = jiff::civil::date(2020, 2, 1);
    let passed = CeilingPassed { subscriber: subscriber(11), rule: 1, day, used_octets: 2 << 30 };
    let mut cut = TestCut { ceilings: vec![passed], ..cut() };
    cut.owners.insert(11, number("84901"));
    cut.close(&mut ledger)?;
    let row: (String, String, i64) = ledger.connection.query_row(
        "SELECT msisdn, day, used_octets FROM ceilings JOIN identities USING (identity)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    assert_eq!(row, ("84901".into(), "2020-02-01".into(), 2 << 30));
    let unknown = CeilingPassed { rule: 9, ..passed };
    cut.ceilings = vec![unknown];
    assert!(matches!(cut.close(&mut ledger), Err(LedgerError::UnknownRule { rule: 9 })));
    Ok(())
}
