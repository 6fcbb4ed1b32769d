//! A table whose room subscribers share.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// How many things of a kind are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Of all subscribers; at least 1.
    pub total: usize,
    /// Of one subscriber; at least 1.
    pub per_subscriber: usize,
    /// For how long, in nanoseconds.
    pub lifetime_ns: u64,
}

/// What is kept in a [`Share`].
#[derive(Debug)]
struct Entry<V> {
    payer: IpAddr,
    /// Its place in the order of age.
    order: u64,
    at_ns: u64,
    value: V,
}

/// A bounded table of things that wait. A subscriber who floods it loses his own things; those of others only once they
/// are past their time, or while somebody who has nothing yet needs room in a full table.
#[derive(Debug)]
pub(crate) struct Share<K, V> {
    bound: Bound,
    entries: HashMap<K, Entry<V>>,
    by_age: BTreeMap<u64, K>,
    of_payer: HashMap<IpAddr, BTreeSet<u64>>,
    next_order: u64,
}

/// Who `address` counts as: a subscriber of IPv6 has a /64.
fn payer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

impl<K: Clone + Eq + Hash, V> Share<K, V> {
    /// An empty one.
    pub(crate) fn new(bound: Bound) -> Self {
        Self {
            bound,
            entries: HashMap::new(),
            by_age: BTreeMap::new(),
            of_payer: HashMap::new(),
            next_order: 0,
        }
    }

    /// Keeps `value` for `subscriber`, in the place of what was there under the same key. Says whether something had
    /// to be forgotten before its time.
    pub(crate) fn insert(&mut self, subscriber: IpAddr, key: K, value: V, now_ns: u64) -> bool {
        let payer = payer(subscriber);
        self.remove(&key);
        let displaced = self.make_room(payer, now_ns);
        let order = self.next_order;
        self.next_order += 1;
        self.by_age.insert(order, key.clone());
        self.of_payer.entry(payer).or_default().insert(order);
        self.entries.insert(key, Entry { payer, order, at_ns: now_ns, value });
        displaced
    }

    fn make_room(&mut self, payer: IpAddr, now_ns: u64) -> bool {
        let own = self.of_payer.get(&payer);
        let own_oldest = own.and_then(BTreeSet::first).copied();
        let is_over_share = own.is_some_and(|own| own.len() >= self.bound.per_subscriber);
        let is_full = self.entries.len() >= self.bound.total;
        let oldest = self.by_age.first_key_value().map(|(order, _)| *order);
        let leaving = match (is_over_share, is_full) {
            (true, _) => own_oldest,
            (false, false) => None,
            (false, true) => oldest.filter(|oldest| self.is_past(*oldest, now_ns)).or(own_oldest).or(oldest),
        };
        let Some(leaving) = leaving else { return false };
        let in_time = !self.is_past(leaving, now_ns);
        if let Some(key) = self.by_age.get(&leaving).cloned() {
            self.remove(&key);
        }
        in_time
    }

    fn is_past(&self, order: u64, now_ns: u64) -> bool {
        let entry = self.by_age.get(&order).and_then(|key| self.entries.get(key));
        entry.is_none_or(|entry| now_ns.saturating_sub(entry.at_ns) > self.bound.lifetime_ns)
    }

    /// What is there under `key`, and whether it is past its time.
    pub(crate) fn get_mut(&mut self, key: &K, now_ns: u64) -> Option<(&mut V, bool)> {
        let entry = self.entries.get_mut(key)?;
        let is_past = now_ns.saturating_sub(entry.at_ns) > self.bound.lifetime_ns;
        Some((&mut entry.value, is_past))
    }

    /// Takes out what is there under `key`.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.by_age.remove(&entry.order);
        if let Some(own) = self.of_payer.get_mut(&entry.payer) {
            own.remove(&entry.order);
            if own.is_empty() {
                self.of_payer.remove(&entry.payer);
            }
        }
        Some(entry.value)
    }

    /// All that is there.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, entry)| (key, &entry.value))
    }

    /// The keys of a subscriber's things.
    pub(crate) fn keys_of(&self, subscriber: IpAddr) -> impl Iterator<Item = &K> {
        let own = self.of_payer.get(&payer(subscriber)).into_iter().flatten();
        own.filter_map(|order| self.by_age.get(order))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.by_age.len());
        assert_eq!(self.entries.len(), self.of_payer.values().map(BTreeSet::len).sum::<usize>());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUND: Bound = Bound { total: 6, per_subscriber: 3, lifetime_ns: 100 };

    fn subscriber(number: u8) -> IpAddr {
        [10, 0, 0, number].into()
    }

    #[test]
    fn one_who_floods_loses_his_own() {
        let mut share = Share::new(BOUND);
        assert!(!share.insert(subscriber(1), 0, (), 0));
        for key in 1..=3 {
            assert!(!share.insert(subscriber(2), key, (), 1));
        }
        for key in 4..100 {
            assert!(share.insert(subscriber(2), key, (), 2));
        }
        assert!(share.get_mut(&0, 2).is_some());
        assert_eq!(share.keys_of(subscriber(2)).copied().collect::<Vec<_>>(), [97, 98, 99]);
        assert_eq!(share.len(), 4);
    }

    #[test]
    fn addresses_of_one_prefix_are_one_subscriber() {
        let mut share = Share::new(BOUND);
        for host in 0..10_u16 {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, host);
            share.insert(address.into(), host, (), 0);
        }
        assert_eq!(share.len(), 3);
    }

    #[test]
    fn a_full_table_forgets_what_is_past_first() {
        let mut share = Share::new(BOUND);
        share.insert(subscriber(1), 0, (), 0);
        for key in 1..6 {
            share.insert(subscriber(2 + key), key, (), 50);
        }
        assert!(!share.insert(subscriber(3), 6, (), 101), "only what was past its time went");
        assert!(share.get_mut(&0, 101).is_none());
        assert!(share.insert(subscriber(3), 7, (), 101), "now he pays himself");
        assert!(share.get_mut(&1, 101).is_none() && share.get_mut(&6, 101).is_some());
        assert!(share.insert(subscriber(9), 8, (), 101), "he has nothing: the oldest goes");
        assert!(share.get_mut(&2, 101).is_none());
        assert_eq!(share.len(), 6);
    }

    proptest! {
        /// Whatever is put in and taken out, both bounds hold and the three indexes agree.
        #[test]
        fn bounds_hold(steps in prop::collection::vec((0_u8..5, 0_u8..12, any::<bool>(), 0_u64..60), 0..200)) {
            let mut share = Share::new(BOUND);
            let mut now_ns = 0;
            for (who, key, remove, pause_ns) in steps {
                now_ns += pause_ns;
                if remove {
                    share.remove(&key);
                    prop_assert!(share.get_mut(&key, now_ns).is_none());
                } else {
                    share.insert(subscriber(who), key, who, now_ns);
                    prop_assert_eq!(share.get_mut(&key, now_ns).map(|(who, past)| (*who, past)), Some((who, false)));
                }
                prop_assert!(share.len() <= BOUND.total);
                for who in 0..5 {
                    prop_assert!(share.keys_of(subscriber(who)).count() <= BOUND.per_subscriber);
                }
            }
        }
    }
}
