//! What flows of counters that are gone left pending.
//!
//! A reboot ends the kernel's maps, and so does `tollfree detach`: nobody will ever say what such flows were. They are
//! undecided, so what they hold is charged, by transfers like any, in an interval of the instance that they are of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::params;
use tollfree_core::flow::{NO_RULE, Verdict};
use tollfree_core::reason::Reason;

use super::books::Books;
use super::interval::{CloseReason, ClosedInterval, IntervalClose};
use super::stored::{parsed, signed_sum};
use super::{Ledger, LedgerError};

/// The last interval of an instance that is gone.
struct Lost {
    instance: u64,
    gateway: String,
    boot_id: String,
    epoch: u32,
    closed_at: Timestamp,
    /// Packets counted less packets arrived.
    difference_packets: i64,
}

impl Ledger {
    /// Charges what flows of every instance but `instance`, the one that lives, hold pending; gives the intervals that
    /// were closed for it at `now`, none if nothing is pending. Worth calling at a start.
    ///
    /// # Errors
    ///
    /// As [`Ledger::close_interval`]; what was charged before stays so.
    pub fn settle_lost(
        &mut self,
        instance: u64,
        now: Timestamp,
        rating_groups: &BTreeMap<u32, u32>,
    ) -> Result<Vec<ClosedInterval>, LedgerError> {
        self.lost(instance)?.into_iter().map(|lost| self.settle(&lost, now, rating_groups)).collect()
    }

    fn lost(&self, instance: u64) -> Result<Vec<Lost>, LedgerError> {
        let mut statement = self.connection.prepare(
            "SELECT instance, gateway, boot_id, epoch, closed_at, difference_packets
             FROM intervals WHERE interval IN (
                 SELECT max(interval) FROM intervals WHERE instance IN (
                     SELECT instance FROM pending
                     WHERE instance <> ? AND uplink_packets_held + downlink_packets_held > 0)
                 GROUP BY instance)
             ORDER BY interval",
        )?;
        let rows = statement.query_map(params![instance.cast_signed()], |row| {
            Ok(Lost {
                instance: row.get::<_, i64>(0)?.cast_unsigned(),
                gateway: row.get(1)?,
                boot_id: row.get(2)?,
                epoch: row.get(3)?,
                closed_at: parsed(row, 4)?,
                difference_packets: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn settle(
        &mut self,
        lost: &Lost,
        now: Timestamp,
        rating_groups: &BTreeMap<u32, u32>,
    ) -> Result<ClosedInterval, LedgerError> {
        let books = Books::load(&self.connection, lost.instance)?;
        let undecided = Verdict { rule: NO_RULE, reason: Reason::Undecided };
        let verdicts = books.pending.keys().map(|key| (key.flow, undecided)).collect();
        // Nothing arrived since; what the last interval left to the next was in the counters alone.
        let recorded = signed_sum("the count of all recorded packets", books.packets)?;
        let arrived_packets = u64::try_from(recorded - lost.difference_packets).unwrap_or_default();
        self.close_interval(&IntervalClose {
            gateway: &lost.gateway,
            boot_id: &lost.boot_id,
            instance: lost.instance,
            epoch: lost.epoch,
            started_at: lost.closed_at,
            closed_at: now,
            reason: CloseReason::Lost,
            cumulative: &BTreeMap::new(),
            pending: &BTreeMap::new(),
            verdicts: &verdicts,
            sent_again: &BTreeMap::new(),
            ceilings: &[],
            identities: &|_| None,
            only: None,
            arrived_packets,
            interfaces: &[],
            rating_groups,
        })
    }
}
