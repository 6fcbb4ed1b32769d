//! What was done to the daemon.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A count that several threads raise or read.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// One more.
    pub(super) fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts of all threads.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    /// Starts of the daemon.
    pub(super) starts: Count,
    /// SIGKILLs that found it alive.
    pub(super) kills: Count,
    /// Those of them that came before it could have answered.
    pub(super) kills_while_starting: Count,
    /// Policy files written.
    pub(super) changes: Count,
    /// Those of them with a fault.
    pub(super) faulty_changes: Count,
    /// Times that the disk was full.
    pub(super) full_disks: Count,
    /// Addresses that changed hands.
    pub(super) changed_hands: Count,
    /// Starts that the daemon refused by itself, by exit status.
    refusals: Mutex<BTreeMap<String, u64>>,
    over: AtomicBool,
}

impl Deeds {
    /// Counts a start that was refused.
    pub(super) fn refused(&self, status: String) {
        *self.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }

    /// Starts that were refused, by exit status.
    pub(super) fn refusals(&self) -> BTreeMap<String, u64> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends all threads.
    pub(super) fn finish(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether all threads are to end.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}
