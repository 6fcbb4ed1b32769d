//! Counting as the kernel counts, in this process's memory.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use tollfree_core::address::SubscriberId;
use tollfree_core::control::Control;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::flow::{NO_RULE, Verdict};
use tollfree_core::interface::{InterfaceUsage, Role};
use tollfree_core::limits::OVERFLOW_MAX;
use tollfree_core::reason::Bucket;
use tollfree_core::stat::Stat;

use crate::dataplane::{Cut, InterfaceCounts, InterfaceCut, NicCounts};

/// One interface's counters. They only grow, and nothing is evicted: what finds no room is kept by rule and reason.
#[derive(Clone, Debug)]
pub struct Account {
    counters: Table<CounterKey>,
    pending: Table<PendingKey>,
    overflow: Table<CounterKey>,
    interface: InterfaceCounts,
    stats: [u64; Stat::COUNT as usize],
}

impl Account {
    /// Room for `counters_max` combinations of subscriber, rule, bucket, reason and epoch, and for `pending_max` flows that
    /// await evidence, with epoch.
    pub fn new(counters_max: usize, pending_max: usize) -> Self {
        Self {
            counters: Table::new(counters_max),
            pending: Table::new(pending_max),
            overflow: Table::new(OVERFLOW_MAX as usize),
            interface: InterfaceCounts::default(),
            stats: [0; Stat::COUNT as usize],
        }
    }

    /// Counts a frame as it arrives, before anything is known of it.
    pub fn arrived(&mut self, frame_octets: u64) {
        self.interface.seen += InterfaceUsage { packets: 1, frame_octets, octets: 0 };
    }

    /// Counts a decided packet: for its subscriber, or for its `flow` if that awaits evidence, or, where there is no room, for its rule; and in its interface's bucket.
    pub fn count(
        &mut self,
        key: &CounterKey,
        flow: u64,
        bucket: Bucket,
        role: Role,
        frame_octets: u64,
        octets: u32,
    ) {
        let usage = Usage::of(role, octets);
        let counted = if flow == 0 {
            self.counters.add(key, usage)
        } else {
            let CounterKey { subscriber, epoch, rule, .. } = *key;
            self.pending.add(&PendingKey { flow, subscriber, epoch, rule }, usage)
        };
        let bucket = if counted { bucket } else { self.overflow(key, usage) };
        let octets = octets.into();
        self.interface.buckets[bucket as usize] += InterfaceUsage { packets: 1, frame_octets, octets };
    }

    /// Moves what is pending of a flow to where its verdict puts it.
    pub fn decide(&mut self, flow: u64, verdict: Verdict) {
        for (pending, usage) in self.pending.take(|key| key.flow == flow) {
            let PendingKey { subscriber, epoch, .. } = pending;
            let Verdict { rule, reason } = verdict;
            let rule = if rule == NO_RULE { pending.rule } else { rule };
            let key = CounterKey::new(subscriber, epoch, rule, reason.bucket(), reason);
            if !self.counters.add(&key, usage) {
                self.overflow(&key, usage);
            }
        }
    }

    fn overflow(&mut self, key: &CounterKey, usage: Usage) -> Bucket {
        self.add_stat(Stat::CounterFull, 1);
        let key = CounterKey { subscriber: SubscriberId::NONE, bucket: Bucket::Overflow as u16, ..*key };
        if !self.overflow.add(&key, usage) {
            self.add_stat(Stat::OverflowFull, 1);
        }
        Bucket::Overflow
    }

    /// Counts `count` events.
    pub fn add_stat(&mut self, stat: Stat, count: u64) {
        self.stats[stat as usize] += count;
    }

    /// How often something happened.
    pub fn stat(&self, stat: Stat) -> u64 {
        self.stats[stat as usize]
    }

    /// Frames counted so far.
    pub fn packets(&self) -> u64 {
        self.interface.seen.packets
    }

    /// All counters, as those of the interface `name` in `epoch`, beside what its NIC counted.
    pub fn cut(&self, name: &str, epoch: u32, nic: NicCounts) -> Cut {
        let counters = self.counters.usages.iter().chain(&self.overflow.usages);
        Cut {
            control: Control::new(epoch, 0, 0),
            counters: counters.map(|(key, usage)| (*key, *usage)).collect(),
            pending: self.pending.usages.iter().map(|(key, usage)| (*key, *usage)).collect(),
            verdicts: BTreeMap::new(),
            sent_again: BTreeMap::new(),
            total: self.interface,
            interfaces: [(name.to_owned(), InterfaceCut { counts: self.interface, nic })].into(),
        }
    }
}

/// Counters, up to a bound.
#[derive(Clone, Debug)]
struct Table<K> {
    usages: HashMap<K, Usage>,
    max: usize,
}

impl<K: Copy + Eq + Hash> Table<K> {
    fn new(max: usize) -> Self {
        Self { usages: HashMap::new(), max }
    }

    /// Takes out the counters whose keys are such.
    fn take(&mut self, is_such: impl Fn(&K) -> bool) -> Vec<(K, Usage)> {
        self.usages.extract_if(|key, _| is_such(key)).collect()
    }

    /// Adds to a counter; false if there is none and no room for one.
    fn add(&mut self, key: &K, usage: Usage) -> bool {
        if let Some(counter) = self.usages.get_mut(key) {
            *counter += usage;
            return true;
        }
        let fits = self.usages.len() < self.max;
        if fits {
            self.usages.insert(*key, usage);
        }
        fits
    }
}
