//! A map that forgets what is oldest.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// A map of bounded size. Where the kernel has an LRU hash, this has two generations: the older one is forgotten whole
/// when the younger is full, so at least half of what was put in last is always there.
#[derive(Clone, Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Entries of one generation.
    generation_max: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Holds `max` entries, but at least two.
    pub(crate) fn new(max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation_max: (max / 2).max(1) }
    }

    /// The value of `key`, if it is not forgotten.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// All entries that are not forgotten.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let hidden = |key: &K| self.young.contains_key(key);
        self.young.iter().chain(self.old.iter().filter(move |(key, _)| !hidden(key)))
    }

    /// Makes `value` the value of `key`.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.generation_max && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Forgets `key`.
    pub(crate) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

impl<K: Eq + Hash, V> Default for Recent<K, V> {
    /// Forgets nothing.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_newer_value_hides_the_old_one_and_both_are_removed() {
        let mut recent = Recent::new(4);
        for (key, value) in [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd'), (1, 'e')] {
            recent.insert(key, value);
        }
        assert_eq!([1, 2, 3].map(|key| recent.get(&key).copied()), [Some('e'), Some('b'), Some('d')]);
        recent.remove(&1);
        assert_eq!(recent.get(&1), None);
    }

    proptest! {
        #[test]
        fn never_more_than_the_bound_and_always_the_newest_half(max in 2..20_usize, keys in prop::collection::vec(0..40_u8, 0..100)) {
            let mut recent = Recent::new(max);
            for (at, key) in keys.iter().enumerate() {
                recent.insert(*key, at);
                prop_assert!(recent.young.len() + recent.old.len() <= max);
            }
            for (at, key) in keys.iter().enumerate().rev().take(max / 2) {
                prop_assert!(recent.get(key).is_some_and(|value| *value >= at));
            }
        }
    }
}
