//! Places in the queue of signalling, of which nobody may take so many that others find none.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tollfree_core::address::SubscriberId;

/// Messages of one subscriber that may wait at once. Reason: a sixteenth of the queue; one who floods it delays others by
/// what so many messages take, some tens of milliseconds. An exchange with a hundred calls at a time has no more that wait.
const SHARE_MAX: u32 = 256;
/// Counts that there are; subscribers whose hashes meet share one. Reason: few of the subscribers have messages that wait
/// at the same moment. The hash is keyed, so that nobody can choose whom he shares with.
const COUNTS: usize = 4096;

/// How many places each subscriber has taken.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    counts: Arc<[AtomicU32]>,
    hasher: RandomState,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    counts: Arc<[AtomicU32]>,
    place: usize,
}

impl Shares {
    pub(super) fn new() -> Self {
        Self { counts: (0..COUNTS).map(|_| AtomicU32::new(0)).collect(), hasher: RandomState::new() }
    }

    /// A place for a message of `subscriber`; those of whom nobody knows whose they are count as one subscriber's. `None`: he
    /// has [`SHARE_MAX`].
    pub(super) fn take(&self, subscriber: Option<SubscriberId>) -> Option<Share> {
        let place = usize::try_from(self.hasher.hash_one(subscriber) % COUNTS as u64).ok()?;
        let count = &self.counts[place];
        // One thread takes places: between the two, others only give back.
        if count.load(Ordering::Relaxed) >= SHARE_MAX {
            return None;
        }
        count.fetch_add(1, Ordering::Relaxed);
        Some(Share { counts: Arc::clone(&self.counts), place })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.counts[self.place].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tollfree_core::address::{Address, Family};

    use super::*;

    fn subscriber(last: u8) -> SubscriberId {
        SubscriberId::of(&Address::from(std::net::IpAddr::from([10, 20, 0, last])), Family::V4)
    }

    #[test]
    fn who_floods_takes_no_place_of_others() {
        let shares = Shares::new();
        let mut taken: Vec<Share> = std::iter::from_fn(|| shares.take(Some(subscriber(1)))).collect();
        assert_eq!(taken.len(), 256);
        // Of so many others, at most a few have the same count.
        let others = (2..=101).filter(|last| shares.take(Some(subscriber(*last))).is_some()).count();
        assert!(others >= 90, "{others}");
        taken.pop();
        assert!(shares.take(Some(subscriber(1))).is_some(), "a place that was given back");
    }
}
