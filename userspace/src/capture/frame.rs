//! A captured frame, as the shared core reads it.

use tollfree_core::bytes::Bytes;
use tollfree_core::limits::OFFSET_MAX;

/// A frame of which a capture may have kept only the beginning.
#[derive(Clone, Copy, Debug)]
pub struct CapturedFrame<'a> {
    octets: &'a [u8],
    wire_octets: usize,
}

impl<'a> CapturedFrame<'a> {
    /// A frame that was `wire_octets` long on the wire, of which `octets` are there.
    pub fn new(octets: &'a [u8], wire_octets: usize) -> Self {
        Self { octets, wire_octets: wire_octets.max(octets.len()) }
    }

    /// The `N` octets at `offset`; `None` if they were not captured.
    pub fn octets_at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.octets.get(offset..)?.first_chunk().copied()
    }
}

impl Bytes for CapturedFrame<'_> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset > OFFSET_MAX { None } else { self.octets_at(offset) }
    }

    fn load_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        if offset > OFFSET_MAX {
            return None;
        }
        let mut words = [0; N];
        for (index, word) in words.iter_mut().enumerate() {
            *word = u32::from_ne_bytes(self.octets_at(offset + index * size_of::<u32>())?);
        }
        Some(words)
    }

    /// On the wire: what a header claims must have been there, even where the capture was cut short of it.
    fn frame_octets(&self) -> usize {
        self.wire_octets
    }
}
