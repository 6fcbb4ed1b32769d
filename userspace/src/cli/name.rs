//! Why a name was or was not free.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use crate::book::{ActivationThen, Explained, PolicyThen, gives, is_at, times};
use crate::ledger::PastHolding;
use crate::policy::{DomainName, Mode, Policy, Site};

/// Addresses of other times that are told. Reason: the latest say when to look; the ledger has them all.
const OTHER_TIMES_MAX: usize = 6;

/// What is known of a name at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NameExplanation {
    /// The name, as it is on the wire.
    name: String,
    /// When, and what was in force then.
    #[serde(flatten)]
    activation: ActivationThen,
    /// What held for traffic to it.
    pub(super) result: Explained,
    /// The rules that cover it, in the order in which they are tried.
    rules: Vec<NameRule>,
    /// The addresses that rules had by it then; without any, the latest of other times.
    addresses: Vec<HeldAddress>,
}

/// A rule that covers a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct NameRule {
    /// Its permanent number; `None`: it never had one.
    rule: Option<u32>,
    /// Its policy's id.
    policy: String,
    /// Its id in the policy.
    rule_id: String,
    /// What the order is that the policy carries out.
    legal_basis: String,
    /// What it gives.
    gives: Explained,
    /// Whether the policy is only observed.
    observed: bool,
    /// By which entry of its `domains`.
    domain: String,
    /// Its class, as the policy has it.
    class: &'static str,
    /// What evidence it asks for.
    evidence: &'static str,
}

/// When a rule had an address by the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct HeldAddress {
    /// The address.
    address: IpAddr,
    /// The rule, as policy and rule id.
    rule: String,
    /// From when on.
    from: Timestamp,
    /// Until just before this; `None`: still.
    to: Option<Timestamp>,
}

impl From<&PastHolding> for HeldAddress {
    fn from(held: &PastHolding) -> Self {
        let rule = format!("{}/{}", held.policy, held.rule_id);
        Self { address: held.address, rule, from: held.from_at, to: held.to_at }
    }
}

impl NameRule {
    /// `None`: the site does not cover the name.
    fn new(then: &PolicyThen, policy: &Policy, site: &Site, name: &DomainName) -> Option<Self> {
        let domain = site.domains.iter().find(|domain| domain.covers(name))?;
        Some(Self {
            rule: then.past.rule_number(&policy.id, &site.id),
            policy: policy.id.clone(),
            rule_id: site.id.clone(),
            legal_basis: policy.legal_basis.clone(),
            gives: gives(site, false),
            observed: policy.mode == Mode::Observe,
            domain: domain.to_string(),
            class: site.class.name(),
            evidence: site.evidence.name(),
        })
    }
}

/// Says what `name` was under the policies of `then`, which was read about it.
pub(super) fn explain_name(name: &DomainName, then: PolicyThen) -> NameExplanation {
    let sites = then.policies.iter().flat_map(|policy| policy.sites.iter().map(move |site| (policy, site)));
    let mut rules: Vec<NameRule> =
        sites.filter_map(|(policy, site)| NameRule::new(&then, policy, site, name)).collect();
    // One that was never in force has no number.
    rules.sort_by_key(|rule| rule.rule.unwrap_or(u32::MAX));
    let at = then.activation.at;
    let is_then = |held: &&PastHolding| is_at(held.from_at, held.to_at, at);
    let mut addresses: Vec<HeldAddress> =
        then.past.holdings.iter().filter(is_then).map(HeldAddress::from).collect();
    if addresses.is_empty() {
        addresses = then.past.holdings.iter().rev().take(OTHER_TIMES_MAX).map(HeldAddress::from).collect();
    }
    let result = match rules.first() {
        Some(rule) if rule.observed => Explained::Charged,
        Some(rule) => rule.gives,
        None if then.past.holdings.is_empty() => Explained::Unknown,
        None => Explained::Charged,
    };
    NameExplanation { name: name.to_string(), activation: then.activation, result, rules, addresses }
}

impl fmt::Display for NameExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Name     {}", self.name)?;
        write!(f, "{}", self.activation)?;
        let observed = self.rules.first().is_some_and(|rule| rule.observed);
        let result = if observed { "charged: the policy is only observed" } else { self.result.sentence() };
        writeln!(f, "Result   {result}")?;
        for rule in &self.rules {
            let number = rule.rule.map_or_else(|| "without a number".to_owned(), |number| number.to_string());
            let observed = if rule.observed { ", only observed" } else { "" };
            writeln!(f, "\nRule {number}: {}/{}{observed}", rule.policy, rule.rule_id)?;
            writeln!(f, "  basis     {}", rule.legal_basis)?;
            writeln!(f, "  class     {}, evidence {}", rule.class, rule.evidence)?;
            writeln!(f, "  domain    {}", rule.domain)?;
        }
        if !self.addresses.is_empty() {
            writeln!(f, "\nAddresses by it:")?;
        }
        for held in &self.addresses {
            writeln!(f, "  {} {}, by {}", held.address, times(held.from, held.to), held.rule)?;
        }
        Ok(())
    }
}
