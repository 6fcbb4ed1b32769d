//! A stretch of traffic: what was captured, and what the gateway counted meanwhile.

use std::net::IpAddr;

use crate::address::{self, Family};
use crate::capture::{Point, Traffic};
use crate::gateway::Snapshot;
use crate::packet::Packet;
use crate::status::Counter;
use crate::volume::{Usage, Volume};

/// A stretch of traffic between two moments of rest.
#[derive(Clone, Debug)]
pub struct Phase {
    /// The gateway's account at the start.
    pub before: Snapshot,
    /// The gateway's account at the end.
    pub after: Snapshot,
    /// What was on the wire in between.
    pub traffic: Traffic,
    /// Packets that nftables saw marked, in the order of [`Family::ALL`].
    pub marked: [i64; 2],
}

impl Phase {
    /// What the gateway counted, in the counters that `wanted` accepts.
    pub fn counted(&self, wanted: impl Fn(&Counter) -> bool) -> Usage {
        self.after.status.usage(&wanted) - self.before.status.usage(&wanted)
    }

    /// What the gateway counted of one subscriber, in the counters that `wanted` accepts.
    pub fn counted_of(&self, index: u8, family: Family, wanted: impl Fn(&Counter) -> bool) -> Usage {
        let subscriber = address::subscriber_name(index, family);
        self.counted(|counter| counter.is_of(&subscriber) && wanted(counter))
    }

    /// What went into the gateway of one subscriber's packets that `wanted` accepts.
    pub fn captured_of(&self, index: u8, family: Family, wanted: impl Fn(&Packet) -> bool) -> Usage {
        let subscriber: IpAddr = address::subscriber(index, family);
        let [uplink, downlink] = [
            self.traffic.volume(Point::UplinkIn, |packet| packet.source == subscriber && wanted(packet)),
            self.traffic
                .volume(Point::DownlinkIn, |packet| packet.destination == subscriber && wanted(packet)),
        ];
        Usage { uplink, downlink }
    }

    /// What the program on an interface saw, in frame octets.
    pub fn seen(&self, interface: &str) -> Volume {
        self.after.status.seen(interface) - self.before.status.seen(interface)
    }

    /// The growth of all buckets together, in volume.
    pub fn counted_in_all_buckets(&self) -> Volume {
        self.after.status.totals.values().copied().sum::<Volume>()
            - self.before.status.totals.values().copied().sum::<Volume>()
    }
}
