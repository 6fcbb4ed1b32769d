//! Which rules of the plan in force cover a name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::book::Coverage;
use crate::policy::Plan;
use crate::resolve::{Dnssec, NameTerms};

/// The exact names of a plan.
#[derive(Debug)]
pub(super) struct PlanCoverage {
    rules: HashMap<String, BTreeSet<u32>>,
    /// Each rule's policy.
    policies: BTreeMap<u32, String>,
    terms: BTreeMap<String, NameTerms>,
    /// Where sites do not say.
    dnssec: Dnssec,
}

impl PlanCoverage {
    /// Of `plan`, whose names' sites ask for `terms`.
    pub(super) fn new(plan: &Plan, terms: BTreeMap<String, NameTerms>, dnssec: Dnssec) -> Self {
        let mut rules: HashMap<String, BTreeSet<u32>> = HashMap::new();
        for rule in &plan.rules {
            for domain in &rule.domains {
                rules.entry(domain.as_str().to_owned()).or_default().insert(rule.entry.rule);
            }
        }
        let policies = plan.rules.iter().map(|rule| (rule.entry.rule, rule.key.policy.clone())).collect();
        Self { rules, policies, terms, dnssec }
    }
}

impl Coverage for PlanCoverage {
    fn rules(&self, name: &str) -> BTreeSet<u32> {
        self.rules.get(name).cloned().unwrap_or_default()
    }

    fn is_one_policy(&self, rule: u32, other: u32) -> bool {
        rule == other
            || self.policies.get(&rule).is_some_and(|policy| self.policies.get(&other) == Some(policy))
    }

    fn is_one_owner(&self, name: &str, other: &str) -> bool {
        is_under(name, other) || is_under(other, name)
    }

    fn dnssec(&self, name: &str) -> Dnssec {
        self.terms.get(name).map_or(self.dnssec, |terms| terms.dnssec(self.dnssec))
    }
}

fn is_under(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_what_is_below_it_have_one_owner() {
        let coverage = PlanCoverage::new(&Plan::default(), BTreeMap::new(), Dnssec::Off);
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
