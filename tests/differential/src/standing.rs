//! All that a plane holds.

use std::collections::BTreeMap;

use tollfree::dataplane::InterfaceCounts;
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::flow::{FlowKey, FragmentKey};

/// Everything that a plane has counted and remembered since a part began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Every counter.
    pub(crate) counters: BTreeMap<CounterKey, Usage>,
    /// By the number of the interface's role.
    pub(crate) interfaces: [InterfaceCounts; 2],
    /// Every open flow.
    pub(crate) flows: BTreeMap<FlowKey, Usage>,
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
        tell("flow", &kernel.flows, &userspace.flows, &mut told);
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
