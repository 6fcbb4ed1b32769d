//! Packets copied to userspace.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::limits::COPY_OCTETS_MAX;

/// One record of the `COPIES` ring buffer: a whole frame with signalling in it, as it arrived.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Copy {
    /// When, in nanoseconds of `CLOCK_MONOTONIC` (coarse).
    pub at_ns: u64,
    /// [`crate::interface::Role`] of the interface it arrived on.
    pub role: u32,
    /// The epoch it was decided under.
    pub epoch: u32,
    /// The frame's length in octets; more than [`COPY_OCTETS_MAX`] where it was cut.
    pub frame_octets: u32,
    /// Octets of `frame` that hold it.
    pub copied_octets: u32,
    /// The frame.
    pub frame: [u8; COPY_OCTETS_MAX],
}
