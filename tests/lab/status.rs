//! What `tollfree status --json` says, as far as the lab reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Deserialize;

use crate::volume::{Usage, Volume};

/// The gateway's state.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The activation in force.
    pub epoch: u32,
    /// Of the policy in force, in hexadecimal.
    pub policy_digest: String,
    /// Which set of kernel counters this is: changes only when they start from zero.
    pub instance: String,
    /// By interface.
    pub interfaces: Vec<Interface>,
    /// By bucket.
    pub totals: BTreeMap<String, Volume>,
    /// By subscriber, bucket, reason and rule.
    pub counters: Vec<Counter>,
    /// Sums of the interfaces' differences.
    pub reconciliation: Reconciliation,
    /// What names resolve to.
    #[serde(default)]
    pub names: Vec<Name>,
}

/// One interface.
#[derive(Clone, Debug, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// How XDP is attached.
    pub mode: String,
    /// What the program saw, in frame octets.
    pub seen: Volume,
}

/// One counter.
#[derive(Clone, Debug, Deserialize)]
pub struct Counter {
    /// `10.20.0.11/32`, `2001:db8:20:11::/64`; `-` of what is nobody's.
    pub subscriber: String,
    /// `free`, `charged`, `pending`, `unattributed` or `overflow`.
    pub bucket: String,
    /// Why.
    pub reason: String,
    /// The rule's name in its policy; empty where no rule is concerned.
    pub rule_id: String,
    /// From the subscriber.
    pub uplink_packets: i64,
    /// From the subscriber.
    pub uplink_octets: i64,
    /// To the subscriber.
    pub downlink_packets: i64,
    /// To the subscriber.
    pub downlink_octets: i64,
}

impl Counter {
    /// Both directions.
    pub const fn usage(&self) -> Usage {
        Usage {
            uplink: Volume { packets: self.uplink_packets, octets: self.uplink_octets },
            downlink: Volume { packets: self.downlink_packets, octets: self.downlink_octets },
        }
    }

    /// Whether it is this subscriber's.
    pub fn is_of(&self, subscriber: &str) -> bool {
        self.subscriber == subscriber
    }

    /// Whether it counts what this rule made free.
    pub fn is_free_by(&self, rule_id: &str) -> bool {
        self.bucket == "free" && self.rule_id == rule_id
    }
}

/// What should all be zero.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Reconciliation {
    /// Packets seen, less packets in buckets.
    pub difference_packets: i64,
    /// The same in frame octets.
    pub difference_octets: i64,
    /// Packets of the NIC's own counters, less packets seen; zero only while traffic rests.
    pub nic_difference_packets: i64,
    /// The same in frame octets.
    pub nic_difference_octets: i64,
}

impl Reconciliation {
    /// Buckets against what was seen.
    pub const fn buckets(&self) -> Volume {
        Volume { packets: self.difference_packets, octets: self.difference_octets }
    }

    /// The NIC's counters against what was seen.
    pub const fn nic(&self) -> Volume {
        Volume { packets: self.nic_difference_packets, octets: self.nic_difference_octets }
    }
}

/// What a name resolves to.
#[derive(Clone, Debug, Deserialize)]
pub struct Name {
    /// The domain name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl Status {
    /// Everything in the counters that `wanted` accepts.
    pub fn usage(&self, wanted: impl Fn(&Counter) -> bool) -> Usage {
        self.counters.iter().filter(|counter| wanted(counter)).map(Counter::usage).sum()
    }

    /// What the program on this interface saw.
    pub fn seen(&self, interface: &str) -> Volume {
        self.interfaces.iter().filter(|one| one.name == interface).map(|one| one.seen).sum()
    }

    /// What the programs on all interfaces saw.
    pub fn seen_by_all(&self) -> Volume {
        self.interfaces.iter().map(|interface| interface.seen).sum()
    }

    /// Everything in this bucket, in volume.
    pub fn total(&self, bucket: &str) -> Volume {
        self.totals.get(bucket).copied().unwrap_or_default()
    }

    /// The addresses that a domain name is known to have.
    pub fn addresses(&self, name: &str) -> BTreeSet<IpAddr> {
        let entries = self.names.iter().filter(|entry| entry.name == name);
        entries.flat_map(|entry| entry.addresses.iter().copied()).collect()
    }
}
