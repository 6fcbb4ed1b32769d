//! What evidence says of flows, and when: it is neither plane's to find out.

use std::collections::BTreeMap;

use tollfree_core::reason::Reason;

/// Of so many flows that wait, the first is decided.
const DECIDED_OF: usize = 3;
/// After so many of its packets.
const WAITING_PACKETS: u32 = 3;
/// No reason's number.
const UNKNOWN: u32 = u32::MAX;
/// What flows get in turn.
const VERDICTS: [u32; 4] =
    [Reason::NameAndAddress as u32, Reason::OtherName as u32, Reason::Undecided as u32, UNKNOWN];

/// Flows that wait in one part, and what becomes of them.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    seed: usize,
    /// By name: the flow's place among those that ever waited, and its packets until now.
    waiting: BTreeMap<u64, (usize, u32)>,
}

impl Evidence {
    /// No flow waits; `seed` changes what the first ones get.
    pub(crate) const fn new(seed: usize) -> Self {
        Self { seed, waiting: BTreeMap::new() }
    }

    /// Another packet of this flow was counted as pending; the verdict on the flow, if it is now.
    pub(crate) fn packet(&mut self, flow: u64) -> Option<u32> {
        let next = self.waiting.len();
        let (place, packets) = self.waiting.entry(flow).or_insert((next, 0));
        *packets += 1;
        if *packets != WAITING_PACKETS || !place.is_multiple_of(DECIDED_OF) {
            return None;
        }
        Some(VERDICTS[(self.seed + *place / DECIDED_OF) % VERDICTS.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_third_flow_is_decided_once() {
        let mut evidence = Evidence::new(1);
        let mut decided = Vec::new();
        for round in 1..=5 {
            for flow in 10..18 {
                decided.extend(evidence.packet(flow).map(|verdict| (round, flow, verdict)));
            }
        }
        let wanted = [(10, Reason::OtherName as u32), (13, Reason::Undecided as u32), (16, UNKNOWN)];
        assert_eq!(decided, wanted.map(|(flow, verdict)| (3, flow, verdict)));
    }
}
