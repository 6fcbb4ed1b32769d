//! Which match sets of a slot are in use.

use std::collections::{BTreeSet, HashMap};

use tollfree_core::limits::MATCH_SETS_MAX;
use tollfree_core::plan::{ClassEntry, MatchSet};

use super::plans::PlanTables;

/// Match sets of one slot, by how many prefixes name each.
///
/// One that none names any more keeps its content, and may be named again. It may be written anew only once no packet is
/// left that read its number.
#[derive(Debug, Default)]
pub(super) struct SetUse {
    uses: Vec<u32>,
    numbers: HashMap<MatchSet, u32>,
    /// None names them, and no packet has read their number.
    free: BTreeSet<u32>,
    /// None names them any more.
    left: BTreeSet<u32>,
}

impl SetUse {
    /// Of a slot that no packet reads.
    pub(super) fn of(tables: &PlanTables) -> Self {
        let mut sets = Self {
            uses: vec![0; tables.match_sets.len()],
            numbers: tables.match_sets.iter().copied().zip(0..).collect(),
            ..Self::default()
        };
        for class in tables.classes.values() {
            if let Some(uses) = sets.uses_of(*class) {
                *uses += 1;
            }
        }
        sets.free =
            sets.uses.iter().zip(0..).filter(|(uses, _)| **uses == 0).map(|(_, place)| place).collect();
        sets
    }

    /// The number of a set that is in its place already.
    pub(super) fn find(&self, set: &MatchSet) -> Option<u32> {
        self.numbers.get(set).copied()
    }

    /// Whether [`SetUse::next`] finds a place.
    pub(super) fn has_room(&self, sets: &[MatchSet]) -> bool {
        self.next(sets).is_some()
    }

    /// Whether there are places that nothing names, and packets may still read.
    pub(super) fn has_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// No packet reads them any more.
    pub(super) fn forget_left(&mut self) {
        self.free.append(&mut self.left);
    }

    /// A place that may be written.
    pub(super) fn next(&self, sets: &[MatchSet]) -> Option<u32> {
        let last = u32::try_from(sets.len()).ok().filter(|last| *last < MATCH_SETS_MAX);
        self.free.first().copied().or(last)
    }

    /// `set` is written at `place`, which [`SetUse::next`] gave.
    pub(super) fn take(&mut self, sets: &mut Vec<MatchSet>, place: u32, set: &MatchSet) {
        if let Some(before) = sets.get_mut(place as usize) {
            if self.numbers.get(before) == Some(&place) {
                self.numbers.remove(before);
            }
            *before = *set;
        } else {
            sets.push(*set);
            self.uses.push(0);
            self.free.insert(place);
        }
        self.numbers.insert(*set, place);
    }

    /// A prefix that was `before` is `after`.
    pub(super) fn change(&mut self, before: Option<ClassEntry>, after: Option<ClassEntry>) {
        if let Some(class) = after
            && let Some(uses) = self.uses_of(class)
        {
            *uses += 1;
            self.free.remove(&class.match_set);
            self.left.remove(&class.match_set);
        }
        if let Some(class) = before
            && let Some(uses) = self.uses_of(class)
        {
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                self.left.insert(class.match_set);
            }
        }
    }

    fn uses_of(&mut self, class: ClassEntry) -> Option<&mut u32> {
        if !class.has(ClassEntry::CANDIDATE) {
            return None;
        }
        self.uses.get_mut(class.match_set as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tollfree_core::plan::Matcher;

    use super::*;

    /// Sets that are told apart by a port.
    fn set(port: u16) -> MatchSet {
        let mut set = MatchSet::EMPTY;
        let [first, ..] = &mut set.matchers;
        *first = Matcher { first_port: port, last_port: port, rule_index: 0, protocols: Matcher::TCP };
        set
    }

    fn class(match_set: u32) -> ClassEntry {
        ClassEntry { flags: ClassEntry::CANDIDATE, match_set }
    }

    proptest! {
        /// Whatever prefixes come to name: each names the set that it should, and a place is written anew only when nothing
        /// names it and packets had time to pass.
        #[test]
        fn what_a_prefix_names_stays_what_it_is(
            first in prop::collection::vec(0_u16..4, 0..6),
            changes in prop::collection::vec((0_usize..6, prop::option::of(0_u16..12), any::<bool>()), 0..60),
        ) {
            let mut tables = PlanTables::default();
            let mut wanted: BTreeMap<usize, u16> = BTreeMap::new();
            for port in 0..4 {
                tables.match_sets.push(set(port));
            }
            for (prefix, port) in first.iter().enumerate() {
                let net = format!("192.0.2.{prefix}/32").parse().expect("a network");
                tables.classes.insert(net, class(u32::from(*port)));
                wanted.insert(prefix, *port);
            }
            let mut sets = SetUse::of(&tables);
            let mut named: BTreeMap<usize, u32> = wanted.iter().map(|(p, port)| (*p, u32::from(*port))).collect();
            let mut unsafe_places = BTreeSet::new();
            for (prefix, port, grace) in changes {
                if grace {
                    sets.forget_left();
                    unsafe_places.clear();
                }
                let after = port.map(|port| {
                    let wanted = set(port);
                    sets.find(&wanted).unwrap_or_else(|| {
                        let place = sets.next(&tables.match_sets).expect("few sets");
                        assert!(!named.values().any(|used| *used == place), "a set in use is overwritten");
                        assert!(!unsafe_places.contains(&place), "a packet may still read it");
                        sets.take(&mut tables.match_sets, place, &wanted);
                        place
                    })
                });
                let before = named.remove(&prefix);
                sets.change(before.map(class), after.map(class));
                if let Some(before) = before {
                    unsafe_places.insert(before);
                }
                wanted.remove(&prefix);
                if let (Some(place), Some(port)) = (after, port) {
                    named.insert(prefix, place);
                    wanted.insert(prefix, port);
                }
                for (prefix, place) in &named {
                    prop_assert_eq!(tables.match_sets[*place as usize], set(wanted[prefix]));
                }
            }
        }
    }
}
