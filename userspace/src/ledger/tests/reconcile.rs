//! `tollfree reconcile`: a ledger that is right, and each thing that can be wrong with one.

use serde_json::json;

use super::*;

const FILE: &str = "ledger.sqlite";

/// A minute each of an interface on which everything arrives; `nic` is what the NIC has more.
fn interface(frames: u64, nic: u64) -> InterfaceCut {
    InterfaceCut {
        name: "access0".into(),
        role: Role::Access,
        packets: frames,
        frame_octets: frames * 100,
        bucket_packets: frames,
        bucket_frame_octets: frames * 100,
        nic_packets: frames + nic,
        nic_octets: (frames + nic) * 100,
    }
}

fn of(packets: u64, octets_each: u64) -> Usage {
    Usage { uplink_packets: packets, uplink_octets: packets * octets_each, ..Usage::default() }
}

/// Three intervals: a counter that grows, a flow that is decided in the second, a handover in the third.
fn fixture(directory: &Path) -> Outcome {
    let mut ledger = ledger(directory)?;
    let (free, flow) = (
        key(11, 2, 1, Reason::Address),
        PendingKey { flow: 1, subscriber: subscriber(12), epoch: 2, rule: 1 },
    );
    let mut cut = TestCut { instance: 5, interfaces: vec![interface(10, 0)], ..TestCut::default() };
    cut.counters.insert(free, of(6, 100));
    cut.pending.insert(flow, of(4, 50));
    cut.close(&mut ledger)?;
    cut.verdicts.insert(1, Reason::OtherName);
    cut.counters.insert(free, of(26, 100));
    cut.interfaces = vec![interface(30, 0)];
    cut.close(&mut ledger)?;
    cut.pending.clear();
    cut.counters.insert(free, of(27, 100));
    cut.counters.insert(key(13, 2, 0, Reason::NotListed), of(3, 40));
    cut.interfaces = vec![interface(34, 0)];
    cut.only = Some(BTreeSet::from([subscriber(11)]));
    cut.close(&mut ledger)?;
    cut.only = None;
    cut.close(&mut ledger)?;
    Ok(())
}

fn kinds(report: &Reconciliation) -> Result<Vec<String>, serde_json::Error> {
    let kind =
        |difference| Ok(serde_json::to_value(difference)?["kind"].as_str().unwrap_or_default().to_owned());
    report.differences.iter().map(kind).collect()
}

#[test]
fn a_ledger_that_is_right_has_no_difference() -> Outcome {
    let directory = tempfile::tempdir()?;
    fixture(directory.path())?;
    let mut report = reconcile(&directory.path().join(FILE), None)?;
    report.ledger = FILE.into();
    insta::assert_snapshot!(render(&report), @r#"
    ledger ledger.sqlite: 4 intervals (1 to 4, closed 2020-02-01T00:02:00Z to 2020-02-01T00:02:00Z), 7 records, 1 transfer

    BUCKET            UPLINK PACKETS         UPLINK OCTETS  DOWNLINK PACKETS       DOWNLINK OCTETS
    charged                        7                   320                 0                     0
    free                          27                  2700                 0                     0
    pending                        0                     0                 0                     0

    INTERFACE       ROLE     INTERVALS    FRAMES ARRIVED    BUCKETS LESS      NIC LESS
    access0         access           4                34              +0            +0

    no difference: every packet that arrived is in one account, and every change is one record
    "#);
    Ok(())
}

#[test]
fn differences_are_named_with_their_numbers() -> Outcome {
    let directory = tempfile::tempdir()?;
    fixture(directory.path())?;
    let ledger = ledger(directory.path())?;
    ledger.connection.execute_batch(
        "UPDATE records SET uplink_packets = uplink_packets + 2 WHERE record = 3;
         UPDATE interface_cuts SET bucket_packets = bucket_packets - 1 WHERE interval = 2;
         UPDATE intervals SET interface_packets = interface_packets + 1 WHERE interval = 4;",
    )?;
    let mut report = reconcile(&directory.path().join(FILE), None)?;
    report.ledger = FILE.into();
    insta::assert_snapshot!(render(&report), @r#"
    ledger ledger.sqlite: 4 intervals (1 to 4, closed 2020-02-01T00:02:00Z to 2020-02-01T00:02:00Z), 7 records, 1 transfer

    BUCKET            UPLINK PACKETS         UPLINK OCTETS  DOWNLINK PACKETS       DOWNLINK OCTETS
    charged                        7                   320                 0                     0
    free                          29                  2700                 0                     0
    pending                        0                     0                 0                     0

    INTERFACE       ROLE     INTERVALS    FRAMES ARRIVED    BUCKETS LESS      NIC LESS
    access0         access           4                34              +0            +0

    DIFFERENCE: interval 2, interface access0: buckets less arrivals was +0 frames, +0 octets and is -1 frames, +0 octets
    DIFFERENCE: interval 2: the records up to here add up to 32 packets; the interval says 30 (+2)
    DIFFERENCE: interval 3, interface access0: buckets less arrivals was -1 frames, +0 octets and is +0 frames, +0 octets
    DIFFERENCE: interval 3: record 6 (subscriber 10.20.0.11/32, bucket free, reason address, rule 1, epoch 2) starts from 26 packets, 2600 octets; the account's last balance is 28 packets, 2600 octets
    DIFFERENCE: interval 4: counters less arrivals was +0 packets and is -1
    5 differences
    "#);
    let expected = json!([
        { "kind": "buckets", "interval": 2, "interface": "access0", "before": 0, "before_octets": 0, "now": -1,
          "now_octets": 0 },
        { "kind": "recorded", "interval": 2, "found": 32, "stated": 30 },
        { "kind": "buckets", "interval": 3, "interface": "access0", "before": -1, "before_octets": 0, "now": 0,
          "now_octets": 0 },
        { "kind": "chain", "interval": 3, "record": 6,
          "account": "subscriber 10.20.0.11/32, bucket free, reason address, rule 1, epoch 2", "previous": 26,
          "previous_octets": 2600, "due": 28, "due_octets": 2600 },
        { "kind": "arrived", "interval": 4, "before": 0, "now": -1 },
    ]);
    assert_eq!(serde_json::to_value(&report.differences)?, expected);
    Ok(())
}

/// Each tampering is found as what it is.
#[test]
fn each_tampering_is_found() -> Outcome {
    let cases: [(&str, &[&str]); 15] = [
        ("DELETE FROM records WHERE record = 3", &["record-gap", "record-count"]),
        ("DELETE FROM records WHERE record = 5", &["record-count"]),
        ("UPDATE records SET record = 40 WHERE record = 4", &["record-gap", "record-count"]),
        ("UPDATE records SET uplink_octets_previous = 1 WHERE record = 1", &["chain"]),
        ("UPDATE records SET downlink_packets = 9 WHERE record = 1", &["chain", "recorded"]),
        ("UPDATE records SET uplink_octets = 0 WHERE record = 3", &["went-down", "chain"]),
        ("UPDATE records SET uplink_octets = 100 WHERE record = 4", &["not-credited"]),
        ("UPDATE transfers SET uplink_octets = uplink_octets - 1", &["not-transferred"]),
        ("UPDATE transfers SET uplink_packets = 5", &["not-credited"]),
        ("DELETE FROM transfers", &["not-transferred"]),
        (
            "UPDATE intervals SET counted_packets = counted_packets + 1 WHERE interval = 2",
            &["counted", "arrived"],
        ),
        (
            "UPDATE intervals SET recorded_packets = recorded_packets - 1 WHERE interval = 2",
            &["recorded", "counted"],
        ),
        ("UPDATE records SET epoch = 1 WHERE record = 7", &["epoch-over"]),
        ("UPDATE intervals SET epoch = 1 WHERE interval = 4", &["epoch-ahead"]),
        ("UPDATE cumulatives SET uplink_packets = uplink_packets - 1", &["last-cut"]),
    ];
    for (tampering, expected) in cases {
        let directory = tempfile::tempdir()?;
        fixture(directory.path())?;
        ledger(directory.path())?.connection.execute_batch(tampering)?;
        let report = reconcile(&directory.path().join(FILE), None)?;
        let found = kinds(&report)?;
        for kind in expected {
            assert!(found.iter().any(|found| found == kind), "{tampering}: {kind} is not in {found:?}");
        }
    }
    Ok(())
}

#[test]
fn a_missing_interval_is_found() -> Outcome {
    let directory = tempfile::tempdir()?;
    fixture(directory.path())?;
    ledger(directory.path())?.connection.execute_batch(
        "PRAGMA foreign_keys = OFF; DELETE FROM intervals WHERE interval = 2; DELETE FROM records WHERE interval = 2;",
    )?;
    let report = reconcile(&directory.path().join(FILE), None)?;
    assert!(report.differences.contains(&Difference::IntervalGap { interval: 3, before: 1 }), "{report:?}");
    assert!(kinds(&report)?.contains(&"chain".to_owned()));
    Ok(())
}

/// The counters of a NIC and of the program are not read at one instant.
#[test]
fn a_nic_may_be_ahead_for_a_moment_but_not_for_ever() -> Outcome {
    // Frames of each minute, how many the NIC has more than arrived by its end, and how many it lastingly has.
    for (minutes, expected) in [
        ([(600, 10), (600, 0), (600, 10)], vec![]),
        ([(600, 10), (600, 10), (600, 10)], vec![]),
        ([(600, 0), (600, 25), (600, 20)], vec![(2, 20)]),
        ([(600, 0), (600, 0), (600, 11)], vec![(3, 11)]),
    ] {
        let directory = tempfile::tempdir()?;
        let mut ledger = ledger(directory.path())?;
        let mut cut = TestCut { instance: 5, ..TestCut::default() };
        let mut frames = 0;
        for (more, ahead) in minutes {
            frames += more;
            cut.counters.insert(key(11, 2, 1, Reason::Address), of(frames, 100));
            cut.interfaces = vec![interface(frames, ahead)];
            cut.close(&mut ledger)?;
        }
        let found = reconcile(&directory.path().join(FILE), None)?.differences;
        let found: Vec<_> = found
            .into_iter()
            .map(|difference| match difference {
                Difference::Nic { interval, frames, tolerance: 10, .. } => (interval, frames),
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(found, expected, "{minutes:?}");
    }
    Ok(())
}

#[test]
fn new_counters_are_noted() -> Outcome {
    let directory = tempfile::tempdir()?;
    fixture(directory.path())?;
    let mut ledger = ledger(directory.path())?;
    close(&mut ledger, 6, &Counters::new())?;
    ledger.connection.execute("UPDATE intervals SET boot_id = 'other' WHERE interval = 5", [])?;
    let report = reconcile(&directory.path().join(FILE), None)?;
    let [note] = &report.notes[..] else { return Err("one note expected".into()) };
    assert!(
        note.to_string().starts_with("interval 5: counters began anew (gateway gw1, boot other, instance 0")
    );
    assert_eq!(report.differences, []);
    Ok(())
}

/// What is counted after an activation whose close failed is under two epochs; after a close, under one.
#[test]
fn usage_of_two_epochs_is_noted_once_and_refused_later() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let mut cut = TestCut { instance: 5, interfaces: vec![interface(3, 0)], ..TestCut::default() };
    cut.counters.insert(key(11, 1, 1, Reason::Address), of(1, 100));
    cut.counters.insert(key(11, 2, 1, Reason::Address), of(2, 100));
    cut.close(&mut ledger)?;
    let report = reconcile(&directory.path().join(FILE), None)?;
    assert_eq!(report.notes, [Note::TwoEpochs { interval: 1, epoch: 2, older: 1 }]);
    assert_eq!(report.differences, []);

    cut.counters.insert(key(11, 1, 1, Reason::Address), of(2, 100));
    cut.interfaces = vec![interface(4, 0)];
    cut.close(&mut ledger)?;
    let report = reconcile(&directory.path().join(FILE), None)?;
    assert!(matches!(
        report.differences[..],
        [Difference::EpochOver { interval: 2, epoch: 1, ended_by: 1, .. }]
    ));
    Ok(())
}

#[test]
fn earlier_intervals_are_taken_to_be_right() -> Outcome {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join(FILE);
    fixture(directory.path())?;
    let ledger = ledger(directory.path())?;
    ledger.connection.execute_batch(
        "UPDATE intervals SET closed_at = '2020-02-01T00:03:00Z' WHERE interval > 1;
         UPDATE records SET uplink_packets_previous = 1 WHERE record = 1;",
    )?;
    assert_eq!(kinds(&reconcile(&path, None)?)?, ["chain", "recorded"]);
    let report = reconcile(&path, Some(at(180)))?;
    assert_eq!((report.range, report.differences), (Some((2, 4)), vec![]));
    let report = reconcile(&path, Some(at(181)))?;
    assert_eq!((report.intervals, render(&report).contains("no interval to check")), (0, true));
    Ok(())
}

#[test]
fn a_ledger_of_another_version_is_not_read() -> Outcome {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join(FILE);
    assert!(matches!(reconcile(&path, None), Err(LedgerError::Open { .. })));
    assert!(!path.exists(), "nothing is made");
    ledger(directory.path())?.connection.pragma_update(None, "user_version", 1)?;
    let error = reconcile(&path, None).expect_err("too old").to_string();
    assert!(error.contains("its schema is version 1"), "{error}");
    Ok(())
}
