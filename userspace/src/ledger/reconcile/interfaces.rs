//! Interfaces' counts, held against each other over all intervals.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::super::LedgerError;
use super::super::stored::unsigned;
use super::accounts::narrow;
use super::{Difference, InterfaceTotals, Reconciliation};

/// How far apart a NIC's counter and the program's are read, in milliseconds. Reason: the NIC is read when the cut is
/// complete, well within a second of it; what arrives meanwhile is in one and not in the other.
const NIC_LAG_MS: i128 = 1000;

/// One cut of one interface.
#[derive(Clone, Debug)]
struct Cut {
    interval: u64,
    /// Whether it is among those that are checked.
    asked: bool,
    /// Frames by the NIC less arrivals.
    nic: i64,
    /// Frames that may lie between the two readings.
    tolerance: i64,
}

/// What is known of one interface of one instance.
#[derive(Clone, Debug, Default)]
struct Series {
    frames: u64,
    buckets: (i64, i64),
    cuts: Vec<Cut>,
}

/// All interfaces, by instance and name.
#[derive(Clone, Debug, Default)]
pub(super) struct Interfaces {
    series: BTreeMap<(u64, String), Series>,
}

/// The interval that cuts are of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) interval: u64,
    pub(super) instance: u64,
    pub(super) started_at: Timestamp,
    pub(super) closed_at: Timestamp,
    pub(super) asked: bool,
}

/// A row of `interface_cuts`.
struct Found {
    name: String,
    role: String,
    frames: u64,
    buckets: (i64, i64),
    nic: i64,
}

impl Interfaces {
    /// Takes in an interval's cuts.
    pub(super) fn read(
        &mut self,
        connection: &Connection,
        bounds: Bounds,
        report: &mut Reconciliation,
    ) -> Result<(), LedgerError> {
        let mut statement = connection.prepare_cached(
            "SELECT name, role, packets, bucket_packets_difference, bucket_frame_octets_difference,
                    nic_packets_difference
             FROM interface_cuts WHERE interval = ? ORDER BY name",
        )?;
        for row in statement.query_map([bounds.interval.cast_signed()], found)? {
            self.take(bounds, row?, report);
        }
        Ok(())
    }

    fn take(&mut self, bounds: Bounds, found: Found, report: &mut Reconciliation) {
        let Bounds { interval, instance, asked, .. } = bounds;
        let series = self.series.entry((instance, found.name.clone())).or_default();
        let ((before, before_octets), (now, now_octets)) = (series.buckets, found.buckets);
        let tolerance = tolerance(bounds, found.frames.saturating_sub(series.frames));
        series.cuts.push(Cut { interval, asked, nic: found.nic, tolerance });
        (series.frames, series.buckets) = (found.frames, found.buckets);
        if !asked {
            return;
        }
        if (before, before_octets) != (now, now_octets) {
            let interface = found.name.clone();
            report.differ(Difference::Buckets {
                interval,
                interface,
                before,
                before_octets,
                now,
                now_octets,
            });
        }
        let totals = report.interfaces.entry(found.name).or_insert(InterfaceTotals {
            role: String::new(),
            intervals: 0,
            frames: 0,
            bucket_difference: 0,
            nic_difference: 0,
        });
        *totals = InterfaceTotals {
            role: found.role,
            intervals: totals.intervals + 1,
            frames: found.frames,
            bucket_difference: now,
            nic_difference: found.nic,
        };
    }

    /// Finds frames that only the NIC, or only the program, has seen.
    ///
    /// What came between the readings of the two counters is gone from their difference at the next cut; what one of
    /// them missed stays in it for ever. So a difference moved for good by as much as it stays moved in all later cuts.
    pub(super) fn compare_nics(&self, report: &mut Reconciliation) {
        for ((_, interface), Series { cuts, .. }) in &self.series {
            let mut lasting = 0;
            for (cut, (low, high)) in cuts.iter().zip(later_bounds(cuts)) {
                // Zero if later differences lie on both sides.
                let frames = (low - lasting).max(0) + (high - lasting).min(0);
                if frames.abs() <= cut.tolerance {
                    continue;
                }
                lasting += frames;
                if cut.asked {
                    let (interval, interface, tolerance) = (cut.interval, interface.clone(), cut.tolerance);
                    report.differ(Difference::Nic { interval, interface, frames, tolerance });
                }
            }
        }
    }
}

/// For each cut, the least and the greatest difference of it and all later ones.
fn later_bounds(cuts: &[Cut]) -> Vec<(i64, i64)> {
    let mut bounds: Vec<_> = cuts
        .iter()
        .rev()
        .scan((i64::MAX, i64::MIN), |(low, high), cut| {
            (*low, *high) = ((*low).min(cut.nic), (*high).max(cut.nic));
            Some((*low, *high))
        })
        .collect();
    bounds.reverse();
    bounds
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found {
        name: row.get(0)?,
        role: row.get(1)?,
        frames: unsigned(row, 2)?,
        buckets: (row.get(3)?, row.get(4)?),
        nic: row.get(5)?,
    })
}

/// What arrives in [`NIC_LAG_MS`], at the interval's mean rate; of a shorter interval, all that arrived.
fn tolerance(bounds: Bounds, frames: u64) -> i64 {
    let length_ms = bounds.closed_at.duration_since(bounds.started_at).as_millis();
    narrow(i128::from(frames) * NIC_LAG_MS / length_ms.max(NIC_LAG_MS))
}
