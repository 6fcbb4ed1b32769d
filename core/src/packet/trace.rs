//! Being told of the headers in front of the innermost IP header.

use crate::address::{Address, Family};

/// One header that was stepped over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Ethernet II.
    Ethernet,
    /// An 802.1Q or 802.1ad tag, by its VLAN identifier.
    Vlan(u16),
    /// An MPLS label stack entry, by its label.
    Mpls(u32),
    /// PPPoE, by its session.
    Pppoe(u16),
    /// PPP.
    Ppp,
    /// An outer IP header.
    Ip {
        /// Its version.
        family: Family,
        /// Sender.
        source: Address,
        /// Receiver.
        destination: Address,
    },
    /// The UDP header of a tunnel.
    Udp {
        /// Sender's port.
        source_port: u16,
        /// Receiver's port.
        destination_port: u16,
    },
    /// GTP-U, by its tunnel endpoint identifier.
    Gtpu {
        /// Tunnel endpoint identifier.
        teid: u32,
        /// Type of its first extension header; 0 where there is none.
        extension: u8,
    },
    /// GRE.
    Gre,
    /// ERSPAN.
    Erspan,
    /// VXLAN, by its network identifier.
    Vxlan(u32),
    /// Geneve, by its network identifier.
    Geneve(u32),
}

/// Who is told; `()` listens to nothing.
pub trait Trace {
    /// A header was stepped over, the outermost first.
    fn layer(&mut self, layer: Layer);
}

impl Trace for () {
    #[inline(always)]
    fn layer(&mut self, _layer: Layer) {}
}
