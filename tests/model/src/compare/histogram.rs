//! How often each reason was reached.

use std::collections::BTreeMap;
use std::fmt;

use tollfree_core::reason::Reason;

/// Packets by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    reached: BTreeMap<Reason, u64>,
}

/// What the model knows nothing of: names, policies that are only observed, calls' bounds, and texts. Rows of `kernel_cases` try
/// them.
pub const NOT_MODELLED: [Reason; 9] = [
    Reason::HiddenNameFree,
    Reason::UndecidedFree,
    Reason::Text,
    Reason::HiddenName,
    Reason::Observed,
    Reason::MediaRate,
    Reason::MediaSilent,
    Reason::Dns,
    Reason::TextRate,
];

impl Histogram {
    /// One more packet.
    pub fn add(&mut self, reason: Reason) {
        *self.reached.entry(reason).or_default() += 1;
    }

    /// All of another one's.
    pub fn merge(&mut self, other: &Self) {
        for (reason, packets) in &other.reached {
            *self.reached.entry(*reason).or_default() += packets;
        }
    }

    /// Packets of all reasons.
    pub fn packets(&self) -> u64 {
        self.reached.values().sum()
    }

    /// Reasons that no packet had.
    pub fn missing(&self) -> Vec<Reason> {
        Reason::ALL.iter().copied().filter(|reason| !self.reached.contains_key(reason)).collect()
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (reason, packets) in &self.reached {
            writeln!(f, "{packets:>10}  {:<13} {}", reason.bucket().name(), reason.name())?;
        }
        Ok(())
    }
}
