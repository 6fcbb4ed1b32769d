//! One frame, as it came in.

use tollfree_core::interface::Role;

/// What a frame's octets begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// An Ethernet II header.
    Ethernet,
    /// An IP header of the version that its first four bits say.
    Ip,
    /// A PPP protocol field, with or without address and control in front (RFC 1661, section 2; RFC 1662, section 3.1).
    Ppp,
}

impl Begin {
    /// All.
    pub const ALL: [Self; 3] = [Self::Ethernet, Self::Ip, Self::Ppp];

    /// The word in regressions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Ip => "ip",
            Self::Ppp => "ppp",
        }
    }
}

/// A frame that arrived on one of the gateway's interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which interface's.
    pub role: Role,
    /// What the octets begin with.
    pub begin: Begin,
    /// What can be read of it.
    pub octets: Vec<u8>,
    /// Octets that it had on the wire: more than `octets` holds, where a capture was cut short.
    pub wire_octets: usize,
}

impl Arrival {
    /// An Ethernet frame, all of it there.
    pub fn ethernet(role: Role, octets: Vec<u8>) -> Self {
        let wire_octets = octets.len();
        Self { role, begin: Begin::Ethernet, octets, wire_octets }
    }
}
