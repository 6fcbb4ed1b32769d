//! Counting datagrams while others read the counts.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::identity::status::RadiusStatus;

/// What became of datagrams; see [`RadiusStatus`] for what each field means.
#[derive(Debug, Default)]
pub struct RadiusCounters {
    pub(super) accepted: Counter,
    pub(super) duplicates: Counter,
    pub(super) ignored: Counter,
    pub(super) overloaded: Counter,
    pub(super) unknown_client: Counter,
    pub(super) bad_authenticator: Counter,
    pub(super) malformed: Counter,
    pub(super) unreadable_identity: Counter,
}

impl RadiusCounters {
    /// The counts now.
    pub fn status(&self) -> RadiusStatus {
        RadiusStatus {
            accepted: self.accepted.get(),
            duplicates: self.duplicates.get(),
            ignored: self.ignored.get(),
            overloaded: self.overloaded.get(),
            unknown_client: self.unknown_client.get(),
            bad_authenticator: self.bad_authenticator.get(),
            malformed: self.malformed.get(),
            unreadable_identity: self.unreadable_identity.get(),
        }
    }
}

/// One count. Relaxed: nothing else depends on it.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
