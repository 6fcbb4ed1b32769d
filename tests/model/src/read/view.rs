//! A part of a frame: what can be read of it, and how much the IP header in front of it says there is.

use tollfree_core::limits::OFFSET_MAX;

/// What lies behind a header.
///
/// Link and tunnel headers are read as far as the frame goes, padding too: it is the IP header behind them whose length
/// must fit into what encloses it, and no packet is anyone's without one.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// Octets that can be read.
    held: &'a [u8],
    /// So many of them are in the fragment around. Link and tunnel headers do not ask; an IP packet's own headers do.
    within: usize,
    /// Octets that the enclosing headers say there are. `None`: unknown, because the rest is in later fragments.
    claimed: Option<usize>,
    /// Octets of the frame in front of it.
    at: usize,
}

impl<'a> View<'a> {
    /// All of a frame.
    pub(super) fn new(octets: &'a [u8], wire_octets: usize) -> Self {
        Self { held: octets, within: usize::MAX, claimed: Some(wire_octets), at: 0 }
    }

    /// The so many octets at an offset; `None`: they are not there, or begin past [`OFFSET_MAX`].
    pub(super) fn octets_at(&self, offset: usize, octets: usize) -> Option<&'a [u8]> {
        if self.at + offset > OFFSET_MAX {
            return None;
        }
        self.held.get(offset..offset + octets)
    }

    /// The header of so many octets that begins here; `None` as for [`View::octets_at`].
    pub(super) fn header(&self, octets: usize) -> Option<&'a [u8]> {
        self.octets_at(0, octets)
    }

    /// As [`View::octets_at`], and `None` if they are not in the fragment around.
    pub(super) fn packet_octets_at(&self, offset: usize, octets: usize) -> Option<&'a [u8]> {
        if !self.is_within(offset + octets) {
            return None;
        }
        self.octets_at(offset, octets)
    }

    /// Whether so many octets are in the fragment around, be they there to be read or not.
    pub(super) const fn is_within(&self, octets: usize) -> bool {
        octets <= self.within
    }

    /// What follows so many octets, wherever the enclosing headers say that it ends.
    pub(super) fn behind(&self, octets: usize) -> Self {
        Self {
            held: self.held.get(octets..).unwrap_or_default(),
            within: if self.within == usize::MAX { usize::MAX } else { self.within.saturating_sub(octets) },
            claimed: self.claimed.map(|claimed| claimed.saturating_sub(octets)),
            at: self.at + octets,
        }
    }

    /// The first so many octets, without the padding behind; `None`: the enclosing headers say there are fewer.
    pub(super) fn first(&self, octets: usize) -> Option<Self> {
        let fits = self.claimed.is_none_or(|claimed| octets <= claimed);
        fits.then_some(Self { claimed: Some(octets), ..*self })
    }

    /// What follows a header of so many octets; `None`: the enclosing headers say that it is cut.
    pub(super) fn past(&self, octets: usize) -> Option<Self> {
        self.first(octets).map(|_| self.behind(octets))
    }

    /// The payload of a first fragment: no packet's header is read behind its end, and what it encloses may be longer.
    pub(super) fn reaching_past(&self) -> Self {
        Self { within: self.within.min(self.octets()), claimed: None, ..*self }
    }

    /// Whether the enclosing headers bound it.
    pub(super) const fn is_bounded(&self) -> bool {
        self.claimed.is_some()
    }

    /// How many octets the enclosing headers say there are; behind an IP header always known.
    pub(super) fn octets(&self) -> usize {
        self.claimed.unwrap_or(self.held.len())
    }
}

/// The big-endian number of two octets at an offset of a header.
pub(super) fn u16_at(header: &[u8], offset: usize) -> u16 {
    u16::from(u8_at(header, offset)) << 8 | u16::from(u8_at(header, offset + 1))
}

/// The big-endian number of four octets at an offset of a header.
pub(super) fn u32_at(header: &[u8], offset: usize) -> u32 {
    u32::from(u16_at(header, offset)) << 16 | u32::from(u16_at(header, offset + 2))
}

/// One octet of a header.
pub(super) fn u8_at(header: &[u8], offset: usize) -> u8 {
    header.get(offset).copied().unwrap_or(0)
}
