//! Which rules a name belongs to.

use std::collections::BTreeSet;
use std::fmt;

use crate::resolve::Dnssec;

/// What the policy in force says of names. Names are in lower case, without a trailing dot.
pub trait Coverage: fmt::Debug + Send + Sync {
    /// Permanent numbers of the rules in force that cover `name`; empty: none does.
    fn rules(&self, name: &str) -> BTreeSet<u32>;

    /// Whether two rules belong to one policy.
    fn is_one_policy(&self, rule: u32, other: u32) -> bool;

    /// Whether two names belong to one owner: they are in one registrable domain.
    fn is_one_owner(&self, name: &str, other: &str) -> bool;

    /// What is asked of the signatures of `name`'s answers.
    fn dnssec(&self, name: &str) -> Dnssec;
}

/// Before a policy is in force: no name is covered.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCoverage;

impl Coverage for NoCoverage {
    fn rules(&self, _: &str) -> BTreeSet<u32> {
        BTreeSet::new()
    }

    fn is_one_policy(&self, rule: u32, other: u32) -> bool {
        rule == other
    }

    fn is_one_owner(&self, name: &str, other: &str) -> bool {
        name == other
    }

    fn dnssec(&self, _: &str) -> Dnssec {
        Dnssec::Off
    }
}
