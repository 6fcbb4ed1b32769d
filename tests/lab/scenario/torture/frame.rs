//! A frame that a generator sends, and what it must be counted as.

use crate::topology::Side;

/// A frame, with what the standards say of it; worked out as it is built.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The gateway's side that it arrives on.
    pub(super) side: Side,
    /// From the link-layer header on.
    pub(super) octets: Vec<u8>,
    /// Octets of the innermost IP packet: IPv4's total length, IPv6's payload length and 40; 0 of what is none, or
    /// cannot be read, or is the rest of a packet that was counted with its beginning.
    pub(super) volume: u32,
    /// The reason that it is nobody's, where it is, whatever policy is in force.
    pub(super) nobodys: Option<&'static str>,
}
