//! Which way frames go.

use std::str::FromStr;

use tollfree_core::decide::Tables;
use tollfree_core::interface::Role;
use tollfree_core::packet::Packet;
use tollfree_core::plan::Local;

/// What arrives on the observed interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// One direction, as on a gateway's interface of this role.
    Only(Role),
    /// Both: each packet says by its source whose it is.
    #[default]
    Mirror,
}

/// Text that is no side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write \"access\" (uplink alone), \"core\" (downlink alone) or \"mirror\" (both)")]
pub struct SideError;

impl FromStr for Side {
    type Err = SideError;

    fn from_str(text: &str) -> Result<Self, SideError> {
        let sides = [Self::Mirror, Self::Only(Role::Access), Self::Only(Role::Core)];
        sides.into_iter().find(|side| side.name() == text).ok_or(SideError)
    }
}

impl Side {
    /// The word on the command line and in status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Only(role) => role.name(),
            Self::Mirror => "mirror",
        }
    }

    /// The role of the gateway's interface that a packet would have arrived on. In a mirror, a subscriber's packet is
    /// uplink, to another subscriber too, and every other one downlink.
    pub(super) fn role_of<T: Tables>(self, tables: &T, packet: &Packet) -> Role {
        match self {
            Self::Only(role) => role,
            Self::Mirror if tables.local(&packet.source, packet.family) == Local::Subscriber => Role::Access,
            Self::Mirror => Role::Core,
        }
    }

    /// The role under which a frame is counted that tells no source.
    pub(super) const fn role_of_unread(self) -> Role {
        match self {
            Self::Only(role) => role,
            Self::Mirror => Role::Core,
        }
    }
}
