//! Where a packet's octets come from and are written to: XDP memory in the kernel, a slice in userspace.

use crate::limits::{MESSAGE_OFFSET_MAX, OFFSET_MAX};

/// A frame that can be read at an offset, and says when it is not long enough.
pub trait Bytes {
    /// The `N` octets at `offset`; `None` past the end of the frame, or past the greatest offset that is read:
    /// [`OFFSET_MAX`] for headers, [`MESSAGE_OFFSET_MAX`] for messages behind them.
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// The `4 * N` octets at `offset`, as words that hold them as they lie in memory; `None` as for
    /// [`Bytes::load`].
    fn load_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]>;

    /// Makes the platform forget how `value` came about: only what it is in memory counts from here on. The kernel's
    /// verifier then follows one state where it would follow many; elsewhere there is nothing to forget.
    #[inline(always)]
    fn settle<T>(&self, value: &mut T) {
        let _ = value;
    }

    /// How long the frame is, in octets, from the link-layer header on.
    fn frame_octets(&self) -> usize;
}

/// A frame that can be written at an offset, where it is long enough.
pub trait OctetsMut {
    /// The `N` octets at `offset`, to be written; `None` past the end of the frame or past [`OFFSET_MAX`].
    fn octets_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]>;
}

impl OctetsMut for [u8] {
    fn octets_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        if offset > OFFSET_MAX {
            return None;
        }
        self.get_mut(offset..)?.first_chunk_mut()
    }
}

/// A frame in memory, from its link-layer header on; read up to the offset `REACH`.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a, const REACH: usize = OFFSET_MAX> {
    octets: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A frame whose octets are all there, to read its headers.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }
}

impl<'a> Frame<'a, MESSAGE_OFFSET_MAX> {
    /// The same, to read the message behind them.
    pub const fn message(octets: &'a [u8]) -> Self {
        Self { octets }
    }
}

impl<const REACH: usize> Bytes for Frame<'_, REACH> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset > REACH {
            return None;
        }
        self.octets.get(offset..)?.first_chunk().copied()
    }

    fn load_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        if offset > REACH {
            return None;
        }
        let mut words = [0; N];
        let octets = self.octets.get(offset..)?;
        for (index, word) in words.iter_mut().enumerate() {
            *word = u32::from_ne_bytes(*octets.get(index * 4..)?.first_chunk()?);
        }
        Some(words)
    }

    fn frame_octets(&self) -> usize {
        self.octets.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Written are exactly the octets that are asked for, where the frame has them all within the bound.
        #[test]
        fn octets_are_written_where_they_are_or_not_at_all(
            octets in 0_usize..1024,
            offset in prop_oneof![0_usize..1100, Just(OFFSET_MAX), Just(OFFSET_MAX + 1), Just(usize::MAX)],
        ) {
            let mut room = [0; 1024];
            let frame = &mut room[..octets];
            let is_there = offset <= OFFSET_MAX && offset + 4 <= octets;
            let written = frame.octets_mut::<4>(offset).map(|place| *place = [1; 4]);
            prop_assert_eq!(written.is_some(), is_there);
            let wanted = |place| u8::from(is_there && (offset..offset + 4).contains(&place));
            prop_assert!(frame.iter().enumerate().all(|(place, octet)| *octet == wanted(place)));
        }
    }
}
