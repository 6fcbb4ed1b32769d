//! What the generators put on the wire.

use std::collections::BTreeMap;

use crate::topology::Side;
use crate::volume::{Usage, Volume};

use super::frame::Frame;

/// Counts of what was sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Conversations begun: each opens a flow, or tries to, or is one frame that is nobody's.
    pub(super) conversations: u64,
    /// The same by transport.
    pub(super) by_carriage: BTreeMap<&'static str, u64>,
    /// Frames and their octets, as they are on the wire.
    pub(super) frames: Usage,
    /// Packets and their volume.
    pub(super) volume: Usage,
    /// Packets and volume of what is nobody's, by reason.
    pub(super) nobodys: BTreeMap<&'static str, Usage>,
}

impl Tally {
    /// Counts a frame that was sent.
    pub(super) fn count(&mut self, frame: &Frame) {
        let octets = i64::try_from(frame.octets.len()).unwrap_or(i64::MAX);
        self.frames += one(frame.side, octets);
        let volume = one(frame.side, frame.volume.into());
        self.volume += volume;
        if let Some(reason) = frame.nobodys {
            *self.nobodys.entry(reason).or_default() += volume;
        }
    }

    /// Counts a conversation that begins.
    pub(super) fn begin(&mut self, carriage: &'static str) {
        self.conversations += 1;
        *self.by_carriage.entry(carriage).or_default() += 1;
    }

    /// Adds another generator's.
    pub(super) fn add(&mut self, other: &Self) {
        self.conversations += other.conversations;
        for (carriage, count) in &other.by_carriage {
            *self.by_carriage.entry(carriage).or_default() += count;
        }
        self.frames += other.frames;
        self.volume += other.volume;
        for (reason, usage) in &other.nobodys {
            *self.nobodys.entry(reason).or_default() += *usage;
        }
    }
}

fn one(side: Side, octets: i64) -> Usage {
    let volume = Volume { packets: 1, octets };
    match side {
        Side::Access => Usage { uplink: volume, downlink: Volume::default() },
        Side::Core => Usage { uplink: Volume::default(), downlink: volume },
    }
}
