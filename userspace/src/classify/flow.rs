//! Conversations.

use tollfree_core::address::{Address, Family};
use tollfree_core::reason::{Bucket, Reason};

use super::fragment::Part;
use super::names::NameReport;
use crate::policy::RuleKey;

/// One side of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Endpoint {
    pub(super) address: Address,
    /// `None` where the protocol has none, or no packet tells it.
    pub(super) port: Option<u16>,
}

/// What a flow needs to know of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    /// Number in the file, from 1.
    pub(super) frame: u64,
    /// When, in nanoseconds since the Unix epoch.
    pub(super) at_ns: Option<i64>,
    pub(super) family: Family,
    pub(super) protocol: u8,
    pub(super) source: Endpoint,
    pub(super) destination: Endpoint,
    /// IP length.
    pub(super) octets: u32,
    pub(super) part: Part,
    /// A TCP SYN without ACK.
    pub(super) opens: bool,
}

impl Sighting {
    /// The flow it belongs to.
    pub(super) fn key(&self) -> FlowKey {
        let (low, high) = (self.source.min(self.destination), self.source.max(self.destination));
        FlowKey { family: self.family, protocol: self.protocol, low, high }
    }

    /// Whether the lower of both ends sent it: a side of the flow that stays the same, whoever began it.
    pub(super) fn is_from_lower(&self) -> bool {
        self.source < self.destination
    }
}

/// A conversation's 5-tuple, the same from both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FlowKey {
    family: Family,
    protocol: u8,
    low: Endpoint,
    high: Endpoint,
}

/// What was decided of a flow's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    /// The last packet's reason.
    pub(super) reason: Reason,
    /// The last packet's rule.
    pub(super) rule: Option<RuleKey>,
    /// Volume by [`Bucket`], in octets.
    pub(super) octets: [u64; Bucket::ALL.len()],
}

/// A conversation. Pairs are what came from `source`, and from `destination`.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) family: Family,
    pub(super) protocol: u8,
    /// Who began it: the sender of the first TCP SYN without ACK, else of the first packet.
    pub(super) source: Endpoint,
    pub(super) destination: Endpoint,
    pub(super) packets: [u64; 2],
    /// IP length.
    pub(super) octets: [u64; 2],
    /// Encapsulations, by their place among all, in the order in which they were met.
    pub(super) stacks: Vec<usize>,
    pub(super) fragments: u64,
    pub(super) first_ns: Option<i64>,
    pub(super) last_ns: Option<i64>,
    /// Number of its first packet.
    pub(super) first_frame: u64,
    /// Whether a SYN has told who began it.
    opened: bool,
    /// Names that it asks for.
    pub(super) names: Vec<NameReport>,
    pub(super) judgement: Option<Judgement>,
}

impl Flow {
    /// A flow to which nothing was added yet.
    pub(super) fn new(sighting: &Sighting) -> Self {
        Self {
            family: sighting.family,
            protocol: sighting.protocol,
            source: sighting.source,
            destination: sighting.destination,
            packets: [0; 2],
            octets: [0; 2],
            stacks: Vec::new(),
            fragments: 0,
            first_ns: None,
            last_ns: None,
            first_frame: sighting.frame,
            opened: false,
            names: Vec::new(),
            judgement: None,
        }
    }

    /// Adds a packet; not necessarily in the order of the file.
    pub(super) fn add(&mut self, sighting: &Sighting, stack: usize) {
        if !self.opened
            && (sighting.opens || sighting.frame < self.first_frame)
            && !self.is_from_source(sighting)
        {
            self.turn();
        }
        self.opened |= sighting.opens;
        self.first_frame = self.first_frame.min(sighting.frame);
        let side = usize::from(!self.is_from_source(sighting));
        self.packets[side] += 1;
        self.octets[side] += u64::from(sighting.octets);
        self.fragments += u64::from(sighting.part != Part::Whole);
        if !self.stacks.contains(&stack) {
            self.stacks.push(stack);
        }
        if let Some(at_ns) = sighting.at_ns {
            self.first_ns = Some(self.first_ns.map_or(at_ns, |first| first.min(at_ns)));
            self.last_ns = Some(self.last_ns.map_or(at_ns, |last| last.max(at_ns)));
        }
    }

    /// Whether the packet came from the flow's initiator. A later fragment tells its sender by the address alone.
    pub(super) fn is_from_source(&self, sighting: &Sighting) -> bool {
        let Endpoint { address, port } = sighting.source;
        address == self.source.address && (port.is_none() || port == self.source.port)
    }

    fn turn(&mut self) {
        std::mem::swap(&mut self.source, &mut self.destination);
        self.packets.reverse();
        self.octets.reverse();
    }
}
