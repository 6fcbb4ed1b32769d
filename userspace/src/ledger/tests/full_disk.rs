//! Closing on a disk without room.

use nix::unistd::geteuid;

use super::*;
use crate::small_disk::small_disk;

/// Lets the file grow by `pages` at most, as a disk that is nearly full would.
pub(super) fn limit(ledger: &Ledger, pages: u32) -> Outcome {
    let used: u32 = ledger.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    ledger.connection.pragma_update_and_check(None, "max_page_count", used + pages, |_| Ok(()))?;
    Ok(())
}

pub(super) fn unlimit(ledger: &Ledger) -> Outcome {
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
fn a_full_file_system_loses_nothing() -> Outcome {
    if !geteuid().is_root() {
        eprintln!("not root: a file system of its own cannot be mounted");
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    small_disk(directory.path())?;
    let mut ledger = ledger(directory.path())?;
    let flow = |host| PendingKey { flow: host, subscriber: subscriber(9), epoch: 2, rule: 1 };
    let mut cut = TestCut { instance: 5, ..TestCut::default() };
    cut.counters.insert(key(11, 2, 1, Reason::Address), octets(100));
    cut.pending.extend((0..=200).map(|host| (flow(host), octets(7))));
    let first = cut.close(&mut ledger)?;
    assert_eq!(first.records, 2);

    let filling = directory.path().join("filling");
    let room = fs::write(&filling, vec![0; 2 << 20]).expect_err("the disk is smaller");
    assert_eq!(room.kind(), std::io::ErrorKind::StorageFull);
    cut.counters.extend((0..=u8::MAX).map(|host| (key(host, 2, 0, Reason::NotListed), octets(30))));
    cut.verdicts.extend((0..=200).map(|host| (host, Reason::NameAndAddress)));
    let error = cut.close(&mut ledger).expect_err("no room");
    assert!(error.to_string().contains("the disk is full: make room"), "{error}");
    assert!(matches!(cut.close(&mut ledger), Err(LedgerError::DiskFull)), "it stays full");

    fs::remove_file(&filling)?;
    let closed = cut.close(&mut ledger)?;
    assert_eq!((closed.interval, closed.settled.len()), (2, 201), "nothing of the two failures");
    assert_eq!(cut.close(&mut ledger)?.records, 0, "nothing is recorded twice");
    let sums = ledger.sum_by_bucket()?;
    let times = |count: u64, each: Usage| (0..count).fold(Usage::default(), |sum, _| sum + each);
    let free = octets(100) + times(201, octets(7));
    let expected = [("free", free), ("charged", times(256, octets(30))), ("pending", Usage::default())];
    assert_eq!(sums, expected.map(|(bucket, usage)| (bucket.to_owned(), usage)).into());
    Ok(())
}
