//! Closing with many accounts.

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
fn close_many(directory: &Path, hosts: u32) -> Outcome {
    let mut ledger = ledger(directory)?;
    let mut cut = TestCut { instance: 5, counters: many(hosts, octets(100)), ..TestCut::default() };
    assert_eq!(cut.close(&mut ledger)?.records, u64::from(hosts));
    if let Some(one) = cut.counters.values_mut().next() {
        *one += octets(1);
    }
    assert_eq!(cut.close(&mut ledger)?.records, 1);
    Ok(())
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
