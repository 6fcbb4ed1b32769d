//! Daily ceilings.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::address::SubscriberId;
use crate::flow::Words;
use crate::limits::DAY_NS;

/// Key of `QUOTAS`: what one subscriber used under one rule.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct QuotaKey {
    /// Who.
    pub subscriber: SubscriberId,
    /// The rule's permanent number.
    pub rule: u32,
    /// Zero.
    pub reserved: u32,
}

/// Value of `QUOTAS`: written by the kernel alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct QuotaEntry {
    /// Octets of volume in the day, what came past the ceiling too.
    pub used_octets: u64,
    /// When the day ends, in nanoseconds of `CLOCK_MONOTONIC`.
    pub day_ends_ns: u64,
}

/// A [`QuotaEntry`] in its place, where other CPUs change it at the same time.
#[derive(Debug, Default)]
#[repr(C)]
pub struct QuotaCells {
    used_octets: AtomicU64,
    day_ends_ns: AtomicU64,
}

const _: () = assert!(size_of::<QuotaCells>() == size_of::<QuotaEntry>(), "the two are one layout");

impl QuotaCells {
    /// Counts a packet's volume towards the ceiling; true once it is passed, until the day ends. What passes while a
    /// day ends on two CPUs at once may be counted towards either day.
    #[inline(always)]
    pub fn is_past<W: Words>(
        &self,
        words: &W,
        volume_octets: u32,
        ceiling_octets: u64,
        now_ns: u64,
        day_ends_ns: u64,
    ) -> bool {
        if now_ns >= words.load(&self.day_ends_ns) {
            words.store(&self.day_ends_ns, day_end_after(day_ends_ns, now_ns));
            words.store(&self.used_octets, 0);
        }
        words.add(&self.used_octets, u64::from(volume_octets));
        words.load(&self.used_octets) > ceiling_octets
    }

    /// Both fields, each as it is when it is read.
    pub fn entry(&self) -> QuotaEntry {
        QuotaEntry {
            used_octets: self.used_octets.load(Relaxed),
            day_ends_ns: self.day_ends_ns.load(Relaxed),
        }
    }
}

impl From<QuotaEntry> for QuotaCells {
    fn from(entry: QuotaEntry) -> Self {
        Self { used_octets: entry.used_octets.into(), day_ends_ns: entry.day_ends_ns.into() }
    }
}

/// The end of the day that `now_ns` is in, where some day ends at `day_ends_ns`: days go on by themselves while no
/// controller runs.
#[inline(always)]
pub const fn day_end_after(day_ends_ns: u64, now_ns: u64) -> u64 {
    if now_ns < day_ends_ns {
        day_ends_ns
    } else {
        day_ends_ns + ((now_ns - day_ends_ns) / DAY_NS + 1) * DAY_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;

    impl Words for Plain {
        fn load(&self, word: &AtomicU64) -> u64 {
            word.load(Relaxed)
        }

        fn store(&self, word: &AtomicU64, value: u64) {
            word.store(value, Relaxed);
        }

        fn add(&self, word: &AtomicU64, value: u64) {
            word.fetch_add(value, Relaxed);
        }
    }

    #[test]
    fn a_day_begins_the_nanosecond_that_another_ends() {
        for (now_ns, used_octets) in [(999, 12), (1000, 5), (1001, 5)] {
            let quota = QuotaCells::default();
            assert!(!quota.is_past(&Plain, 7, 10, 1, 1000));
            assert_eq!(quota.is_past(&Plain, 5, 10, now_ns, 1000), used_octets > 10, "{now_ns}");
            assert_eq!(quota.entry().used_octets, used_octets, "{now_ns}");
        }
    }

    #[test]
    fn days_go_on_by_themselves() {
        let day = DAY_NS;
        for (ends, now, expected) in [
            (5, 0, 5),
            (5, 4, 5),
            (5, 5, 5 + day),
            (5, 4 + day, 5 + day),
            (5, 5 + day, 5 + 2 * day),
            (0, 3 * day - 1, 3 * day),
        ] {
            assert_eq!(day_end_after(ends, now), expected, "{ends} {now}");
        }
    }
}
