//! Accounting intervals: what a cut of the counters brings in, and what closing it gives.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::flow::Verdict;
use tollfree_core::interface::Role;

/// Why an interval was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Its time was over.
    Clock,
    /// A policy was activated.
    Activation,
    /// The controller started, and found what the kernel had counted without it.
    Start,
    /// The controller ends.
    Shutdown,
    /// An address changed hands: only its subscriber's growth is recorded, under who had it until then.
    Identity,
    /// The counters are gone, with a reboot or a detachment: what its flows left pending is charged.
    Lost,
}

impl CloseReason {
    /// The word in the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Activation => "activation",
            Self::Start => "start",
            Self::Shutdown => "shutdown",
            Self::Identity => "identity",
            Self::Lost => "lost",
        }
    }
}

/// An interface's counters at the cut. All only grow; `nic_*` since the program was attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceCut {
    /// Interface name.
    pub name: String,
    /// Which side it is on.
    pub role: Role,
    /// Frames that arrived.
    pub packets: u64,
    /// Their octets, link layer included.
    pub frame_octets: u64,
    /// Frames by bucket, summed over the buckets.
    pub bucket_packets: u64,
    /// Their octets, likewise.
    pub bucket_frame_octets: u64,
    /// The NIC's own count of received packets.
    pub nic_packets: u64,
    /// The NIC's own count of received octets.
    pub nic_octets: u64,
}

/// Who a subscriber is to the carrier, as the source of identities says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberIdentity {
    /// Telephone number (E.164, digits).
    pub msisdn: Option<String>,
    /// International mobile subscriber identity (E.212, digits).
    pub imsi: Option<String>,
}

/// A subscriber used up what a rule gives him in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CeilingPassed {
    /// Who.
    pub subscriber: SubscriberId,
    /// The rule's permanent number.
    pub rule: u32,
    /// The gateway's day.
    pub day: Date,
    /// Volume of that day when it was noticed, in octets; what came past the ceiling too.
    pub used_octets: u64,
}

/// A cut of everything that is counted.
#[derive(Clone, Copy)]
pub struct IntervalClose<'a> {
    /// The gateway's id; part of every record's identity.
    pub gateway: &'a str,
    /// The kernel's boot id.
    pub boot_id: &'a str,
    /// Which making of the kernel's maps the counters are from: cumulatives of a new one start from zero.
    pub instance: u64,
    /// The epoch that was in force during the interval.
    pub epoch: u32,
    /// When the interval began.
    pub started_at: Timestamp,
    /// When the counters were cut.
    pub closed_at: Timestamp,
    /// Why it is closed.
    pub reason: CloseReason,
    /// Every counter that the kernel has at the cut, of all epochs, summed over CPUs and banks. A key that is absent
    /// has not changed; if its epoch is over, it was taken out of the kernel's maps, and its account is closed.
    pub cumulative: &'a BTreeMap<CounterKey, Usage>,
    /// What the kernel counted as awaiting evidence, by flow; every entry that it has, as for `cumulative`.
    pub pending: &'a BTreeMap<PendingKey, Usage>,
    /// Verdicts by flow number: those that were in the kernel before the cut began, so that what the flow has pending
    /// grows no more. To be given until [`ClosedInterval::settled`] lists the flow's keys, or, where the kernel has
    /// none of them any more, in one close of everybody that succeeds.
    pub verdicts: &'a BTreeMap<u64, Verdict>,
    /// Payload that was sent before, by rule, since the maps were made; packets are segments.
    pub sent_again: &'a BTreeMap<u32, Usage>,
    /// Ceilings that were passed since the last close that succeeded.
    pub ceilings: &'a [CeilingPassed],
    /// Who has a subscriber's address up to the cut; `None`: not known.
    pub identities: &'a dyn Fn(SubscriberId) -> Option<SubscriberIdentity>,
    /// Record only what these subscribers' counters grew by; everybody else's growth is left to the next close.
    pub only: Option<&'a BTreeSet<SubscriberId>>,
    /// Packets that arrived on all interfaces that were ever counted, those not listed below too.
    pub arrived_packets: u64,
    /// Every gateway interface at the cut.
    pub interfaces: &'a [InterfaceCut],
    /// Rating groups (RFC 8506, section 8.29) by rule number, where a rule has one.
    pub rating_groups: &'a BTreeMap<u32, u32>,
}

/// How far an interface's three counts are apart; all zero when every packet is accounted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceDifference {
    /// Interface name.
    pub name: String,
    /// Buckets less interface total, in frames.
    pub bucket_packets: i64,
    /// Buckets less interface total, in octets.
    pub bucket_frame_octets: i64,
    /// NIC less interface total, in frames.
    pub nic_packets: i64,
    /// NIC less interface total, in octets.
    pub nic_octets: i64,
}

/// What closing an interval recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedInterval {
    /// The interval's number, from 1 on, gapless.
    pub interval: u64,
    /// How many records it has.
    pub records: u64,
    /// The gateway's last record number; 0 before its first record.
    pub last_record: u64,
    /// Packets in all counters of the instance, less packets of all interfaces; negative: packets are
    /// missing.
    pub difference_packets: i64,
    /// Each interface's differences.
    pub interfaces: Vec<InterfaceDifference>,
    /// Pending entries that the kernel had at the cut, and whose whole content is transferred: they may be taken out.
    pub settled: Vec<PendingKey>,
    /// Flows of which something is pending and no verdict is known, by number, in the kernel or not any more.
    pub unsettled: Vec<u64>,
    /// Whether every subscriber's growth is recorded. Only then may entries of epochs that are over be taken out of the
    /// kernel's maps; after a close for some subscribers only, nothing but `settled`.
    pub is_complete: bool,
}

/// A closed interval, as its records name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Its number.
    pub interval: u64,
    /// The gateway's id.
    pub gateway: String,
    /// The kernel's boot id.
    pub boot_id: String,
    /// Which making of the kernel's maps was read.
    pub instance: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When the counters were cut.
    pub closed_at: Timestamp,
    /// How many records it has.
    pub records: u64,
}
