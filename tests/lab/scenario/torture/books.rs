//! The ledger as billing reads it: the sums of its records, by bucket.

use std::collections::BTreeMap;
use std::path::Path;
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
FROM records GROUP BY bucket;";

/// What all records of the ledger in `state` add up to, by bucket.
///
/// # Errors
/// If sqlite3 cannot read it.
pub(super) fn sums(state: &Path) -> Result<BTreeMap<&'static str, Usage>> {
    let mut sqlite = Command::new("sqlite3");
    let answer = command::run(sqlite.args(["-readonly", "-json"]).arg(state.join("ledger.sqlite")).arg(SUMS), "")?;
    read(&answer)
}

fn read(answer: &str) -> Result<BTreeMap<&'static str, Usage>> {
    let mut sums = BTreeMap::new();
    // Nothing at all is no row.
    if answer.trim().is_empty() {
        return Ok(sums);
    }
    let rows: Vec<Value> = serde_json::from_str(answer).context("sqlite3 -json")?;
    for row in rows {
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
}
