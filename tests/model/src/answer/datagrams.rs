//! What earlier fragments left behind.

use std::net::IpAddr;

use crate::read::{Fragment, Innermost, Segment};

/// Which datagram a fragment belongs to (RFC 791, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DatagramKey {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    identification: u32,
}

impl DatagramKey {
    pub(super) const fn of(packet: &Innermost, fragment: Fragment) -> Self {
        let (Fragment::First(identification)
        | Fragment::Tiny(identification)
        | Fragment::Later(identification, _)) = fragment;
        Self {
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            identification,
        }
    }
}

/// What the first fragment of a datagram said, and when.
#[derive(Clone, Copy, Debug)]
struct Remembered {
    key: DatagramKey,
    segment: Segment,
    seen_ns: u64,
}

/// How long a first fragment is remembered: RFC 8200, section 4.5 gives a datagram sixty seconds.
const LIFETIME_NS: u64 = 60_000_000_000;

/// Fragmented datagrams, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Datagrams {
    datagrams: Vec<Remembered>,
}

impl Datagrams {
    /// Keeps what a first fragment said. `false`: another one of the same datagram said something else, and neither is
    /// kept.
    pub(super) fn remember(&mut self, key: DatagramKey, segment: Segment, now_ns: u64) -> bool {
        let ports = |segment: &Segment| (segment.source_port, segment.destination_port);
        let before = self.remembered(&key, now_ns);
        self.forget(&key);
        if before.is_some_and(|before| ports(&before) != ports(&segment)) {
            return false;
        }
        self.datagrams.push(Remembered { key, segment, seen_ns: now_ns });
        true
    }

    pub(super) fn remembered(&self, key: &DatagramKey, now_ns: u64) -> Option<Segment> {
        let found = self.datagrams.iter().find(|remembered| remembered.key == *key)?;
        (now_ns < found.seen_ns + LIFETIME_NS).then_some(found.segment)
    }

    pub(super) fn forget(&mut self, key: &DatagramKey) {
        self.datagrams.retain(|remembered| remembered.key != *key);
    }
}
