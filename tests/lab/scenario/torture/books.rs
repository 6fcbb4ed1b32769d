//! The ledger as billing reads it: the sums of its records, by bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command;
use crate::volume::{Usage, Volume};

/// docs/billing.md: buckets by number.
const BUCKETS: [&str; 5] = ["free", "charged", "pending", "unattributed", "overflow"];

const SUMS: &str = "
SELECT bucket,
       sum(uplink_packets - uplink_packets_previous) AS up_packets,
       sum(uplink_octets - uplink_octets_previous) AS up_octets,
       sum(downlink_packets - downlink_packets_previous) AS down_packets,
       sum(downlink_octets - downlink_octets_previous) AS down_octets
FROM records JOIN intervals USING (interval)
WHERE instance = (SELECT instance FROM intervals ORDER BY interval LIMIT 1)
GROUP BY bucket;";

const HOLDERS: &str = "
SELECT DISTINCT hex(subscriber) AS subscriber, msisdn
FROM records JOIN identities USING (identity) WHERE identity <> 0;";

/// Whose identity is on records of which subscriber: the address, or the first one of the /64, and an MSISDN.
///
/// # Errors
/// If sqlite3 cannot read it.
pub(super) fn holders(state: &Path) -> Result<BTreeSet<(IpAddr, String)>> {
    let holders = rows(&ask(state, HOLDERS)?)?.into_iter().map(|row| {
        let address = row["subscriber"].as_str().and_then(address).with_context(|| row.to_string())?;
        Ok((address, row["msisdn"].as_str().unwrap_or_default().to_owned()))
    });
    holders.collect()
}

/// docs/billing.md: `0000FFFF` and an IPv4 address, or a /64.
fn address(octets: &str) -> Option<IpAddr> {
    let number = u64::from_str_radix(octets, 16).ok()?;
    if number >> 32 == 0xffff {
        return Some(Ipv4Addr::from(u32::try_from(number & 0xffff_ffff).ok()?).into());
    }
    Some(Ipv6Addr::from(u128::from(number) << 64).into())
}

/// What all records in the ledger in `state` of the first making of the kernel's maps add up to, by bucket.
///
/// # Errors
/// If sqlite3 cannot read it.
pub(super) fn sums(state: &Path) -> Result<BTreeMap<&'static str, Usage>> {
    read(&ask(state, SUMS)?)
}

/// The ledger's file.
pub(super) fn file(state: &Path) -> PathBuf {
    state.join("ledger.sqlite")
}

fn ask(state: &Path, query: &str) -> Result<String> {
    let mut sqlite = Command::new("sqlite3");
    command::run(sqlite.args(["-readonly", "-json"]).arg(file(state)).arg(query), "")
}

/// Nothing at all is no row.
fn rows(answer: &str) -> Result<Vec<Value>> {
    if answer.trim().is_empty() {
        Ok(Vec::new())
    } else {
        serde_json::from_str(answer).context("sqlite3 -json")
    }
}

fn read(answer: &str) -> Result<BTreeMap<&'static str, Usage>> {
    let mut sums = BTreeMap::new();
    for row in rows(answer)? {
        let number = |column: &str| row[column].as_i64().with_context(|| format!("no {column} in {row}"));
        let bucket = BUCKETS.get(usize::try_from(number("bucket")?)?).context("an unknown bucket")?;
        let uplink = Volume { packets: number("up_packets")?, octets: number("up_octets")? };
        let downlink = Volume { packets: number("down_packets")?, octets: number("down_octets")? };
        sums.insert(*bucket, Usage { uplink, downlink });
    }
    Ok(sums)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read() {
        let answer = r#"[{"bucket":4,"up_packets":1,"up_octets":100,"down_packets":2,"down_octets":300}]"#;
        let sums = read(answer).unwrap();
        let uplink = Volume { packets: 1, octets: 100 };
        let downlink = Volume { packets: 2, octets: 300 };
        assert_eq!(sums, BTreeMap::from([("overflow", Usage { uplink, downlink })]));
        assert!(read("\n").unwrap().is_empty());
    }

    /// The examples of docs/billing.md.
    #[test]
    fn subscribers_are_read() {
        assert_eq!(address("0000FFFF0A14000B"), Some("10.20.0.11".parse().unwrap()));
        assert_eq!(address("20010DB800200011"), Some("2001:db8:20:11::".parse().unwrap()));
    }
}
