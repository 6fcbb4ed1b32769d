//! Nothing is lost: whatever arrived is in one bucket, and in one counter.

use std::collections::BTreeMap;

use tollfree::dataplane::Cut;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::reason::Bucket;

/// Totals, buckets and counters of a cut, with what flows awaited evidence for when it was made, must say the same: else,
/// what does not.
pub(crate) fn check(cut: &Cut, pending: &BTreeMap<PendingKey, Usage>) -> Result<(), String> {
    let (seen, bucketed) = (cut.total.seen, cut.total.bucketed());
    if (seen.packets, seen.frame_octets) != (bucketed.packets, bucketed.frame_octets) {
        return Err(format!("{seen:?} arrived, {bucketed:?} is in buckets"));
    }
    for bucket in Bucket::ALL {
        let counted = &cut.total.buckets[bucket as usize];
        let of_bucket = cut.counters.iter().filter(|(key, _)| key.bucket == bucket as u16);
        let mut usage = of_bucket.fold(Usage::default(), |sum, (_, usage)| sum + *usage);
        if bucket == Bucket::Pending {
            usage = pending.values().fold(usage, |sum, usage| sum + *usage);
        }
        if (counted.packets, counted.octets) != (usage.packets(), usage.octets()) {
            return Err(format!("bucket {} has {counted:?}, its counters {usage:?}", bucket.name()));
        }
    }
    Ok(())
}

/// The counters that moved between two cuts, and by how much.
pub(crate) fn moved(earlier: &Cut, later: &Cut) -> Result<BTreeMap<CounterKey, Usage>, String> {
    if let Some(key) = earlier.counters.keys().find(|key| !later.counters.contains_key(key)) {
        return Err(format!("{key:?} is gone"));
    }
    let mut moved = BTreeMap::new();
    for (key, usage) in &later.counters {
        let before = earlier.counters.get(key).copied().unwrap_or_default();
        let delta = usage.since(&before).ok_or_else(|| format!("{key:?} went back"))?;
        if delta != Usage::default() {
            moved.insert(*key, delta);
        }
    }
    Ok(moved)
}
