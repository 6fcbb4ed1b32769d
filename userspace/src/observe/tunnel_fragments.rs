//! Fragments of tunnelled datagrams, where nobody says between which addresses the carrier's tunnels are.

use tollfree_core::address::Family;
use tollfree_core::bytes::Frame;
use tollfree_core::flow::FragmentKey;
use tollfree_core::limits::FRAGMENTS_MAX;
use tollfree_core::packet::{self, Packet, Start};

use crate::memory::MemoryTransports;
use crate::recent::Recent;

/// Datagrams whose first fragment held a tunnel. Where any address may be a tunnel's end, only that tells whether a later
/// fragment, which has no port, is a tunnel's or a conversation's own.
#[derive(Clone, Debug)]
pub(super) struct TunnelFragments {
    tunnels: Recent<FragmentKey, ()>,
}

impl TunnelFragments {
    pub(super) fn new() -> Self {
        Self { tunnels: Recent::new(FRAGMENTS_MAX as usize) }
    }

    /// Remembers the datagram, if `packet` was in a tunnel's first fragment; makes a later fragment of none the
    /// conversation's own.
    pub(super) fn settle(&mut self, frame: &Frame<'_>, packet: &mut Packet) {
        if packet.tunnel_fragment {
            packet.tunnel_fragment = self.tunnels.get(&key(packet)).is_some();
        } else if packet.ip_offset != packet.outer_ip_offset {
            let outer = packet::parse(frame, Start::Ethernet, 0, &MemoryTransports::default(), &mut ());
            if let Ok(outer) = outer
                && outer.more_fragments
                && !outer.later_fragment
            {
                self.tunnels.insert(key(&outer), ());
            }
        }
    }
}

fn key(packet: &Packet) -> FragmentKey {
    // A fragment header tells what follows it, which need not be the transport (RFC 8200, section 4.5).
    let protocol = if packet.family == Family::V4 { packet.protocol } else { 0 };
    FragmentKey {
        source: packet.source,
        destination: packet.destination,
        identification: packet.identification,
        protocol: protocol.into(),
    }
}
