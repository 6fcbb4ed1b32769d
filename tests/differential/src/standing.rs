//! All that a plane holds.

use std::collections::BTreeMap;

use tollfree::dataplane::InterfaceCounts;
use tollfree_core::address::SubscriberId;
use tollfree_core::counter::Usage;
use tollfree_core::flow::{FlowEntry, FlowKey, FragmentKey};
use tollfree_core::quota::{QuotaEntry, QuotaKey};

use crate::answer::Place;

/// Everything that a plane has counted and remembered since a part began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Every counter, with flows by name.
    pub(crate) counters: BTreeMap<Place, Usage>,
    /// Payload that was sent before, by rule.
    pub(crate) sent_again: BTreeMap<u32, Usage>,
    /// Every daily ceiling that is counted towards.
    pub(crate) quotas: BTreeMap<QuotaKey, QuotaEntry>,
    /// By the number of the interface's role.
    pub(crate) interfaces: [InterfaceCounts; 2],
    /// Every open flow; see [`crate::answer::timeless`].
    pub(crate) flows: BTreeMap<FlowKey, FlowEntry>,
    /// How many flows each subscriber was let open.
    pub(crate) subscriber_flows: BTreeMap<SubscriberId, u64>,
    /// The ports of every remembered datagram.
    pub(crate) fragments: BTreeMap<FragmentKey, (u16, u16)>,
    /// Events, by name.
    pub(crate) stats: BTreeMap<&'static str, u64>,
}

impl Standing {
    /// What differs, in words: of each table, the first entries that do.
    pub(crate) fn differences(kernel: &Self, userspace: &Self) -> Vec<String> {
        let mut told = Vec::new();
        tell("counter", &kernel.counters, &userspace.counters, &mut told);
        tell("sent again, rule", &kernel.sent_again, &userspace.sent_again, &mut told);
        tell("ceiling", &kernel.quotas, &userspace.quotas, &mut told);
        tell("flow", &kernel.flows, &userspace.flows, &mut told);
        tell("flows of", &kernel.subscriber_flows, &userspace.subscriber_flows, &mut told);
        tell("datagram", &kernel.fragments, &userspace.fragments, &mut told);
        tell("event", &kernel.stats, &userspace.stats, &mut told);
        for (kernel, userspace) in kernel.interfaces.iter().zip(&userspace.interfaces) {
            if kernel != userspace {
                told.push(format!("interface: kernel {kernel:?}, userspace {userspace:?}"));
            }
        }
        told
    }
}

/// Entries of one table that are told. Reason: the first are enough to begin with.
const TOLD_MAX: usize = 5;

fn tell<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    kernel: &BTreeMap<K, V>,
    userspace: &BTreeMap<K, V>,
    told: &mut Vec<String>,
) {
    let keys = kernel.keys().chain(userspace.keys().filter(|key| !kernel.contains_key(key)));
    let differing = keys.filter(|key| kernel.get(key) != userspace.get(key));
    told.extend(differing.take(TOLD_MAX).map(|key| {
        let (kernel, userspace) = (kernel.get(key), userspace.get(key));
        format!("{what} {key:?}: kernel {kernel:?}, userspace {userspace:?}")
    }));
}
