//! Where bytes are counted.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::address::SubscriberId;
use crate::interface::Role;
use crate::reason::{Bucket, Reason};

/// Key of `COUNTERS_0`, `COUNTERS_1` and `OVERFLOW_0`, `OVERFLOW_1`: one subscriber, one bucket, one epoch.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct CounterKey {
    /// [`SubscriberId::NONE`] for what is unattributed, and in the overflow maps.
    pub subscriber: SubscriberId,
    /// The activation under which it was decided.
    pub epoch: u32,
    /// The rule's permanent number; 0 where no rule is concerned.
    pub rule: u32,
    /// [`Bucket`], by number; in the overflow maps always [`Bucket::Overflow`].
    pub bucket: u16,
    /// [`Reason`], by number.
    pub reason: u16,
    /// Zero. Reason: makes the key a multiple of eight octets.
    pub reserved: u32,
}

impl CounterKey {
    /// The key of a decided packet.
    #[inline(always)]
    pub const fn new(
        subscriber: SubscriberId,
        epoch: u32,
        rule: u32,
        bucket: Bucket,
        reason: Reason,
    ) -> Self {
        Self { subscriber, epoch, rule, bucket: bucket as u16, reason: reason as u16, reserved: 0 }
    }
}

/// Key of `PENDING_0`, `PENDING_1`: what one flow carried that awaits evidence, under one epoch.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct PendingKey {
    /// The flow's number.
    pub flow: u64,
    /// Whose it is.
    pub subscriber: SubscriberId,
    /// The activation under which it was counted.
    pub epoch: u32,
    /// The rule that asks for evidence, by its permanent number.
    pub rule: u32,
}

/// Value of the counter maps, per CPU. Volume is inner IP length in octets; all four only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Usage {
    /// Packets from the subscriber; of unattributed traffic, packets that arrived on an access interface.
    pub uplink_packets: u64,
    /// Their volume.
    pub uplink_octets: u64,
    /// Packets to the subscriber; of unattributed traffic, packets that arrived on a core interface.
    pub downlink_packets: u64,
    /// Their volume.
    pub downlink_octets: u64,
}

impl core::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.uplink_packets += other.uplink_packets;
        self.uplink_octets += other.uplink_octets;
        self.downlink_packets += other.downlink_packets;
        self.downlink_octets += other.downlink_octets;
    }
}

impl core::ops::Add for Usage {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Usage {
    /// One packet that arrived on an interface of `role`.
    pub const fn of(role: Role, octets: u32) -> Self {
        let octets = octets as u64;
        match role {
            Role::Access => {
                Self { uplink_packets: 1, uplink_octets: octets, downlink_packets: 0, downlink_octets: 0 }
            }
            Role::Core => {
                Self { uplink_packets: 0, uplink_octets: 0, downlink_packets: 1, downlink_octets: octets }
            }
        }
    }

    /// Both directions' packets.
    pub const fn packets(&self) -> u64 {
        self.uplink_packets + self.downlink_packets
    }

    /// Both directions' volume.
    pub const fn octets(&self) -> u64 {
        self.uplink_octets + self.downlink_octets
    }

    /// What was added since `earlier`; `None` if a counter went back, which no counter does.
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        Some(Self {
            uplink_packets: self.uplink_packets.checked_sub(earlier.uplink_packets)?,
            uplink_octets: self.uplink_octets.checked_sub(earlier.uplink_octets)?,
            downlink_packets: self.downlink_packets.checked_sub(earlier.downlink_packets)?,
            downlink_octets: self.downlink_octets.checked_sub(earlier.downlink_octets)?,
        })
    }
}
