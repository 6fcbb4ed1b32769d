//! What earlier packets left behind.

use std::net::IpAddr;

use crate::read::{Fragment, Innermost, Segment};

/// A 5-tuple, subscriber's side first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The subscriber's address.
    pub subscriber: IpAddr,
    /// The other side's.
    pub remote: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// The subscriber's port.
    pub subscriber_port: u16,
    /// The other side's.
    pub remote_port: u16,
}

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

/// Flows and fragmented datagrams, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    open: Vec<Conversation>,
    datagrams: Vec<(DatagramKey, Segment)>,
}

impl History {
    pub(super) fn is_open(&self, conversation: &Conversation) -> bool {
        self.open.contains(conversation)
    }

    /// Whether there was room.
    pub(super) fn open(&mut self, conversation: Conversation, max: usize) -> bool {
        let room = self.open.len() < max;
        if room {
            self.open.push(conversation);
        }
        room
    }

    /// Keeps what a first fragment said; of more than `max`, the latest. `false`: another first fragment of the same
    /// datagram said something else, and neither is kept.
    pub(super) fn remember(&mut self, key: DatagramKey, segment: Segment, max: usize) -> bool {
        let ports = |segment: &Segment| (segment.source_port, segment.destination_port);
        match self.remembered(&key) {
            Some(before) if ports(&before) != ports(&segment) => {
                self.forget(&key);
                return false;
            }
            Some(_) => {}
            None => {
                self.datagrams.push((key, segment));
                self.datagrams.drain(..self.datagrams.len().saturating_sub(max));
            }
        }
        true
    }

    pub(super) fn remembered(&self, key: &DatagramKey) -> Option<Segment> {
        self.datagrams.iter().find(|(other, _)| other == key).map(|(_, segment)| *segment)
    }

    pub(super) fn forget(&mut self, key: &DatagramKey) {
        self.datagrams.retain(|(other, _)| other != key);
    }
}
