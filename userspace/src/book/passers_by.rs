//! Names that were seen at addresses which no listed name has.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::limits::{PASSERS_BY_MAX, PASSERS_EACH_MAX};
use crate::recent::Recent;

/// A name that was seen at an address which no listed name has.
#[derive(Clone, Debug)]
pub(super) struct PasserBy {
    pub(super) name: Arc<str>,
    pub(super) seen_at: Instant,
}

/// The last names of addresses which no listed name has.
#[derive(Debug)]
pub(super) struct PassersBy(Recent<IpAddr, Vec<PasserBy>>);

impl Default for PassersBy {
    fn default() -> Self {
        Self(Recent::new(PASSERS_BY_MAX))
    }
}

impl PassersBy {
    /// Remembers who was seen at an address.
    pub(super) fn see(&mut self, name: &Arc<str>, address: IpAddr, now: Instant) {
        let mut passers = self.0.get(&address).cloned().unwrap_or_default();
        passers.retain(|passer| passer.name != *name);
        if passers.len() >= PASSERS_EACH_MAX {
            passers.remove(0);
        }
        passers.push(PasserBy { name: Arc::clone(name), seen_at: now });
        self.0.insert(address, passers);
    }

    /// Remembers who was seen at an address while a listed name had it.
    pub(super) fn put(&mut self, address: IpAddr, seen: Vec<PasserBy>) {
        if !seen.is_empty() {
            self.0.insert(address, seen);
        }
    }

    /// Who was seen at an address that a listed name has from now on.
    pub(super) fn take(&mut self, address: IpAddr) -> Vec<PasserBy> {
        let seen = self.0.get(&address).cloned().unwrap_or_default();
        self.0.remove(&address);
        seen
    }
}
