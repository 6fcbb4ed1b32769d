//! What a plane says of one frame.

use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::packet::Packet;

/// Everything that can be seen of what a plane made of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What its headers say; `None` where they cannot be read.
    pub(crate) parsed: Option<Packet>,
    /// Every counter that moved, and by how much: whose, which rule, bucket and reason, and the volume.
    pub(crate) counted: Vec<(CounterKey, Usage)>,
    /// As it leaves: metadata in front, and the frame.
    pub(crate) leaves_as: Vec<u8>,
    /// The copy that the controller gets.
    pub(crate) copied: Option<Copied>,
    /// What its flow has carried now, if it is open.
    pub(crate) flow: Option<Usage>,
    /// The ports that its datagram has, if they are remembered.
    pub(crate) fragment: Option<(u16, u16)>,
    /// The XDP action.
    pub(crate) verdict: u32,
}

/// A copy to the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) role: u32,
    pub(crate) epoch: u32,
    pub(crate) frame_octets: u32,
    pub(crate) octets: Vec<u8>,
}
