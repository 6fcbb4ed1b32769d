//! What a rule is called.

use std::fmt;

/// A rule's name, unique over all policies; shown as `policy/rule`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleKey {
    /// The policy's id.
    pub policy: String,
    /// The rule's id within the policy.
    pub rule: String,
}

impl fmt::Display for RuleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.policy, self.rule)
    }
}
