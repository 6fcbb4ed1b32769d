//! One IP packet, as its own headers tell it.

use std::net::IpAddr;

use tollfree_core::reason::Reason;

use super::view::View;

/// An IP packet before anything is said of what is in it.
#[derive(Clone, Debug)]
pub(super) struct Datagram<'a> {
    /// Source address; an IPv4 one is of an IPv4 packet.
    pub(super) source: IpAddr,
    /// Destination address.
    pub(super) destination: IpAddr,
    /// IP protocol of the payload; of a later fragment, what its header says follows in the first.
    pub(super) protocol: u8,
    /// Length in octets, by its own header.
    pub(super) volume: usize,
    /// Which part it is; `None`: it is whole.
    pub(super) piece: Option<Piece>,
    /// What is wrong with the extension headers; what follows them is not known then.
    pub(super) fault: Option<Reason>,
    /// What follows the IP headers.
    pub(super) payload: View<'a>,
}

/// A fragment's place (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Which datagram it belongs to.
    pub(super) identification: u32,
    /// Octets of the datagram's payload in front of it.
    pub(super) offset_octets: usize,
    /// Whether others follow it.
    pub(super) more: bool,
}

impl Piece {
    /// `None` for a datagram that is whole: offset 0 and nothing to follow (RFC 6946 for IPv6).
    pub(super) fn new(identification: u32, offset_units: u16, more: bool) -> Option<Self> {
        let offset_octets = usize::from(offset_units) * 8;
        (offset_octets > 0 || more).then_some(Self { identification, offset_octets, more })
    }
}

impl Datagram<'_> {
    /// Whether it begins in the middle of its payload.
    pub(super) fn is_later_fragment(&self) -> bool {
        self.piece.is_some_and(|piece| piece.offset_octets > 0)
    }

    /// Whether it begins its payload and others end it.
    pub(super) fn is_first_fragment(&self) -> bool {
        self.piece.is_some_and(|piece| piece.offset_octets == 0)
    }
}
