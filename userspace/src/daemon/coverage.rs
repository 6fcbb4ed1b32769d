//! Which rules of the plan in force cover a name.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Coverage;
use crate::policy::{NameIndex, Plan, PolicySet, RuleKey, SuffixList, WireName};
use crate::resolve::{Dnssec, NameTerms};

/// The names of a plan.
#[derive(Debug)]
pub(super) struct PlanCoverage {
    names: NameIndex,
    /// Each rule's policy.
    policies: BTreeMap<u32, String>,
    /// What the site of each rule asks for.
    terms: BTreeMap<u32, Option<Dnssec>>,
    /// Where sites do not say.
    dnssec: Dnssec,
}

impl PlanCoverage {
    /// Of `plan`, which was compiled from `policies`.
    pub(super) fn new(plan: &Plan, policies: &PolicySet, dnssec: Dnssec) -> Self {
        let sites = policies
            .policies
            .iter()
            .flat_map(|policy| policy.sites.iter().map(move |site| ((&policy.id, &site.id), site.dnssec)));
        let sites: BTreeMap<_, _> = sites.collect();
        let asked = |key: &RuleKey| sites.get(&(&key.policy, &key.rule)).copied().flatten();
        let terms = plan.rules.iter().map(|rule| (rule.entry.rule, asked(&rule.key))).collect();
        let policies = plan.rules.iter().map(|rule| (rule.entry.rule, rule.key.policy.clone())).collect();
        Self { names: plan.names.clone(), policies, terms, dnssec }
    }
}

impl Coverage for PlanCoverage {
    fn rules(&self, name: &str) -> BTreeSet<u32> {
        let name = WireName::parse(name.as_bytes());
        name.host().map(|host| self.names.rules(host)).unwrap_or_default()
    }

    fn is_one_policy(&self, rule: u32, other: u32) -> bool {
        rule == other
            || self.policies.get(&rule).is_some_and(|policy| self.policies.get(&other) == Some(policy))
    }

    fn is_one_owner(&self, name: &str, other: &str) -> bool {
        let list = SuffixList::pinned();
        match (list.registrable(name), list.registrable(other)) {
            (Some(own), Some(theirs)) => own == theirs,
            _ => name == other,
        }
    }

    fn dnssec(&self, name: &str) -> Dnssec {
        let mut terms = NameTerms::default();
        for rule in self.rules(name) {
            terms.add(self.terms.get(&rule).copied().flatten(), None);
        }
        terms.dnssec(self.dnssec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Digest;

    #[test]
    fn a_name_and_what_is_below_it_have_one_owner() {
        let no_policies = PolicySet { digest: Digest([0; 32]), files: Vec::new(), policies: Vec::new() };
        let coverage = PlanCoverage::new(&Plan::default(), &no_policies, Dnssec::Off);
        for (name, other, is_one) in [
            ("moh.gov.vn", "moh.gov.vn", true),
            ("www.moh.gov.vn", "moh.gov.vn", true),
            ("moh.gov.vn", "www.moh.gov.vn", true),
            ("notmoh.gov.vn", "moh.gov.vn", false),
            ("moh.gov.vn", "bank.example", false),
        ] {
            assert_eq!(coverage.is_one_owner(name, other), is_one, "{name}, {other}");
        }
        assert!(coverage.rules("moh.gov.vn").is_empty() && coverage.is_one_policy(1, 1));
    }
}
