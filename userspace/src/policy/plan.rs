//! A compiled plan: what the kernel looks up, and what userspace needs to explain it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use tollfree_core::plan::{ClassEntry, Evidence, MatchSet, Matcher, RuleClass, RuleEntry};

use super::call_terms::CallTerms;
use super::ground::Ground;
use super::hidden_name::HiddenName;
use super::key::RuleKey;
use super::names::NameIndex;
use super::number::{NationalNumber, NumberingPlan};
use super::pattern::DomainPattern;
use super::port::PortRange;

/// One rule of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRule {
    /// Which rule it is.
    pub key: RuleKey,
    /// What the kernel holds of it: permanent number, class, end.
    pub entry: RuleEntry,
    /// What it gives.
    pub class: RuleClass,
    /// What it asks for.
    pub evidence: Evidence,
    /// What becomes of flows that do not show their name, if the evidence is by name.
    pub hidden_name: HiddenName,
    /// Its policy is only observed: what it gives is counted, not given.
    pub observes: bool,
    /// Rating group of its volume (RFC 8506, section 8.29).
    pub rating_group: u32,
    /// Names and wildcards it lists; none of a hotline.
    pub domains: Vec<DomainPattern>,
    /// Networks it lists; of a hotline, its media networks.
    pub networks: Vec<IpNet>,
    /// Remote ports it lists; none of a hotline.
    pub ports: Vec<PortRange>,
    /// Numbers it lists; none of a site.
    pub numbers: Vec<NationalNumber>,
    /// In force from this instant on.
    pub valid_from: Timestamp,
    /// In force until just before this instant; `None`: without end.
    pub valid_until: Option<Timestamp>,
}

/// What a call to a hotline gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotlineEntry {
    /// The rule's name.
    pub key: RuleKey,
    /// The rule's permanent number.
    pub rule: u32,
    /// What it gives.
    pub class: RuleClass,
    /// Where media may go and still be free.
    pub media_networks: Vec<IpNet>,
    /// What a call may take and still be free.
    pub terms: CallTerms,
    /// When the rule ends, in nanoseconds of `CLOCK_MONOTONIC`; `u64::MAX`: never.
    pub valid_until_ns: u64,
}

/// The numbers that are free to call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HotlineTable {
    /// By country code of ISO 3166-1.
    countries: BTreeMap<&'static str, (&'static NumberingPlan, BTreeMap<NationalNumber, HotlineEntry>)>,
}

impl HotlineTable {
    /// Adds a number; one that is there already stays what it is.
    pub(super) fn add(&mut self, plan: &'static NumberingPlan, number: NationalNumber, entry: HotlineEntry) {
        let (_, numbers) =
            self.countries.entry(plan.country.as_str()).or_insert_with(|| (plan, BTreeMap::new()));
        numbers.entry(number).or_insert(entry);
    }

    /// The hotline that `dialled` reaches, in whatever form [`NumberingPlan::normalise`] knows. Compared
    /// whole.
    pub fn lookup(&self, dialled: &str) -> Option<(&NationalNumber, &HotlineEntry)> {
        self.find_number(dialled).map(|(_, number, entry)| (number, entry))
    }

    /// The same, with the country whose number it is.
    pub fn find_number(&self, dialled: &str) -> Option<(&'static str, &NationalNumber, &HotlineEntry)> {
        self.countries.iter().find_map(|(country, (plan, numbers))| {
            let (number, entry) = numbers.get_key_value(&plan.normalise(dialled)?)?;
            Some((*country, number, entry))
        })
    }

    /// The numbering plan of a country that has a number here.
    pub fn plan(&self, country: &str) -> Option<&'static NumberingPlan> {
        self.countries.get(country).map(|(plan, _)| *plan)
    }

    /// All numbers with their countries, by country and number.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &NationalNumber, &HotlineEntry)> {
        self.countries.iter().flat_map(|(country, (_, numbers))| {
            numbers.iter().map(move |(number, entry)| (*country, number, entry))
        })
    }
}

/// What is in force between one change and the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What each listed prefix is. The longest prefix decides alone: it has inherited from all that cover it.
    pub classes: BTreeMap<IpNet, ClassEntry>,
    /// By the number that a [`ClassEntry`] has; no two are the same.
    pub match_sets: Vec<MatchSet>,
    /// By the index that a [`Matcher`] has; in the order of their permanent numbers.
    pub rules: Vec<PlanRule>,
    /// Which of them cover a name, by permanent number.
    pub names: NameIndex,
    /// Numbers that are free to call.
    pub hotlines: HotlineTable,
    /// Addresses whose names' rules have more port ranges than the kernel tries at one address: there, networks alone decide.
    pub crowded: BTreeSet<IpAddr>,
    /// When the next rule for this gateway begins or ends; `None`: nothing will change by itself.
    pub next_change: Option<Timestamp>,
    /// What all of it says but for names: by that, single addresses are changed while it is in force.
    pub ground: Arc<Ground>,
}

impl Plan {
    /// The plan as text, the same for the same plan: for people, and to compare.
    pub fn describe(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rules")?;
        for (index, rule) in self.rules.iter().enumerate() {
            write_rule(f, index, rule)?;
        }
        writeln!(f, "prefixes")?;
        for (network, class) in &self.classes {
            write_class(f, network, *class)?;
        }
        writeln!(f, "match sets")?;
        for (index, set) in self.match_sets.iter().enumerate() {
            write_match_set(f, index, set)?;
        }
        writeln!(f, "hotlines")?;
        for (country, number, entry) in self.hotlines.iter() {
            writeln!(f, "  {country} {number}: rule {} ({}), {}", entry.rule, entry.key, entry.class.name())?;
        }
        match self.next_change {
            Some(instant) => writeln!(f, "next change: {instant}"),
            None => writeln!(f, "next change: none"),
        }
    }
}

fn write_rule(f: &mut fmt::Formatter<'_>, index: usize, rule: &PlanRule) -> fmt::Result {
    let (number, class, rating_group) = (rule.entry.rule, rule.class.name(), rule.rating_group);
    writeln!(f, "  [{index}] rule {number} ({}): {class}, rating group {rating_group}", rule.key)?;
    write!(f, "      from {}", rule.valid_from)?;
    match rule.valid_until {
        Some(end) => writeln!(f, " until {end}, ends at {} ns", rule.entry.valid_until_ns)?,
        None => writeln!(f, " without end")?,
    }
    if rule.observes {
        writeln!(f, "      observed only")?;
    }
    if rule.hidden_name != HiddenName::default() {
        writeln!(f, "      hidden name: {}", rule.hidden_name.name())?;
    }
    for domain in &rule.domains {
        writeln!(f, "      domain {}", domain.in_both_forms())?;
    }
    for network in &rule.networks {
        writeln!(f, "      network {network}")?;
    }
    for ports in &rule.ports {
        writeln!(f, "      ports {ports}")?;
    }
    rule.numbers.iter().try_for_each(|number| writeln!(f, "      number {number}"))
}

fn write_class(f: &mut fmt::Formatter<'_>, network: &IpNet, class: ClassEntry) -> fmt::Result {
    write!(f, "  {network}:")?;
    if class.has(ClassEntry::CANDIDATE) {
        write!(f, " candidate by match set {}", class.match_set)?;
    }
    if class.has(ClassEntry::SIGNALLING) {
        write!(f, " signalling")?;
    }
    if class.has(ClassEntry::TEXTS) {
        write!(f, " texts")?;
    }
    if class.has(ClassEntry::MEDIA) {
        write!(f, " media")?;
    }
    writeln!(f)
}

fn write_match_set(f: &mut fmt::Formatter<'_>, index: usize, set: &MatchSet) -> fmt::Result {
    write!(f, "  [{index}]")?;
    for matcher in set.matchers.iter().take_while(|matcher| **matcher != Matcher::END) {
        let Matcher { protocols, first_port: first, last_port: last, rule_index } = *matcher;
        write!(f, " {}->[{rule_index}]", PortRange { protocols, first, last })?;
    }
    writeln!(f)
}
