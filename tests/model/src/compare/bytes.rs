//! A frame of which a capture may hold less than there was.

use tollfree_core::bytes::{Bytes, Frame};

use crate::arrival::Arrival;

/// What the core reads an [`Arrival`] by.
pub(super) struct ArrivalBytes<'a> {
    held: Frame<'a>,
    wire_octets: usize,
}

impl<'a> ArrivalBytes<'a> {
    pub(super) fn new(arrival: &'a Arrival) -> Self {
        Self { held: Frame::new(&arrival.octets), wire_octets: arrival.wire_octets }
    }
}

impl Bytes for ArrivalBytes<'_> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.held.load(offset)
    }

    fn load_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        self.held.load_words(offset)
    }

    fn frame_octets(&self) -> usize {
        self.wire_octets
    }
}
