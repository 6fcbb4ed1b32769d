//! What subscribers used of rules with a daily ceiling.

use ipnet::IpNet;
use tollfree_core::reason::Reason;

use crate::world::{Rule, World};

const DAY_NS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// One packet towards a ceiling.
#[derive(Clone, Copy, Debug)]
struct Use {
    payer: IpNet,
    rule: u32,
    at_ns: u64,
    octets: u64,
}

/// All that was ever used; nobody sweeps, so whoever used something once keeps his place.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    uses: Vec<Use>,
}

impl Uses {
    /// Adds a packet, whether it fits under the ceiling or not, and says why it is charged if it does not.
    pub(super) fn add(
        &mut self,
        world: &World,
        payer: IpNet,
        rule: &Rule,
        at_ns: u64,
        volume: usize,
    ) -> Option<Reason> {
        let ceiling = rule.ceiling_octets?;
        let octets = u64::try_from(volume).unwrap_or(u64::MAX);
        let mut holders: Vec<_> = self.uses.iter().map(|used| (used.payer, used.rule)).collect();
        holders.sort();
        holders.dedup();
        if !holders.contains(&(payer, rule.number)) && holders.len() >= world.quotas_max {
            return Some(Reason::CeilingTableFull);
        }
        self.uses.push(Use { payer, rule: rule.number, at_ns, octets });
        let today = day(world, at_ns);
        let used: u64 = self
            .uses
            .iter()
            .filter(|used| (used.payer, used.rule, day(world, used.at_ns)) == (payer, rule.number, today))
            .map(|used| used.octets)
            .sum();
        (used > ceiling).then_some(Reason::DailyCeiling)
    }
}

/// Days by their number. The first ends when it is told; each later one is twenty-four hours long.
const fn day(world: &World, at_ns: u64) -> u64 {
    if at_ns < world.day_ends_ns { 0 } else { 1 + (at_ns - world.day_ends_ns) / DAY_NS }
}
