//! Frames (RFC 9113, section 4.1).

use crate::inspect::Hidden;

/// Types of frame (RFC 9113, section 6).
pub(super) mod kind {
    pub(in crate::http2) const DATA: u8 = 0;
    pub(in crate::http2) const HEADERS: u8 = 1;
    pub(in crate::http2) const SETTINGS: u8 = 4;
    pub(in crate::http2) const CONTINUATION: u8 = 9;
}

/// Longest payload that a client may send before the server allows more, in octets (RFC 9113, section 4.2).
const PAYLOAD_OCTETS_MAX: usize = 1 << 14;

/// Octets of a frame's header.
const HEADER_OCTETS: usize = 9;

const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;
/// Stream dependency and weight, which come before a field block with that flag (RFC 9113, section 6.2).
const PRIORITY_OCTETS: usize = 5;

/// One frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

/// Why there is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameError {
    Incomplete,
    Faulty,
}

impl<'a> Frame<'a> {
    /// The first frame, and what comes behind it.
    pub(super) fn split(octets: &'a [u8]) -> Result<(Self, &'a [u8]), FrameError> {
        let Some((&[high, middle, low, kind, flags, ref stream @ ..], behind)) =
            octets.split_first_chunk::<HEADER_OCTETS>()
        else {
            return Err(FrameError::Incomplete);
        };
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        if length > PAYLOAD_OCTETS_MAX {
            return Err(FrameError::Faulty);
        }
        let (payload, behind) = behind.split_at_checked(length).ok_or(FrameError::Incomplete)?;
        let stream = u32::from_be_bytes(*stream) & (u32::MAX >> 1);
        Ok((Self { kind, flags, stream, payload }, behind))
    }

    /// Whether a field block ends here.
    pub(super) const fn ends_block(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// The part of a field block that a HEADERS frame has, without padding and priority.
    pub(super) fn block(&self) -> Result<&'a [u8], Hidden> {
        let mut block = self.payload;
        if self.flags & PADDED != 0 {
            let (&padding, behind) = block.split_first().ok_or(Hidden::NotRecognised)?;
            let octets = behind.len().checked_sub(usize::from(padding)).ok_or(Hidden::NotRecognised)?;
            block = &behind[..octets];
        }
        if self.flags & PRIORITY != 0 {
            block = block.get(PRIORITY_OCTETS..).ok_or(Hidden::NotRecognised)?;
        }
        Ok(block)
    }
}
