//! What one interface's program is told when it is loaded.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::limits::FLOWS_PER_SUBSCRIBER_DEFAULT;
use crate::plan::RuleClass;

/// How a class of traffic is tagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Tag {
    /// Differentiated services code point (RFC 2474), 0 to 63; [`Tag::NO_DSCP`] leaves the packet's own.
    pub dscp: u32,
    /// skb mark; 0 sets none.
    pub mark: u32,
    /// skb priority; 0 sets none.
    pub priority: u32,
}

impl Tag {
    /// No code point is written.
    pub const NO_DSCP: u32 = u32::MAX;
    /// Writes nothing.
    pub const NONE: Self = Self { dscp: Self::NO_DSCP, mark: 0, priority: 0 };

    /// Whether metadata for the tc program is needed.
    #[inline(always)]
    pub const fn has_metadata(&self) -> bool {
        self.mark != 0 || self.priority != 0
    }
}

/// The `SETTINGS` constant of the XDP program; one program is loaded for each interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Settings {
    /// The interface's place in `INTERFACES`.
    pub interface_slot: u32,
    /// [`crate::interface::Role`], by number.
    pub role: u32,
    /// UDP port of SIP on the signalling proxies.
    pub sip_port: u32,
    /// Which headers of a tunnelled packet carry the code point: [`Settings::INNER`], [`Settings::OUTER`] or both.
    pub dscp_at: u32,
    /// How many flows one subscriber may have open.
    pub flows_per_subscriber: u32,
    /// Tags by [`RuleClass`].
    pub tags: [Tag; RuleClass::COUNT],
}

impl Settings {
    /// The innermost IP header.
    pub const INNER: u32 = 1;
    /// The outermost IP header.
    pub const OUTER: u32 = 2;

    /// Tags nothing; access side.
    pub const DEFAULT: Self = Self {
        interface_slot: 0,
        role: 0,
        sip_port: 5060,
        dscp_at: Self::INNER,
        flows_per_subscriber: FLOWS_PER_SUBSCRIBER_DEFAULT,
        tags: [Tag::NONE; RuleClass::COUNT],
    };
}

/// XDP metadata in front of a tagged packet; the tc program puts it into the skb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TagMetadata {
    /// skb mark.
    pub mark: u32,
    /// skb priority.
    pub priority: u32,
}
