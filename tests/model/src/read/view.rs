//! A part of a frame: what can be read of it, and how much the header in front of it says there is.

use tollfree_core::limits::OFFSET_MAX;

/// What lies behind a header.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// Octets that can be read; fewer than `claimed` in a capture cut short or an outer first fragment.
    held: &'a [u8],
    /// Octets that the headers in front say there are. `None`: unknown, because the rest is in later fragments.
    claimed: Option<usize>,
    /// Octets of the frame in front of it.
    at: usize,
}

impl<'a> View<'a> {
    /// All of a frame.
    pub(super) fn new(octets: &'a [u8], wire_octets: usize) -> Self {
        Self { held: octets, claimed: Some(wire_octets), at: 0 }
    }

    /// The header of so many octets that begins here; `None`: it is cut, or begins past [`OFFSET_MAX`].
    pub(super) fn header(&self, octets: usize) -> Option<&'a [u8]> {
        if self.at > OFFSET_MAX || self.claimed.is_some_and(|claimed| octets > claimed) {
            return None;
        }
        self.held.get(..octets)
    }

    /// What follows the header of so many octets; `None`: as for [`View::header`].
    pub(super) fn behind(&self, octets: usize) -> Option<Self> {
        self.header(octets)?;
        Some(Self {
            held: self.held.get(octets..)?,
            claimed: self.claimed.map(|claimed| claimed - octets),
            at: self.at + octets,
        })
    }

    /// What follows the header of so many octets, which itself is not read; `None`: the headers in front say that it is
    /// cut.
    pub(super) fn past(&self, octets: usize) -> Option<Self> {
        let claimed = match self.claimed {
            Some(claimed) => Some(claimed.checked_sub(octets)?),
            None => None,
        };
        Some(Self { held: self.held.get(octets..).unwrap_or_default(), claimed, at: self.at + octets })
    }

    /// The first so many octets, without the padding behind; `None`: the headers in front say there are fewer.
    pub(super) fn first(&self, octets: usize) -> Option<Self> {
        if self.claimed.is_some_and(|claimed| octets > claimed) {
            return None;
        }
        let held = self.held.get(..octets).unwrap_or(self.held);
        Some(Self { held, claimed: Some(octets), at: self.at })
    }

    /// The same, but what is read here reaches into fragments that are not here.
    pub(super) fn reaching_past(&self) -> Self {
        Self { claimed: None, ..*self }
    }

    /// How many octets the headers in front say there are; of a packet, the length that bounds it.
    pub(super) fn octets(&self) -> usize {
        self.claimed.unwrap_or(self.held.len())
    }
}

/// The big-endian number of two octets at an offset of a header.
pub(super) fn u16_at(header: &[u8], offset: usize) -> u16 {
    let octet = |index: usize| u16::from(header.get(index).copied().unwrap_or(0));
    octet(offset) << 8 | octet(offset + 1)
}

/// The big-endian number of four octets at an offset of a header.
pub(super) fn u32_at(header: &[u8], offset: usize) -> u32 {
    u32::from(u16_at(header, offset)) << 16 | u32::from(u16_at(header, offset + 2))
}

/// One octet of a header.
pub(super) fn u8_at(header: &[u8], offset: usize) -> u8 {
    header.get(offset).copied().unwrap_or(0)
}
