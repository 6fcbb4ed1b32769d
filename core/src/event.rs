//! Packets copied to userspace.
//!
//! A packet is copied before it is passed on, and copies are in the order in which they were made: so what a packet
//! brings about comes after it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::limits::COPY_OCTETS_MAX;

/// What a packet is copied for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum CopyKind {
    /// It is not.
    None = 0,
    /// SIP to or from a signalling proxy.
    Signalling = 1,
    /// DNS to or from a trusted resolver.
    Names = 2,
    /// The same, and it is to be looked whether it is about a name that rules list; any other is copied as far as can be
    /// spared.
    NamesListed = 3,
    /// It may tell the name that its flow awaits.
    Evidence = 4,
    /// It may be a free call's, whose signalling userspace is still reading.
    Media = 5,
}

impl CopyKind {
    /// The kind with this number; one that is unknown is for nobody.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Signalling,
            2 => Self::Names,
            3 => Self::NamesListed,
            4 => Self::Evidence,
            5 => Self::Media,
            _ => Self::None,
        }
    }
}

/// What stands in front of a frame in a record of the `COPIES` ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CopyHead {
    /// When, in nanoseconds of `CLOCK_MONOTONIC` (coarse).
    pub at_ns: u64,
    /// The flow that awaits evidence, by number; 0 where none does. A SIP MESSAGE that does has a number of its own.
    pub flow: u64,
    /// [`crate::interface::Role`] of the interface it arrived on.
    pub role: u32,
    /// [`CopyKind`], by number.
    pub kind: u32,
    /// The epoch it was decided under.
    pub epoch: u32,
    /// The rule that it was counted under; 0 where none was.
    pub rule: u32,
    /// The frame's length in octets; more than [`COPY_OCTETS_MAX`] where it was cut.
    pub frame_octets: u32,
    /// Octets of the frame that follow.
    pub copied_octets: u32,
}

/// A frame as it arrived, on its way into the ring buffer: a record has no more octets than are copied.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Copy {
    /// What stands in front.
    pub head: CopyHead,
    /// The frame.
    pub frame: [u8; COPY_OCTETS_MAX],
}

impl CopyHead {
    /// Reads a record: its head, and the frame as far as it was copied. `None`: it is none.
    pub fn read(record: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = Self::read_from_prefix(record).ok()?;
        // Records are rounded up by nobody, but what is behind the frame is not of it.
        Some((head, rest.get(..head.copied_octets as usize)?))
    }
}
