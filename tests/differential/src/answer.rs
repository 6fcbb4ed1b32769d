//! What a plane says of one frame.

use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::event::CopyHead;
use tollfree_core::flow::FlowEntry;
use tollfree_core::packet::{Packet, Quote};
use tollfree_core::reason::Reason;
use zerocopy::FromZeros as _;

use crate::names::Names;

/// Where a packet was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// With its subscriber's.
    Counter(CounterKey),
    /// With its flow's, which awaits evidence.
    Pending(PendingKey),
}

impl Place {
    /// The same, with the flow's name for its number.
    pub(crate) fn named(self, names: &Names) -> Self {
        match self {
            Self::Counter(_) => self,
            Self::Pending(key) => Self::Pending(PendingKey { flow: names.of(key.flow), ..key }),
        }
    }

    /// The rule's permanent number; 0 where no rule is concerned.
    pub(crate) const fn rule(&self) -> u32 {
        match self {
            Self::Counter(key) => key.rule,
            Self::Pending(key) => key.rule,
        }
    }

    /// Why; `None` for a number that no reason has.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self {
            Self::Counter(key) => Reason::from_number(key.reason),
            Self::Pending(_) => Some(Reason::AwaitingEvidence),
        }
    }
}

/// Everything that can be seen of what a plane made of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What its headers say; `None` where they cannot be read.
    pub(crate) parsed: Option<Packet>,
    /// Every counter that moved, and by how much: whose, which rule, bucket and reason, and the volume. Flows by name.
    pub(crate) counted: Vec<(Place, Usage)>,
    /// Payload that was sent before, of the rule that it was counted for.
    pub(crate) sent_again: Usage,
    /// As it leaves: metadata in front, and the frame.
    pub(crate) leaves_as: Vec<u8>,
    /// The copy that the controller gets.
    pub(crate) copied: Option<Copied>,
    /// Its flow now, if it has one; see [`timeless`].
    pub(crate) flow: Option<FlowEntry>,
    /// The ports that its datagram has, if they are remembered.
    pub(crate) fragment: Option<(u16, u16)>,
    /// The XDP action.
    pub(crate) verdict: u32,
}

impl Answer {
    /// The flow that it was counted for as pending, by name, and whether that is its own.
    pub(crate) fn awaiting(&self) -> Option<(u64, u32, bool)> {
        self.counted.iter().find_map(|(place, _)| match place {
            Place::Pending(key) => {
                Some((key.flow, key.rule, self.flow.is_some_and(|flow| flow.number == key.flow)))
            }
            Place::Counter(_) => None,
        })
    }
}

/// What a flow holds that does not depend on the clock, with its name for its number.
pub(crate) const fn timeless(entry: FlowEntry, name: u64) -> FlowEntry {
    FlowEntry { number: name, opened_ns: 0, last_seen_ns: 0, ..entry }
}

/// What headers say, without what is left of another packet where this one quotes none.
pub(crate) fn without_rest(mut packet: Packet) -> Packet {
    if !packet.quote.is_there {
        packet.quote = Quote::new_zeroed();
    }
    packet
}

/// A copy to the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Without its time; the flow by name.
    pub(crate) head: CopyHead,
    pub(crate) octets: Vec<u8>,
}
