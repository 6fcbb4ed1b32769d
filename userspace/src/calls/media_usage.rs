//! What a call's media took.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use tollfree_core::counter::Usage;
use tollfree_core::flow::FlowEntry;

/// What streams carried, and what of it is missing by RTP's sequence numbers (RFC 3550, appendix A.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaUsage {
    /// From the subscriber.
    pub uplink_packets: u64,
    /// Octets of volume.
    pub uplink_octets: u64,
    /// To the subscriber.
    pub downlink_packets: u64,
    /// Octets of volume.
    pub downlink_octets: u64,
    /// Packets that were lost before they came to the gateway from the subscriber's side.
    pub uplink_packets_lost: u64,
    /// Packets that were lost before they came to the gateway from the other side.
    pub downlink_packets_lost: u64,
}

impl From<&FlowEntry> for MediaUsage {
    fn from(flow: &FlowEntry) -> Self {
        let Usage { uplink_packets, uplink_octets, downlink_packets, downlink_octets } = flow.usage;
        Self {
            uplink_packets,
            uplink_octets,
            downlink_packets,
            downlink_octets,
            uplink_packets_lost: flow.uplink.missing_packets().into(),
            downlink_packets_lost: flow.downlink.missing_packets().into(),
        }
    }
}

impl AddAssign for MediaUsage {
    fn add_assign(&mut self, other: Self) {
        self.uplink_packets += other.uplink_packets;
        self.uplink_octets += other.uplink_octets;
        self.downlink_packets += other.downlink_packets;
        self.downlink_octets += other.downlink_octets;
        self.uplink_packets_lost += other.uplink_packets_lost;
        self.downlink_packets_lost += other.downlink_packets_lost;
    }
}
