//! Closing with many accounts.

use std::time::Instant;

use super::*;

fn many(hosts: u32, each: Usage) -> Counters {
    (0..hosts)
        .map(|host| {
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + host);
            let subscriber = SubscriberId::of(&Address::from(std::net::IpAddr::from(address)), Family::V4);
            let reason = Reason::NotListed;
            (CounterKey::new(subscriber, 2, 0, reason.bucket(), reason), each)
        })
        .collect()
}

/// Closes with `hosts` new accounts, then with one of them changed.
fn close_many(directory: &Path, hosts: u32) -> Result<(Duration, Duration), LedgerError> {
    let mut ledger = ledger(directory)?;
    let mut cut = TestCut { instance: 5, counters: many(hosts, octets(100)), ..TestCut::default() };
    let start = Instant::now();
    assert_eq!(cut.close(&mut ledger)?.records, u64::from(hosts));
    let all = start.elapsed();
    if let Some(one) = cut.counters.values_mut().next() {
        *one += octets(1);
    }
    let start = Instant::now();
    assert_eq!(cut.close(&mut ledger)?.records, 1);
    Ok((all, start.elapsed()))
}

#[test]
fn the_last_cut_is_not_read_again() -> Outcome {
    let directory = tempfile::tempdir()?;
    close_many(directory.path(), 10_000)?;
    let mut ledger = ledger(directory.path())?;
    let cut = TestCut { instance: 5, counters: many(10_000, octets(101) + octets(1)), ..TestCut::default() };
    assert_eq!(cut.close(&mut ledger)?.records, 10_000);
    // Were it read from the file, every counter would be new.
    ledger.connection.execute("DELETE FROM cumulatives", [])?;
    assert_eq!(cut.close(&mut ledger)?.records, 0);
    Ok(())
}

#[test]
#[ignore = "minutes without optimisation; prints how long closes take"]
fn a_million_accounts() -> Outcome {
    let directory = tempfile::tempdir()?;
    let (all, one) = close_many(directory.path(), 1_000_000)?;
    println!("1000000 of 1000000 accounts changed: {all:?}; 1 of them: {one:?}");
    let start = Instant::now();
    let mut ledger = ledger(directory.path())?;
    let cut =
        TestCut { instance: 5, counters: many(1_000_000, octets(101) + octets(1)), ..TestCut::default() };
    cut.close(&mut ledger)?;
    println!("read from the file, and 1000000 changed again: {:?}", start.elapsed());
    Ok(())
}
