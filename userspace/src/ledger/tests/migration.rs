//! Files of earlier versions.

use rusqlite::Connection;

use super::*;
use crate::ledger::schema::VERSION_1;

/// As the first version wrote it: three counters, one of which grew twice, and an interface.
const CONTENT: &str = "
    INSERT INTO rules VALUES (1, 'vn-covid19-2020', 'moh-portal'), (3, 'vn-covid19-2020', 'command-centre');
    INSERT INTO epochs VALUES (1, 'digest-1', '2020-02-01T00:00:00Z', 10), (2, 'digest-2', '2020-02-01T00:01:00Z', 11);
    INSERT INTO intervals (gateway, boot_id, instance, epoch, started_at, closed_at, reason, records, last_record,
                           counted_packets, interface_packets, published)
        VALUES ('gw1', 'boot', 5, 1, '2020-02-01T00:00:00Z', '2020-02-01T00:01:00Z', 'clock', 2, 2, 5, 5, 1),
               ('gw1', 'boot', 5, 2, '2020-02-01T00:01:00Z', '2020-02-01T00:02:00Z', 'clock', 2, 4, 9, 9, 0);
    INSERT INTO records VALUES
        (1, 1, x'0000FFFF0A14000B', 1, 0, 1, 1, 9001, 0, 0, 0, 0, 1, 60, 1, 100),
        (1, 2, x'0000FFFF0A14000B', 1, 1, 16, NULL, NULL, 0, 0, 0, 0, 3, 40, 0, 0),
        (2, 3, x'0000FFFF0A14000B', 1, 0, 1, 1, 9001, 1, 60, 1, 100, 2, 90, 1, 100),
        (2, 4, x'20010DB800200011', 2, 1, 16, NULL, NULL, 0, 0, 0, 0, 3, 50, 0, 0);
    INSERT INTO cumulatives VALUES
        (5, x'0000FFFF0A14000B', 1, 1, 0, 1, 2, 90, 1, 100),
        (5, x'0000FFFF0A14000B', 1, 0, 1, 16, 3, 40, 0, 0),
        (5, x'20010DB800200011', 2, 0, 1, 16, 3, 50, 0, 0);
    INSERT INTO interface_cuts (interval, name, role, packets, frame_octets, bucket_packets, bucket_frame_octets,
                                nic_packets, nic_octets)
        VALUES (2, 'access0', 'access', 9, 700, 9, 700, 9, 700);
    INSERT INTO call_files VALUES (1, 'gw1', 1);
    INSERT INTO name_addresses VALUES ('moh.gov.vn', '192.0.2.7', '2020-02-01T00:00:01Z', 300);
    PRAGMA user_version = 1;
";

fn old_file(directory: &Path) -> Result<(), rusqlite::Error> {
    let old = Connection::open(directory.join("ledger.sqlite"))?;
    old.pragma_update(None, "journal_mode", "WAL")?;
    old.execute_batch(VERSION_1)?;
    old.execute_batch(CONTENT)
}

#[test]
fn what_the_first_version_wrote_is_still_read() -> Outcome {
    let directory = tempfile::tempdir()?;
    old_file(directory.path())?;
    let ledger = Ledger::open(&directory.path().join("ledger.sqlite"))?;
    let intervals = ledger.unpublished_intervals()?;
    assert_eq!(intervals.iter().map(|interval| interval.interval).collect::<Vec<_>>(), [2]);
    let old = &records(&ledger, 1)?;
    assert_eq!(old.iter().map(|record| record.record).collect::<Vec<_>>(), [1, 2]);
    let [record, other] = &records(&ledger, 2)?[..] else { return Err("two records expected".into()) };
    assert_eq!(
        (record.subscriber.as_str(), other.subscriber.as_str()),
        ("10.20.0.11/32", "2001:db8:20:11::/64")
    );
    assert_eq!((record.rule_id.as_deref(), record.rating_group), (Some("moh-portal"), Some(9001)));
    assert_eq!((record.previous.uplink_octets, record.cumulative.uplink_octets), (60, 90));
    assert_eq!(record.delta, Change { uplink_packets: 1, uplink_octets: 30, ..Change::default() });
    assert_eq!(record.identity, SubscriberIdentity::default());
    let [kept] = &ledger.saved_answers()?[..] else { return Err("one name expected".into()) };
    let [(source, answer)] = &kept.answers[..] else { return Err("one answer expected".into()) };
    assert_eq!((kept.name.as_str(), *source), ("moh.gov.vn", Source::Resolver));
    assert_eq!((answer.ttl, answer.learned_at), (Duration::from_mins(5), at(1)));
    // Whether it was validated was not kept: where a proof is required, it is not trusted.
    assert_eq!((answer.security, answer.resolver), (Security::Indeterminate, None));
    Ok(())
}

#[test]
fn a_migrated_ledger_goes_on() -> Outcome {
    let directory = tempfile::tempdir()?;
    old_file(directory.path())?;
    let mut ledger = Ledger::open(&directory.path().join("ledger.sqlite"))?;
    let dangling: Vec<String> = {
        let mut check = ledger.connection.prepare("SELECT \"table\" FROM pragma_foreign_key_check")?;
        check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    assert!(dangling.is_empty(), "{dangling:?}");
    assert_eq!(ledger.rule_number("vn-covid19-2020", "new")?, 4, "numbers go on");
    // One of the old epoch's counters was taken out of the kernel.
    let free = key(11, 1, 1, Reason::Address);
    let read = Usage { uplink_packets: 4, uplink_octets: 190, downlink_packets: 1, downlink_octets: 100 };
    let cut = TestCut {
        instance: 5,
        counters: Counters::from([(free, read)]),
        arrived_packets: Some(11),
        ..TestCut::default()
    };
    let closed = cut.close(&mut ledger)?;
    assert_eq!((closed.interval, closed.last_record, closed.difference_packets), (3, 5, 0));
    let record = &records(&ledger, 3)?[0];
    assert_eq!((record.previous.uplink_octets, record.delta.uplink_octets), (90, 100));
    Ok(())
}

#[test]
fn a_migrated_file_has_the_schema_of_a_new_one() -> Outcome {
    let schema = |path: &Path| -> Result<BTreeMap<String, Option<String>>, LedgerError> {
        let ledger = Ledger::open(&path.join("ledger.sqlite"))?;
        let mut statement = ledger.connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let (old, new) = (tempfile::tempdir()?, tempfile::tempdir()?);
    old_file(old.path())?;
    assert_eq!(schema(old.path())?, schema(new.path())?);
    Ok(())
}

/// An interrupted migration is rolled back whole.
#[test]
fn a_migration_without_room_changes_nothing() -> Outcome {
    let directory = tempfile::tempdir()?;
    old_file(directory.path())?;
    let path = directory.path().join("ledger.sqlite");
    let mut connection = Connection::open(&path)?;
    let pages: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    connection.pragma_update_and_check(None, "max_page_count", pages + 2, |_| Ok(()))?;
    let failed = schema::migrate(&mut connection).expect_err("no room");
    assert!(matches!(failed, LedgerError::DiskFull), "{failed}");
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    assert_eq!(version, 1);
    drop(connection);
    assert_eq!(records(&Ledger::open(&path)?, 2)?.len(), 2);
    Ok(())
}
