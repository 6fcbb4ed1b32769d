//! One address, with all names that have it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::coverage::Coverage;
use super::limits::{PLACE_ALIASES_MAX, SHARING_REMEMBERED, WITNESSES_MAX};
use super::pair::Pair;

/// A name that had the address. One stands for all of the same owner and the same rules.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    pub(super) name: Arc<str>,
    rules: BTreeSet<u32>,
    pub(super) seen_at: Instant,
    /// A covered name that has the address and nothing to do with this one.
    against: Option<Arc<str>>,
}

/// What was last told of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) rules: BTreeSet<u32>,
    pub(super) shared: bool,
}

/// One address.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) pairs: BTreeMap<Arc<str>, Pair>,
    pub(super) witnesses: Vec<Witness>,
    /// Where covered names' aliases led here: other names of the same thing.
    aliases: BTreeSet<String>,
    pub(super) told: Told,
}

impl Place {
    /// Remembers the aliases of a covered name.
    pub(super) fn know_aliases(&mut self, chain: &[String]) {
        for alias in chain {
            if self.aliases.len() < PLACE_ALIASES_MAX && !self.aliases.contains(alias.as_str()) {
                self.aliases.insert(alias.clone());
                self.witnesses.retain(|witness| *witness.name != **alias);
            }
        }
    }

    /// Remembers that `name`, by way of `chain`, has this address; says whether it was not known.
    pub(super) fn see(
        &mut self,
        name: &Arc<str>,
        chain: &[String],
        rules: &BTreeSet<u32>,
        coverage: &dyn Coverage,
        now: Instant,
    ) -> bool {
        let leads_to_held = chain.iter().any(|alias| self.pairs.contains_key(alias.as_str()));
        if leads_to_held || self.aliases.contains(&**name) {
            return false;
        }
        let is_like = |witness: &&mut Witness| {
            witness.name == *name || (witness.rules == *rules && coverage.is_one_owner(&witness.name, name))
        };
        if let Some(known) = self.witnesses.iter_mut().find(is_like) {
            known.seen_at = known.seen_at.max(now);
            return false;
        }
        if self.witnesses.len() >= WITNESSES_MAX {
            self.forget_one();
        }
        let mut witness =
            Witness { name: Arc::clone(name), rules: rules.clone(), seen_at: now, against: None };
        witness.against = self.find_against(&witness, coverage);
        self.witnesses.push(witness);
        true
    }

    /// The one that says least, and of those the oldest.
    fn forget_one(&mut self) {
        let least = self.witnesses.iter().enumerate();
        let least = least.min_by_key(|(_, witness)| (witness.against.is_some(), witness.seen_at));
        if let Some((index, _)) = least {
            self.witnesses.swap_remove(index);
        }
    }

    /// A covered name has the address now.
    pub(super) fn hold_against(&mut self, name: &Arc<str>, rules: &BTreeSet<u32>, coverage: &dyn Coverage) {
        for witness in self.witnesses.iter_mut().filter(|witness| witness.against.is_none()) {
            if is_unrelated(name, rules, witness, coverage) {
                witness.against = Some(Arc::clone(name));
            }
        }
    }

    /// A name has the address no longer: what was held against it is held against another, if there is one.
    pub(super) fn let_go(&mut self, name: &str, coverage: &dyn Coverage) {
        let mut witnesses = std::mem::take(&mut self.witnesses);
        for witness in witnesses.iter_mut().filter(|witness| witness.against.as_deref() == Some(name)) {
            witness.against = self.find_against(witness, coverage);
        }
        self.witnesses = witnesses;
    }

    /// Everything anew: other rules are in force, and the names here have them already.
    pub(super) fn judge_again(&mut self, coverage: &dyn Coverage) {
        let mut witnesses = std::mem::take(&mut self.witnesses);
        for witness in &mut witnesses {
            witness.rules = coverage.rules(&witness.name);
            witness.against = self.find_against(witness, coverage);
        }
        self.witnesses = witnesses;
    }

    fn find_against(&self, witness: &Witness, coverage: &dyn Coverage) -> Option<Arc<str>> {
        let mut pairs = self.pairs.iter();
        let against = pairs.find(|(name, pair)| is_unrelated(name, &pair.rules, witness, coverage));
        against.map(|(name, _)| Arc::clone(name))
    }

    /// Forgets who was seen too long ago; says whether there was one.
    pub(super) fn forget(&mut self, now: Instant) -> bool {
        let before = self.witnesses.len();
        self.witnesses.retain(|witness| now.saturating_duration_since(witness.seen_at) < SHARING_REMEMBERED);
        self.witnesses.len() != before
    }

    /// A covered name and one that has nothing to do with it, if the address is shared.
    pub(super) fn sharing(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        self.witnesses.iter().find_map(|witness| Some((witness.against.as_ref()?, &witness.name)))
    }

    /// All rules that have the address by a name.
    pub(super) fn rules(&self) -> BTreeSet<u32> {
        self.pairs.values().flat_map(|pair| &pair.rules).copied().collect()
    }
}

/// Whether a covered name and a witness have nothing to do with each other: no policy covers both, and they are of
/// different owners.
fn is_unrelated(name: &str, rules: &BTreeSet<u32>, witness: &Witness, coverage: &dyn Coverage) -> bool {
    let is_one_policy =
        || rules.iter().any(|rule| witness.rules.iter().any(|other| coverage.is_one_policy(*rule, *other)));
    !rules.is_empty()
        && name != &*witness.name
        && !is_one_policy()
        && !coverage.is_one_owner(name, &witness.name)
}
