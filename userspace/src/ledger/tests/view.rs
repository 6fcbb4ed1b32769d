//! The view that people query.

use proptest::prelude::*;

use super::*;
use crate::ledger::key::subscriber_name;

#[test]
fn the_view_has_records_in_words() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let mut cut = TestCut { instance: 5, ..TestCut::default() };
    let flow = PendingKey { flow: 1, subscriber: subscriber(11), epoch: 2, rule: 1 };
    cut.pending.insert(flow, octets(100));
    cut.owners.insert(11, SubscriberIdentity { msisdn: Some("84901".into()), imsi: None });
    cut.close(&mut ledger)?;
    cut.verdicts.insert(1, Reason::NameAndAddress);
    cut.close(&mut ledger)?;
    let mut statement = ledger.connection.prepare(
        "SELECT concat_ws('|', interval, closed_at, subscriber, msisdn, imsi, policy, rule_id, rating_group, bucket,
                          reason, epoch, uplink_packets, uplink_octets, downlink_packets, downlink_octets)
         FROM usage ORDER BY record",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let common = "2020-02-01T00:02:00Z|10.20.0.11/32|84901|vn-covid19-2020|moh-portal|9001";
    let expected = [
        format!("1|{common}|pending|awaiting-evidence|2|1|100|0|0"),
        format!("2|{common}|free|name-and-address|2|1|100|0|0"),
        format!("2|{common}|pending|awaiting-evidence|2|-1|-100|0|0"),
    ];
    assert_eq!(rows, expected);
    Ok(())
}

#[test]
fn a_number_of_a_later_version_stays_a_number() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let unknown = CounterKey { bucket: 77, reason: 999, ..key(11, 2, 0, Reason::NotListed) };
    close(&mut ledger, 5, &Counters::from([(unknown, octets(1))]))?;
    let words: (String, String) =
        ledger
            .connection
            .query_row("SELECT bucket, reason FROM usage", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    assert_eq!(words, ("77".into(), "999".into()));
    Ok(())
}

/// Octets that make interesting prefixes: many zeros.
fn subscriber_octets() -> impl Strategy<Value = [u8; 8]> {
    let octet = prop_oneof![3 => Just(0), 1 => any::<u8>()];
    let v6 = (1..=u8::MAX, prop::array::uniform7(octet.clone()))
        .prop_map(|(first, [a, b, c, d, e, f, g])| [first, a, b, c, d, e, f, g]);
    let v4 = prop::array::uniform4(octet).prop_map(|[a, b, c, d]| [0, 0, 0xff, 0xff, a, b, c, d]);
    prop_oneof![v6, v4, Just([0; 8])]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// The view writes addresses in SQL; the records' writer is the standard library.
    #[test]
    fn the_view_writes_subscribers_as_records_do(all in prop::collection::btree_set(subscriber_octets(), 1..64)) {
        let run = || -> Result<(), Box<dyn Error>> {
            let directory = tempfile::tempdir()?;
            let mut ledger = ledger(directory.path())?;
            let counters = all.iter().map(|octets_of| {
                let subscriber = SubscriberId::from_octets(*octets_of);
                let reason = Reason::NotListed;
                (CounterKey::new(subscriber, 2, 0, reason.bucket(), reason), octets(1))
            });
            close(&mut ledger, 5, &counters.collect())?;
            let mut statement = ledger.connection.prepare("SELECT subscriber FROM usage")?;
            let found: BTreeSet<String> =
                statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let expected: BTreeSet<String> =
                all.iter().map(|octets_of| subscriber_name(SubscriberId::from_octets(*octets_of))).collect();
            assert_eq!(found, expected);
            Ok(())
        };
        run().map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
}
