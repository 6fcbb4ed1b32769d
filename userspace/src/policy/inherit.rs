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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    flags: u32,
    /// Places in the plan, in the order of the rules' permanent numbers.
    rules: BTreeSet<u16>,
}

impl Claim {
    /// The rule at this place lists the prefix.
    pub(super) fn list(&mut self, rule_index: u16) {
        self.flags |= ClassEntry::CANDIDATE;
        self.rules.insert(rule_index);
    }

    /// The prefix has `flags`, without a rule.
    pub(super) const fn mark(&mut self, flags: u32) {
        self.flags |= flags;
    }

    /// What is said without a rule, and whether a rule lists it.
    pub(super) const fn flags(&self) -> u32 {
        self.flags
    }

    /// Whether nothing is said.
    pub(super) const fn is_empty(&self) -> bool {
        self.flags == 0
    }
}

/// What rules and settings say of prefixes. A prefix comes before all that it covers: that is the order of
/// [`IpNet`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    prefixes: BTreeMap<IpNet, Claim>,
}

/// What the kernel looks up by address.
pub(super) struct Classes {
    pub(super) prefixes: BTreeMap<IpNet, ClassEntry>,
    pub(super) match_sets: Vec<MatchSet>,
    /// Prefixes where more rules list names than fit: what is said of them without names holds.
    pub(super) crowded: BTreeSet<IpNet>,
}

/// A bound of the data plane that a prefix would pass.
pub(super) enum Overflow {
    /// More than [`MATCHERS_MAX`]; the first rule that finds no room.
    Matchers { network: IpNet, rule_index: u16 },
    /// More than [`MATCH_SETS_MAX`].
    MatchSets { network: IpNet },
}

/// What a prefix says, with all that it inherits.
pub(super) struct Inherited {
    network: IpNet,
    pub(super) flags: u32,
    matchers: Vec<Matcher>,
}

impl Inherited {
    /// What is tried at an address there, if it is a candidate.
    pub(super) fn match_set(&self) -> Option<MatchSet> {
        (self.flags & ClassEntry::CANDIDATE != 0).then(|| match_set(&self.matchers))
    }
}

impl Claims {
    /// The rule at this place lists `network`.
    pub(super) fn list(&mut self, network: IpNet, rule_index: u16) {
        self.prefixes.entry(network).or_default().list(rule_index);
    }

    /// `network` has `flags`, without a rule.
    pub(super) fn mark(&mut self, network: IpNet, flags: u32) {
        self.prefixes.entry(network).or_default().mark(flags);
    }

    /// What is said of exactly `network`.
    pub(super) fn claim(&self, network: &IpNet) -> Option<&Claim> {
        self.prefixes.get(network)
    }

    /// Prefixes, in order.
    pub(super) fn networks(&self) -> impl Iterator<Item = &IpNet> {
        self.prefixes.keys()
    }

    /// Lets every prefix inherit; `ports` are the rules', by place in the plan. Where names bring more to a prefix than it has
    /// room for, what `ground` says of it holds, which is the same without names.
    pub(super) fn inherit(&self, ports: &[Vec<PortRange>], ground: &Self) -> Result<Classes, Overflow> {
        let mut classes = BTreeMap::new();
        let mut crowded = BTreeSet::new();
        let mut match_sets = MatchSets::default();
        let mut covering: Vec<Inherited> = Vec::new();
        for (&network, claim) in &self.prefixes {
            while covering.pop_if(|outer| !outer.network.contains(&network)).is_some() {}
            let outer = covering.last();
            let inherited = match inherit_one(network, claim, outer, ports) {
                Err(Overflow::Matchers { .. }) if ground.claim(&network) != Some(claim) => {
                    crowded.insert(network);
                    let without_names = ground.without_names(&network, claim, outer);
                    if without_names.is_empty() {
                        continue;
                    }
                    inherit_one(network, &without_names, outer, ports)?
                }
                inherited => inherited?,
            };
            let match_set = match inherited.match_set() {
                Some(set) => match_sets.number(set).ok_or(Overflow::MatchSets { network })?,
                None => 0,
            };
            classes.insert(network, ClassEntry { flags: inherited.flags, match_set });
            covering.push(inherited);
        }
        Ok(Classes { prefixes: classes, match_sets: match_sets.sets, crowded })
    }

    /// What is said of `network` here, and that it is shared, if `claim` says so and there is a rule that it matters for.
    fn without_names(&self, network: &IpNet, claim: &Claim, outer: Option<&Inherited>) -> Claim {
        let mut own = self.claim(network).cloned().unwrap_or_default();
        let flags = own.flags | outer.map_or(0, |outer| outer.flags);
        if flags & ClassEntry::CANDIDATE != 0 {
            own.mark(claim.flags & ClassEntry::SHARED);
        }
        own
    }
}

/// What `network` says that itself says `claim`, inside `outer`.
pub(super) fn inherit_one(
    network: IpNet,
    claim: &Claim,
    outer: Option<&Inherited>,
    ports: &[Vec<PortRange>],
) -> Result<Inherited, Overflow> {
    let own = claim.rules.iter().flat_map(|&rule_index| {
        let ranges = ports.get(usize::from(rule_index)).map(Vec::as_slice).unwrap_or_default();
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

/// The set of `matchers`, at most [`MATCHERS_MAX`].
fn match_set(matchers: &[Matcher]) -> MatchSet {
    let mut set = MatchSet::EMPTY;
    for (place, matcher) in set.matchers.iter_mut().zip(matchers) {
        *place = *matcher;
    }
    set
}

/// Match sets, each held once; numbered as they come.
#[derive(Default)]
struct MatchSets {
    sets: Vec<MatchSet>,
    numbers: HashMap<MatchSet, u32>,
}

impl MatchSets {
    /// The number of a set; `None` if there is no room for another.
    fn number(&mut self, set: MatchSet) -> Option<u32> {
        if let Some(&number) = self.numbers.get(&set) {
            return Some(number);
        }
        let number = u32::try_from(self.sets.len()).ok().filter(|&number| number < MATCH_SETS_MAX)?;
        self.sets.push(set);
        self.numbers.insert(set, number);
        Some(number)
    }
}
