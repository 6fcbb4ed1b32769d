//! More subscribers, one after the other, than there are counters.

use std::fs;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::Path;

use tollfree_tests::audit;

use crate::machine::{Machine, stop};

/// More than three of four parts of the counters that the machine has (1,024), and fewer than all of them.
const CROWD: u16 = 800;
/// An IPv4 header, a UDP header, and what each subscriber says.
const VOLUME_OCTETS: u64 = 33;

/// Subscribers' addresses in the machine's pool, by number.
fn subscribers(numbers: Range<u16>) -> impl Iterator<Item = Ipv4Addr> + Send {
    numbers.map(|number| {
        let [high, low] = number.to_be_bytes();
        Ipv4Addr::new(10, 20, 16 + high, low)
    })
}

/// Two crowds do not fit together. The second does, because the counters of the first were recorded and taken out, under
/// a new epoch of the same policy; those of the first who come back count on where they were.
#[test]
fn nearly_full_counters_are_renewed_and_lose_nothing() {
    let machine = Machine::new();
    machine.extend("[ledger]\ninterval = \"1s\"");
    let controller = machine.start();
    let before = machine.status();
    assert_eq!(before["epoch"], 1);
    // The table has two banks, of which one counts at a time, until the next close or reading of the status.
    let is_full = || {
        let is_full = |bank: &&str| machine.entries(bank) >= usize::from(CROWD);
        ["COUNTERS_0", "COUNTERS_1"].iter().any(is_full) || machine.status()["epoch"] != 1
    };
    let mut rounds = 0;
    while !is_full() {
        machine.send_from(subscribers(0..CROWD));
        rounds += 1;
    }
    let renewed = machine.wait_for(|status| status["epoch"] != 1);
    for unchanged in ["policy_digest", "rules", "instance"] {
        assert_eq!(renewed[unchanged], before[unchanged]);
    }
    machine.send_from(subscribers(CROWD..2 * CROWD).chain(subscribers(0..10)));
    let packets = (rounds + 1) * u64::from(CROWD) + 10;
    let status = machine.wait_for(|status| status["totals"]["charged"]["packets"] == packets);
    assert_eq!(status["totals"]["charged"]["octets"], packets * VOLUME_OCTETS);
    assert_eq!(
        (&status["totals"]["overflow"]["packets"], &status["stats"]["counter-full"]),
        (&0.into(), &0.into())
    );
    let of = |subscriber: &str| {
        let counters = status["counters"].as_array().unwrap();
        let own = counters.iter().filter(|counter| counter["subscriber"] == subscriber);
        own.map(|counter| counter["uplink_packets"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!([of("10.20.16.0/32"), of("10.20.16.10/32")], [[rounds + 1], [rounds]]);
    stop(controller);
    let log = machine.path("state/audit");
    let says_why = |file: &Path| {
        String::from_utf8_lossy(&fs::read(log.join(file)).unwrap()).contains("counters-renewed")
    };
    assert!(audit::files(&log).unwrap().iter().any(|file| says_why(file)), "the log does not say why");
}
