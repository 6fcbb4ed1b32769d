//! What addresses are in the plan.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tollfree_core::limits::MATCHERS_MAX;
use tollfree_core::plan::{ClassEntry, Evidence, MatchSet, Matcher, RuleClass, RuleEntry};

pub(crate) const NEVER_NS: u64 = u64::MAX;
/// One nanosecond after the machine started.
pub(crate) const PASSED_NS: u64 = 1;
/// What a subscriber gets in a day, in octets, unless a part has its own. Reason: a few packets, so that also short
/// captures pass it.
const CEILING_OCTETS: u64 = 2000;
/// Rules by their places, in the first half of a part.
pub(crate) const RULES: [RuleEntry; 7] = [
    RuleEntry::new(1001, RuleClass::Free),
    RuleEntry::new(1002, RuleClass::FreePriority),
    RuleEntry::new(1003, RuleClass::Priority),
    RuleEntry { valid_until_ns: PASSED_NS, ..RuleEntry::new(1004, RuleClass::Free) },
    named(RuleEntry::new(1005, RuleClass::Free)),
    ceiled(RuleEntry::new(1006, RuleClass::FreePriority)),
    named(ceiled(RuleEntry::new(1007, RuleClass::Free))),
];
/// In the second half: one asks for evidence that did not, another asks in the place of one that asked as well, and a third
/// asks no more.
pub(crate) const LATER_RULES: [RuleEntry; 7] = [
    named(RULES[FREE as usize]),
    RULES[FREE_PRIORITY as usize],
    RULES[PRIORITY as usize],
    RULES[ENDED as usize],
    named(RuleEntry::new(1008, RuleClass::Free)),
    RULES[CEILED as usize],
    ceiled(RuleEntry::new(1007, RuleClass::Free)),
];

/// The rules; this is the ceiling of the one that [`CEILINGS`] have for datagrams.
pub(crate) fn with_datagram_ceiling(rules: &[RuleEntry], ceiling_octets: Option<u64>) -> Vec<RuleEntry> {
    let mut rules = rules.to_vec();
    if let (Some(rule), Some(octets)) = (rules.get_mut(usize::from(NAMED_AND_CEILED)), ceiling_octets) {
        rule.ceiling_octets = octets;
    }
    rules
}

const fn named(rule: RuleEntry) -> RuleEntry {
    RuleEntry { evidence: Evidence::NameAndAddress as u32, ..rule }
}

const fn ceiled(rule: RuleEntry) -> RuleEntry {
    RuleEntry { ceiling_octets: CEILING_OCTETS, ..rule }
}

/// Places in [`RULES`].
const FREE: u16 = 0;
const FREE_PRIORITY: u16 = 1;
const PRIORITY: u16 = 2;
const ENDED: u16 = 3;
const NAMED: u16 = 4;
const CEILED: u16 = 5;
const NAMED_AND_CEILED: u16 = 6;
const BOTH: u16 = Matcher::TCP | Matcher::UDP;

/// What a remote address is in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    Not,
    /// By the match set at this place.
    Candidate(u32),
    /// The network around it, by the same.
    Network(u32),
    Media,
    /// A call's media, and listed by the match set at this place.
    MediaAnd(u32),
}

/// Addresses take these in turn.
pub(crate) const LISTINGS: [Listing; 17] = [
    Listing::Candidate(ALL_PORTS),
    Listing::Candidate(NAMES),
    Listing::Candidate(WEB_PORTS),
    Listing::Media,
    Listing::Candidate(CEILINGS),
    Listing::Candidate(ALL_PORTS),
    Listing::Candidate(PAID_PRIORITY),
    Listing::Network(NAMES),
    Listing::Network(ALL_PORTS),
    Listing::Candidate(FULL_SET),
    Listing::MediaAnd(CEILINGS),
    Listing::Not,
    Listing::Candidate(NAMES),
    Listing::Candidate(ENDED_RULE),
    Listing::MediaAnd(WEB_PORTS),
    Listing::Candidate(CEILINGS),
    Listing::Candidate(WEB_PORTS),
];

/// Places of match sets.
const ALL_PORTS: u32 = 0;
const WEB_PORTS: u32 = 1;
const PAID_PRIORITY: u32 = 2;
const ENDED_RULE: u32 = 3;
const FULL_SET: u32 = 4;
const NAMES: u32 = 5;
pub(crate) const CEILINGS: u32 = 6;

/// The prefix that an address is listed by, and what that is in the plan.
pub(crate) fn class(listing: Listing, ip: IpAddr) -> (IpNet, ClassEntry) {
    let alone = IpNet::from(ip);
    let candidate = |match_set| ClassEntry { flags: ClassEntry::CANDIDATE, match_set };
    match listing {
        Listing::Not => (alone, ClassEntry::default()),
        Listing::Candidate(match_set) => (alone, candidate(match_set)),
        Listing::Network(match_set) => (network(ip, 24, 48), candidate(match_set)),
        Listing::Media => (alone, ClassEntry { flags: ClassEntry::MEDIA, match_set: 0 }),
        Listing::MediaAnd(match_set) => {
            (alone, ClassEntry { flags: ClassEntry::MEDIA | ClassEntry::CANDIDATE, match_set })
        }
    }
}

/// The network of so many bits around an address.
pub(crate) fn network(ip: IpAddr, v4_bits: u8, v6_bits: u8) -> IpNet {
    match ip {
        IpAddr::V4(v4) => Ipv4Net::new_assert(v4, v4_bits).trunc().into(),
        IpAddr::V6(v6) => Ipv6Net::new_assert(v6, v6_bits).trunc().into(),
    }
}

/// In the order of the places that listings name.
pub(crate) fn match_sets() -> Vec<MatchSet> {
    let matcher = |protocols, first_port, last_port, rule_index| Matcher {
        first_port,
        last_port,
        rule_index,
        protocols,
    };
    let all = |rule| matcher(BOTH, 0, u16::MAX, rule);
    let mut full = vec![matcher(Matcher::UDP, 1, 1, PRIORITY); MATCHERS_MAX - 2];
    full.extend([matcher(Matcher::TCP, 80, 80, FREE_PRIORITY), all(FREE)]);
    let sets = [
        vec![all(FREE)],
        vec![matcher(BOTH, 443, 443, FREE_PRIORITY), matcher(Matcher::TCP, 80, 80, FREE)],
        vec![all(PRIORITY)],
        vec![matcher(BOTH, 0, 1023, ENDED), all(FREE)],
        full,
        vec![all(NAMED)],
        vec![matcher(Matcher::TCP, 0, u16::MAX, CEILED), all(NAMED_AND_CEILED)],
    ];
    sets.iter().map(|matchers| set(matchers)).collect()
}

/// At most [`MATCHERS_MAX`] of them; the rest of the set is its end.
fn set(matchers: &[Matcher]) -> MatchSet {
    let mut set = MatchSet::EMPTY;
    for (place, matcher) in set.matchers.iter_mut().zip(matchers) {
        *place = *matcher;
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listing_names_a_match_set() {
        for listing in LISTINGS {
            if let Listing::Candidate(set) | Listing::Network(set) | Listing::MediaAnd(set) = listing {
                assert!((set as usize) < match_sets().len(), "{listing:?}");
            }
        }
    }
}
