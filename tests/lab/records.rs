//! The CSV files that billing reads.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::volume::{Usage, Volume};

/// A row by column name.
pub type Row = BTreeMap<String, String>;

/// All published records, in the order of their files.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// Usage records.
    pub usage: Vec<Row>,
    /// Call records.
    pub calls: Vec<Row>,
}

impl Records {
    /// Reads the files of gateway `gateway` in `directory`.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read(directory: &Path, gateway: &str) -> Result<Self> {
        let [usage, calls] = ["records", "calls"].map(|kind| rows(directory, &format!("{gateway}-{kind}-")));
        Ok(Self { usage: usage?, calls: calls? })
    }

    /// The deltas of all records that `wanted` accepts.
    ///
    /// # Errors
    /// If a column is missing or is not a number.
    pub fn sum(&self, wanted: impl Fn(&Row) -> bool) -> Result<Usage> {
        let rows = self.usage.iter().filter(|row| wanted(row));
        let usages = rows.map(delta).collect::<Result<Vec<_>>>()?;
        Ok(usages.into_iter().sum())
    }

    /// The records whose delta is not what lies between their two cumulative counts.
    ///
    /// # Errors
    /// If a column is missing or is not a number.
    pub fn torn(&self) -> Result<usize> {
        let mut torn = 0;
        for row in &self.usage {
            let between = usage(row, "_cumulative")? - usage(row, "_previous")?;
            torn += usize::from(between != delta(row)?);
        }
        Ok(torn)
    }

    /// The numbers of the records.
    ///
    /// # Errors
    /// If a record has none.
    pub fn numbers(&self) -> Result<Vec<i64>> {
        self.usage.iter().map(|row| number(row, "record")).collect()
    }
}

fn rows(directory: &Path, prefix: &str) -> Result<Vec<Row>> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    let is_csv = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "csv");
    names.retain(|name| name.starts_with(prefix) && is_csv(name));
    names.sort();
    let mut rows = Vec::new();
    for name in names {
        let mut reader = csv::Reader::from_path(directory.join(&name)).with_context(|| name.clone())?;
        for row in reader.deserialize() {
            rows.push(row.with_context(|| name.clone())?);
        }
    }
    Ok(rows)
}

/// What a record adds.
///
/// # Errors
/// If a column is missing or is not a number.
pub fn delta(row: &Row) -> Result<Usage> {
    usage(row, "_delta")
}

/// A call record's media.
///
/// # Errors
/// If a column is missing or is not a number.
pub fn media(row: &Row) -> Result<Usage> {
    usage(row, "")
}

fn usage(row: &Row, suffix: &str) -> Result<Usage> {
    let volume = |direction: &str| -> Result<Volume> {
        Ok(Volume {
            packets: number(row, &format!("{direction}_packets{suffix}"))?,
            octets: number(row, &format!("{direction}_octets{suffix}"))?,
        })
    };
    Ok(Usage { uplink: volume("uplink")?, downlink: volume("downlink")? })
}

fn number(row: &Row, column: &str) -> Result<i64> {
    let text = row.get(column).with_context(|| format!("no column {column}"))?;
    text.parse().with_context(|| format!("column {column}: {text:?}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;

    const HEADER: &str = "record,bucket,uplink_packets_delta,uplink_packets_cumulative,uplink_packets_previous,\
        uplink_octets_delta,uplink_octets_cumulative,uplink_octets_previous,\
        downlink_packets_delta,downlink_packets_cumulative,downlink_packets_previous,\
        downlink_octets_delta,downlink_octets_cumulative,downlink_octets_previous";

    #[test]
    fn files_are_added_up_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, row: &str| fs::write(directory.path().join(name), format!("{HEADER}\n{row}\n"));
        write("gw-records-0000000002.csv", "2,free,1,3,2,40,140,100,0,0,0,0,0,1").unwrap();
        write("gw-records-0000000001.csv", "1,free,2,2,0,100,100,0,0,0,0,0,0,0").unwrap();
        write(".gw-records-0000000003.csv.tmp", "3,free,9,9,9,9,9,9,9,9,9,9,9,9").unwrap();
        let records = Records::read(directory.path(), "gw").unwrap();
        assert_eq!(records.numbers().unwrap(), [1, 2]);
        assert_eq!(records.torn().unwrap(), 1, "the second record's downlink octets went back");
        let uplink = Volume { packets: 3, octets: 140 };
        assert_eq!(records.sum(|row| row["bucket"] == "free").unwrap().uplink, uplink);
    }
}
