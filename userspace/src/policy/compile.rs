//! From policies to a plan: pure, and the same for the same input.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use tollfree_core::limits::{CLASS_PREFIXES_MAX, MATCH_SETS_MAX, MATCHERS_MAX, RULES_MAX};
use tollfree_core::plan::{ClassEntry, Evidence, RuleClass, RuleEntry};

use super::domain::DomainName;
use super::file::Policy;
use super::ground::Ground;
use super::hidden_name::HiddenName;
use super::hotline::Hotline;
use super::inherit::{Claims, Overflow, Reach};
use super::key::RuleKey;
use super::mode::Mode;
use super::names::NameIndex;
use super::network::single;
use super::pattern::DomainPattern;
use super::plan::{HotlineEntry, HotlineTable, Plan, PlanRule};
use super::port::PortRange;
use super::set::PolicySet;
use super::site::{Ceiling, Site};

/// All that a plan depends on.
#[derive(Clone, Copy)]
pub struct CompileInput<'a> {
    /// What was promised.
    pub policies: &'a PolicySet,
    /// The permanent number of each rule that is in force, at least; not 0, no two the same.
    pub numbers: &'a BTreeMap<RuleKey, u32>,
    /// The addresses that names have now, those below wildcards too; a name that is absent has none. Names that no
    /// rule in force covers are passed over.
    pub addresses: &'a BTreeMap<DomainName, BTreeSet<IpAddr>>,
    /// Those of them that names have which are nobody's in the policies.
    pub shared: &'a [IpAddr],
    /// Trusted resolvers.
    pub resolvers: &'a [IpAddr],
    /// Signalling proxies.
    pub proxies: &'a [IpAddr],
    /// This gateway.
    pub gateway_id: &'a str,
    /// The region it is in, if it is in one.
    pub region: Option<&'a str>,
    /// Rules in force at this instant are in the plan.
    pub now: Timestamp,
    /// When an instant comes, in nanoseconds of `CLOCK_MONOTONIC`.
    pub monotonic_ns: &'a dyn Fn(Timestamp) -> u64,
}

/// The addresses of names that have none.
static NO_ADDRESSES: BTreeMap<DomainName, BTreeSet<IpAddr>> = BTreeMap::new();

impl<'a> CompileInput<'a> {
    /// Policies alone, on a gateway that none of them names: no name has an address, there are no resolvers, proxies and
    /// regions, and the ends of rules are too far away to be told in nanoseconds.
    pub fn new(policies: &'a PolicySet, numbers: &'a BTreeMap<RuleKey, u32>, now: Timestamp) -> Self {
        Self {
            policies,
            numbers,
            addresses: &NO_ADDRESSES,
            shared: &[],
            resolvers: &[],
            proxies: &[],
            gateway_id: "",
            region: None,
            now,
            monotonic_ns: &|_| u64::MAX,
        }
    }
}

/// Why there is no plan. What was in force stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The input gives a rule in force no number, or 0.
    #[error("the rule {rule} has no permanent number; give it one before compiling")]
    Unnumbered {
        /// Which.
        rule: RuleKey,
    },
    /// The input gives two rules one number.
    #[error("the rules {first} and {second} have the same permanent number {number}; give each its own")]
    NumberTwice {
        /// The number.
        number: u32,
        /// One of them.
        first: RuleKey,
        /// The other.
        second: RuleKey,
    },
    /// More than [`RULES_MAX`] rules in force.
    #[error(
        "the rule {rule} is one more than the {RULES_MAX} a gateway holds; list sites together in one rule"
    )]
    TooManyRules {
        /// The first that finds no room.
        rule: RuleKey,
    },
    /// More than [`CLASS_PREFIXES_MAX`] prefixes of one family.
    #[error(
        "the prefix {network} is one more than the {CLASS_PREFIXES_MAX} a gateway holds of its family; \
         list broader networks"
    )]
    TooManyPrefixes {
        /// The first that finds no room.
        network: IpNet,
    },
    /// More than [`MATCHERS_MAX`] port ranges for one prefix, names left aside: where they bring too many to one address, it
    /// is in [`Plan::crowded`].
    #[error(
        "at {network}, the rule {rule} needs more than the {MATCHERS_MAX} port ranges one address may have; \
         list fewer or broader ranges there"
    )]
    TooManyMatchers {
        /// The prefix.
        network: IpNet,
        /// The first rule that finds no room.
        rule: RuleKey,
    },
    /// More than [`MATCH_SETS_MAX`] combinations of rules.
    #[error(
        "the combination of rules at {network} is one more than the {MATCH_SETS_MAX} a gateway holds; \
         let networks overlap less"
    )]
    TooManyMatchSets {
        /// The prefix.
        network: IpNet,
    },
}

/// A rule in force, before it has a place in the plan.
struct Rule<'a> {
    number: u32,
    key: RuleKey,
    policy: &'a Policy,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Site(&'a Site),
    Hotline(&'a Hotline),
}

/// The plan that is in force at `input.now`.
pub fn compile(input: &CompileInput<'_>) -> Result<Plan, CompileError> {
    let rules = rules_in_force(input)?;
    let names: NameIndex = rules.iter().flat_map(Rule::listed).collect();
    let places = rules.iter().map(|rule| (rule.number, rule.reach()));
    let ground = Ground::new(ground_claims(input, &rules), places);
    let claims = claims(input, &rules, &names, &ground)?;
    let classes =
        claims.inherit(ground.reaches(), ground.claims()).map_err(|overflow| explain(&overflow, &rules))?;
    Ok(Plan {
        classes: classes.prefixes,
        match_sets: classes.match_sets,
        rules: rules.iter().map(|rule| rule.place(input)).collect(),
        names,
        hotlines: hotlines(input, &rules),
        next_change: next_change(input),
        crowded: classes.crowded.iter().map(IpNet::addr).collect(),
        ground: Arc::new(ground),
    })
}

/// The policies for this gateway that have rules.
fn policies_here<'a>(input: &CompileInput<'a>) -> impl Iterator<Item = &'a Policy> {
    let (gateway_id, region) = (input.gateway_id, input.region);
    let has_rules = |policy: &&Policy| !(policy.sites.is_empty() && policy.hotlines.is_empty());
    input
        .policies
        .policies
        .iter()
        .filter(move |policy| policy.applies_to(gateway_id, region))
        .filter(has_rules)
}

/// The rules in force here and now, by permanent number.
fn rules_in_force<'a>(input: &CompileInput<'a>) -> Result<Vec<Rule<'a>>, CompileError> {
    let mut rules = Vec::new();
    for policy in policies_here(input).filter(|policy| policy.in_force_at(input.now)) {
        let sites = policy.sites.iter().map(|site| (&site.id, Kind::Site(site)));
        let hotlines = policy.hotlines.iter().map(|hotline| (&hotline.id, Kind::Hotline(hotline)));
        for (id, kind) in sites.chain(hotlines) {
            let key = RuleKey { policy: policy.id.clone(), rule: id.clone() };
            match input.numbers.get(&key) {
                Some(&number) if number != 0 => rules.push(Rule { number, key, policy, kind }),
                _ => return Err(CompileError::Unnumbered { rule: key }),
            }
        }
    }
    rules.sort_by_key(|rule| rule.number);
    if let Some((first, second)) = rules.iter().zip(rules.iter().skip(1)).find(|(a, b)| a.number == b.number)
    {
        let (number, first, second) = (first.number, first.key.clone(), second.key.clone());
        return Err(CompileError::NumberTwice { number, first, second });
    }
    match rules.get(RULES_MAX as usize) {
        Some(rule) => Err(CompileError::TooManyRules { rule: rule.key.clone() }),
        None => Ok(rules),
    }
}

/// What rules and settings say of each prefix, whatever addresses names have.
fn ground_claims(input: &CompileInput<'_>, rules: &[Rule<'_>]) -> Claims {
    let mut claims = Claims::default();
    for (rule_index, rule) in (0u16..).zip(rules) {
        match rule.kind {
            Kind::Site(site) => site.networks.iter().for_each(|&network| claims.list(network, rule_index)),
            Kind::Hotline(hotline) => {
                hotline.media_networks.iter().for_each(|&network| claims.mark(network, ClassEntry::MEDIA));
            }
        }
    }
    let frees_texts =
        rules.iter().any(|rule| matches!(rule.kind, Kind::Hotline(hotline) if hotline.terms.has_messages));
    let proxy_flags = ClassEntry::SIGNALLING | if frees_texts { ClassEntry::TEXTS } else { 0 };
    input.proxies.iter().for_each(|&proxy| claims.mark(single(proxy), proxy_flags));
    input.resolvers.iter().for_each(|&resolver| claims.mark(single(resolver), ClassEntry::RESOLVER));
    claims
}

/// What is said of each prefix: by the ground, and of the addresses that names have.
fn claims(
    input: &CompileInput<'_>,
    rules: &[Rule<'_>],
    names: &NameIndex,
    ground: &Ground,
) -> Result<Claims, CompileError> {
    let mut claims = ground.claims().clone();
    let shared: BTreeSet<&IpAddr> = input.shared.iter().collect();
    let indexes: BTreeMap<u32, u16> = rules.iter().map(|rule| rule.number).zip(0..).collect();
    for (name, addresses) in input.addresses {
        let covering = names.rules(name);
        for &rule_index in covering.iter().filter_map(|rule| indexes.get(rule)) {
            for &address in addresses {
                claims.list(single(address), rule_index);
                if shared.contains(&address) {
                    claims.mark(single(address), ClassEntry::SHARED);
                }
            }
        }
    }
    let is_v4 = |network: &&IpNet| matches!(network, IpNet::V4(_));
    let (v4, v6): (Vec<&IpNet>, Vec<&IpNet>) = claims.networks().partition(is_v4);
    for family in [v4, v6] {
        if let Some(&&network) = family.get(CLASS_PREFIXES_MAX as usize) {
            return Err(CompileError::TooManyPrefixes { network });
        }
    }
    Ok(claims)
}

fn explain(overflow: &Overflow, rules: &[Rule<'_>]) -> CompileError {
    match *overflow {
        Overflow::MatchSets { network } => CompileError::TooManyMatchSets { network },
        Overflow::Matchers { network, rule_index } => {
            let rule = rules[usize::from(rule_index)].key.clone();
            CompileError::TooManyMatchers { network, rule }
        }
    }
}

/// Where rules share a number to call, the one with the lowest permanent number has it.
fn hotlines(input: &CompileInput<'_>, rules: &[Rule<'_>]) -> HotlineTable {
    let mut table = HotlineTable::default();
    for rule in rules {
        let Kind::Hotline(hotline) = rule.kind else { continue };
        let entry = HotlineEntry {
            key: rule.key.clone(),
            rule: rule.number,
            class: rule.class(),
            media_networks: hotline.media_networks.clone(),
            terms: hotline.terms,
            valid_until_ns: rule.valid_until_ns(input),
        };
        for number in &hotline.numbers {
            table.add(hotline.plan, number.clone(), entry.clone());
        }
    }
    table
}

/// The next instant at which a rule for this gateway begins or ends.
fn next_change(input: &CompileInput<'_>) -> Option<Timestamp> {
    let instants = policies_here(input).flat_map(|policy| [Some(policy.valid_from), policy.valid_until]);
    instants.flatten().filter(|&instant| instant > input.now).min()
}

impl Rule<'_> {
    fn class(&self) -> RuleClass {
        match self.kind {
            Kind::Site(site) => site.class,
            Kind::Hotline(_) => RuleClass::Free,
        }
    }

    /// What it lists, each with its number.
    fn listed(&self) -> impl Iterator<Item = (u32, &DomainPattern)> {
        let domains = match self.kind {
            Kind::Site(site) => site.domains.as_slice(),
            Kind::Hotline(_) => &[],
        };
        domains.iter().map(|pattern| (self.number, pattern))
    }

    fn ports(&self) -> &[PortRange] {
        match self.kind {
            Kind::Site(site) => &site.ports,
            Kind::Hotline(_) => &[],
        }
    }

    fn reach(&self) -> Reach {
        let asks = self.evidence() == Evidence::NameAndAddress && self.class().is_free();
        Reach { ports: self.ports().to_vec(), asks }
    }

    /// A call's own negotiation is its evidence.
    fn evidence(&self) -> Evidence {
        match self.kind {
            Kind::Site(site) => site.evidence,
            Kind::Hotline(_) => Evidence::Address,
        }
    }

    fn hidden_name(&self) -> HiddenName {
        match self.kind {
            Kind::Site(site) => site.hidden_name,
            Kind::Hotline(_) => HiddenName::default(),
        }
    }

    fn ceiling_octets(&self) -> u64 {
        match self.kind {
            Kind::Site(site) => site.daily_ceiling.map_or(RuleEntry::NO_CEILING, Ceiling::octets),
            Kind::Hotline(_) => RuleEntry::NO_CEILING,
        }
    }

    fn flags(&self) -> u32 {
        let hides = match self.kind {
            Kind::Site(site) if site.hidden_name == HiddenName::Free => RuleEntry::HIDDEN_FREE,
            _ => 0,
        };
        hides | if self.policy.mode == Mode::Observe { RuleEntry::OBSERVED } else { 0 }
    }

    fn valid_until_ns(&self, input: &CompileInput<'_>) -> u64 {
        self.policy.valid_until.map_or(u64::MAX, input.monotonic_ns)
    }

    fn place(&self, input: &CompileInput<'_>) -> PlanRule {
        let (rating_group, domains, networks, numbers) = match self.kind {
            Kind::Site(site) => (site.rating_group, site.domains.clone(), &site.networks, Vec::new()),
            Kind::Hotline(hotline) => {
                (hotline.rating_group, Vec::new(), &hotline.media_networks, hotline.numbers.clone())
            }
        };
        let class = self.class();
        PlanRule {
            key: self.key.clone(),
            entry: RuleEntry {
                valid_until_ns: self.valid_until_ns(input),
                ceiling_octets: self.ceiling_octets(),
                evidence: self.evidence() as u32,
                flags: self.flags(),
                ..RuleEntry::new(self.number, class)
            },
            class,
            evidence: self.evidence(),
            hidden_name: self.hidden_name(),
            observes: self.policy.mode == Mode::Observe,
            rating_group,
            domains,
            networks: networks.clone(),
            ports: self.ports().to_vec(),
            numbers,
            valid_from: self.policy.valid_from,
            valid_until: self.policy.valid_until,
        }
    }
}
