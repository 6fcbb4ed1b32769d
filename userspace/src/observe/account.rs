//! Counting as the kernel counts, in this process's memory.

use std::collections::HashMap;

use tollfree_core::address::SubscriberId;
use tollfree_core::control::Control;
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::interface::{InterfaceUsage, Role};
use tollfree_core::limits::OVERFLOW_MAX;
use tollfree_core::reason::Bucket;
use tollfree_core::stat::Stat;

use crate::dataplane::{Cut, InterfaceCounts, InterfaceCut, NicCounts};

/// One interface's counters. They only grow, and nothing is evicted: what finds no room is kept by rule and reason.
#[derive(Clone, Debug)]
pub struct Account {
    counters: Table,
    overflow: Table,
    interface: InterfaceCounts,
    stats: [u64; Stat::COUNT as usize],
}

impl Account {
    /// Room for `counters_max` combinations of subscriber, rule, bucket, reason and epoch.
    pub fn new(counters_max: usize) -> Self {
        Self {
            counters: Table::new(counters_max),
            overflow: Table::new(OVERFLOW_MAX as usize),
            interface: InterfaceCounts::default(),
            stats: [0; Stat::COUNT as usize],
        }
    }

    /// Counts a frame as it arrives, before anything is known of it.
    pub fn arrived(&mut self, frame_octets: u64) {
        self.interface.seen += InterfaceUsage { packets: 1, frame_octets, octets: 0 };
    }

    /// Counts a decided packet: for its subscriber, or, where he has no room, for its rule; and in its interface's bucket.
    pub fn count(&mut self, key: &CounterKey, bucket: Bucket, role: Role, frame_octets: u64, octets: u64) {
        let usage = usage(role, octets);
        let bucket = if self.counters.add(key, usage) { bucket } else { self.overflow(key, usage) };
        self.interface.buckets[bucket as usize] += InterfaceUsage { packets: 1, frame_octets, octets };
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
            total: self.interface,
            interfaces: [(name.to_owned(), InterfaceCut { counts: self.interface, nic })].into(),
        }
    }
}

const fn usage(role: Role, octets: u64) -> Usage {
    match role {
        Role::Access => {
            Usage { uplink_packets: 1, uplink_octets: octets, downlink_packets: 0, downlink_octets: 0 }
        }
        Role::Core => {
            Usage { uplink_packets: 0, uplink_octets: 0, downlink_packets: 1, downlink_octets: octets }
        }
    }
}

/// Counters, up to a bound.
#[derive(Clone, Debug)]
struct Table {
    usages: HashMap<CounterKey, Usage>,
    max: usize,
}

impl Table {
    fn new(max: usize) -> Self {
        Self { usages: HashMap::new(), max }
    }

    /// Adds to a counter; false if there is none and no room for one.
    fn add(&mut self, key: &CounterKey, usage: Usage) -> bool {
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
