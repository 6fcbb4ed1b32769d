//! From what rules list to what the longest prefix must say.
//!
//! The kernel looks an address up once and sees the longest prefix only. So every prefix takes over the flags
//! of all that cover it, and their matchers after its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipnet::IpNet;
use tollfree_core::limits::{MATCH_SETS_MAX, MATCHERS_MAX};
use tollfree_core::plan::{ClassEntry, MatchSet, Matcher};

use super::port::PortRange;

/// What is said of one prefix itself.
#[derive(Default)]
struct Claim {
    flags: u32,
    /// Places in the plan, in the order of the rules' permanent numbers.
    rules: BTreeSet<u16>,
}

/// What rules and settings say of prefixes. A prefix comes before all that it covers: that is the order of
/// [`IpNet`].
#[derive(Default)]
pub(super) struct Claims {
    prefixes: BTreeMap<IpNet, Claim>,
}

/// What the kernel looks up by address.
pub(super) struct Classes {
    pub(super) classes: BTreeMap<IpNet, ClassEntry>,
    pub(super) match_sets: Vec<MatchSet>,
}

/// A bound of the data plane that a prefix would pass.
pub(super) enum Overflow {
    /// More than [`MATCHERS_MAX`]; the first rule that finds no room.
    Matchers { network: IpNet, rule_index: u16 },
    /// More than [`MATCH_SETS_MAX`].
    MatchSets { network: IpNet },
}

/// What a prefix says, with all that it inherits.
struct Inherited {
    network: IpNet,
    flags: u32,
    matchers: Vec<Matcher>,
}

impl Claims {
    /// The rule at this place lists `network`.
    pub(super) fn list(&mut self, network: IpNet, rule_index: u16) {
        let claim = self.prefixes.entry(network).or_default();
        claim.flags |= ClassEntry::CANDIDATE;
        claim.rules.insert(rule_index);
    }

    /// `network` has `flags`, without a rule.
    pub(super) fn mark(&mut self, network: IpNet, flags: u32) {
        self.prefixes.entry(network).or_default().flags |= flags;
    }

    /// Prefixes, in order.
    pub(super) fn networks(&self) -> impl Iterator<Item = &IpNet> {
        self.prefixes.keys()
    }

    /// Lets every prefix inherit; `ports` are the rules', by place in the plan.
    pub(super) fn inherit(&self, ports: &[&[PortRange]]) -> Result<Classes, Overflow> {
        let mut classes = BTreeMap::new();
        let mut match_sets = MatchSets::default();
        let mut covering: Vec<Inherited> = Vec::new();
        for (&network, claim) in &self.prefixes {
            while covering.pop_if(|outer| !outer.network.contains(&network)).is_some() {}
            let inherited = inherit_one(network, claim, covering.last(), ports)?;
            let match_set = if inherited.flags & ClassEntry::CANDIDATE == 0 {
                0
            } else {
                match_sets.number(&inherited.matchers).ok_or(Overflow::MatchSets { network })?
            };
            classes.insert(network, ClassEntry { flags: inherited.flags, match_set });
            covering.push(inherited);
        }
        Ok(Classes { classes, match_sets: match_sets.sets })
    }
}

fn inherit_one(
    network: IpNet,
    claim: &Claim,
    outer: Option<&Inherited>,
    ports: &[&[PortRange]],
) -> Result<Inherited, Overflow> {
    let own = claim.rules.iter().flat_map(|&rule_index| {
        let ranges = ports.get(usize::from(rule_index)).copied().unwrap_or_default();
        ranges.iter().map(move |&range| matcher(range, rule_index))
    });
    let taken_over = outer.into_iter().flat_map(|outer| outer.matchers.iter().copied());
    let mut matchers = Vec::new();
    for matcher in own.chain(taken_over) {
        // What an earlier matcher covers can never decide.
        if matchers.iter().any(|&earlier| covers(earlier, matcher)) {
            continue;
        }
        if matchers.len() == MATCHERS_MAX {
            return Err(Overflow::Matchers { network, rule_index: matcher.rule_index });
        }
        matchers.push(matcher);
    }
    Ok(Inherited { network, flags: claim.flags | outer.map_or(0, |outer| outer.flags), matchers })
}

const fn matcher(range: PortRange, rule_index: u16) -> Matcher {
    Matcher { first_port: range.first, last_port: range.last, rule_index, protocols: range.protocols }
}

const fn covers(earlier: Matcher, later: Matcher) -> bool {
    earlier.protocols & later.protocols == later.protocols
        && earlier.first_port <= later.first_port
        && earlier.last_port >= later.last_port
}

/// Match sets, each held once; numbered as they come.
#[derive(Default)]
struct MatchSets {
    sets: Vec<MatchSet>,
    numbers: HashMap<MatchSet, u32>,
}

impl MatchSets {
    /// The number of the set of `matchers`, at most [`MATCHERS_MAX`]; `None` if there is no room for another.
    fn number(&mut self, matchers: &[Matcher]) -> Option<u32> {
        let mut set = MatchSet::EMPTY;
        for (place, matcher) in set.matchers.iter_mut().zip(matchers) {
            *place = *matcher;
        }
        if let Some(&number) = self.numbers.get(&set) {
            return Some(number);
        }
        let number = u32::try_from(self.sets.len()).ok().filter(|&number| number < MATCH_SETS_MAX)?;
        self.sets.push(set);
        self.numbers.insert(set, number);
        Some(number)
    }
}
