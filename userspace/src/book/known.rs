//! What is known of one name.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use super::lesson::Refused;
use crate::resolve::{ADDRESSES_MAX, CHANGE_WINDOW, NEW_ADDRESSES_MAX, Refusal};

/// What is known of one name beside its addresses' answers.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) rules: BTreeSet<u32>,
    /// When addresses came anew by lessons, within [`CHANGE_WINDOW`].
    arrivals: VecDeque<Instant>,
}

impl Known {
    /// A name that `rules` cover, and that has no address yet.
    pub(super) const fn of(rules: BTreeSet<u32>) -> Self {
        Self { addresses: BTreeSet::new(), rules, arrivals: VecDeque::new() }
    }

    /// Counts a new address against what a name may have and bring in.
    pub(super) fn admit(&mut self, address: IpAddr, now: Instant) -> Result<(), Refused> {
        let of_family = self.addresses.iter().filter(|other| other.is_ipv4() == address.is_ipv4());
        if of_family.count() >= ADDRESSES_MAX {
            return Err(Refused::Address(Refusal::TooMany));
        }
        let is_over = |since: &Instant| now.saturating_duration_since(*since) >= CHANGE_WINDOW;
        while self.arrivals.front().is_some_and(is_over) {
            self.arrivals.pop_front();
        }
        if self.arrivals.len() >= NEW_ADDRESSES_MAX {
            return Err(Refused::Address(Refusal::TooFast));
        }
        self.arrivals.push_back(now);
        Ok(())
    }
}
