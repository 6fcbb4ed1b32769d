//! From a copied frame to what it carries of signalling.

use std::borrow::Cow;
use std::net::SocketAddr;

use tollfree_core::address::SubscriberId;
use tollfree_core::bytes::Frame;
use tollfree_core::interface::Role;
use tollfree_core::packet::tunnel::Transports;
use tollfree_core::packet::{self, Packet, Start, protocol};

use super::connections::Segment;
use super::fragments::{DatagramKey, Fragment, Fragments};
use super::tracker::Direction;

/// Octets of a UDP header (RFC 768).
const UDP_HEADER_OCTETS: usize = 8;
/// Octets of a TCP header without options (RFC 9293, section 3.1).
const TCP_HEADER_OCTETS: usize = 20;
/// Where the data offset and the flags are in a TCP header.
const TCP_OFFSET_PLACE: usize = 12;
const TCP_FLAGS_PLACE: usize = 13;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;

/// What a frame carries.
#[derive(Debug)]
pub enum Carried<'a> {
    /// A UDP datagram, whole.
    Datagram {
        /// The subscriber's end.
        subscriber: SocketAddr,
        /// The proxy's end.
        proxy: SocketAddr,
        /// Which way it goes.
        direction: Direction,
        /// Its payload.
        payload: Cow<'a, [u8]>,
    },
    /// A TCP segment.
    Segment(Segment<'a>),
    /// A fragment of a datagram that is not whole yet.
    Fragment,
}

/// Whose frame it is that came on an interface of `role`; `None` where it cannot be read.
pub fn subscriber<T: Transports>(role: Role, octets: &[u8], transports: &T) -> Option<SubscriberId> {
    let packet = packet::parse(&Frame::new(octets), Start::Ethernet, 0, transports, &mut ()).ok()?;
    let ours = match role {
        Role::Access => &packet.source,
        Role::Core => &packet.destination,
    };
    Some(SubscriberId::of(ours, packet.family))
}

/// Reads frames, and keeps fragments until their datagrams are whole.
#[derive(Debug, Default)]
pub struct FrameReader {
    fragments: Fragments,
}

impl FrameReader {
    /// Reads a frame that came at `now_ns` on an interface of `role`; `None` where it is neither UDP nor TCP, or cut.
    pub fn read<'a, T: Transports>(
        &mut self,
        now_ns: u64,
        role: Role,
        octets: &'a [u8],
        transports: &T,
    ) -> Option<Carried<'a>> {
        let packet = packet::parse(&Frame::new(octets), Start::Ethernet, 0, transports, &mut ()).ok()?;
        if packet.is_fragment() {
            return self.fragment(now_ns, role, octets, &packet);
        }
        if !packet.fault.is_none() {
            return None;
        }
        let end = packet.ip_offset + packet.volume_octets as usize;
        let transport = octets.get(packet.transport_offset..end)?;
        if packet.protocol == protocol::UDP {
            return Some(datagram(role, &packet, Cow::Borrowed(transport.get(UDP_HEADER_OCTETS..)?)));
        }
        (packet.protocol == protocol::TCP).then(|| segment(role, &packet, transport)).flatten()
    }

    fn fragment<'a>(
        &mut self,
        now_ns: u64,
        role: Role,
        octets: &'a [u8],
        packet: &Packet,
    ) -> Option<Carried<'a>> {
        if packet.protocol != protocol::UDP {
            return None;
        }
        let end = packet.ip_offset + packet.volume_octets as usize;
        let payload = octets.get(packet.transport_offset..end)?;
        let key = DatagramKey {
            source: packet.source.to_ip(),
            destination: packet.destination.to_ip(),
            identification: packet.identification,
            protocol: packet.protocol,
        };
        let offset = usize::from(packet.fragment_octets);
        let fragment = Fragment { offset, has_more: packet.more_fragments, payload };
        let Some(whole) = self.fragments.take(now_ns, key, fragment) else {
            return Some(Carried::Fragment);
        };
        let port = |place: usize| Some(u16::from_be_bytes(*whole.get(place..)?.first_chunk()?));
        let mut packet = *packet;
        (packet.source_port, packet.destination_port) = (port(0)?, port(2)?);
        let length = usize::from(port(4)?);
        // A datagram is as long as its own header says (RFC 768).
        let payload = whole.get(UDP_HEADER_OCTETS..length)?.to_vec();
        Some(datagram(role, &packet, Cow::Owned(payload)))
    }
}

/// The subscriber's end, the other, and which way the packet goes.
fn ends(role: Role, packet: &Packet) -> (SocketAddr, SocketAddr, Direction) {
    let source = SocketAddr::new(packet.source.to_ip(), packet.source_port);
    let destination = SocketAddr::new(packet.destination.to_ip(), packet.destination_port);
    match role {
        Role::Access => (source, destination, Direction::Uplink),
        Role::Core => (destination, source, Direction::Downlink),
    }
}

fn datagram<'a>(role: Role, packet: &Packet, payload: Cow<'a, [u8]>) -> Carried<'a> {
    let (subscriber, proxy, direction) = ends(role, packet);
    Carried::Datagram { subscriber, proxy, direction, payload }
}

fn segment<'a>(role: Role, packet: &Packet, transport: &'a [u8]) -> Option<Carried<'a>> {
    let header_octets = usize::from(*transport.get(TCP_OFFSET_PLACE)? >> 4) * 4;
    let flags = *transport.get(TCP_FLAGS_PLACE)?;
    if header_octets < TCP_HEADER_OCTETS {
        return None;
    }
    let (subscriber, proxy, direction) = ends(role, packet);
    let is_syn = flags & SYN != 0;
    Some(Carried::Segment(Segment {
        subscriber,
        proxy,
        direction,
        sequence: packet.sequence,
        is_syn,
        is_end: flags & (FIN | RST) != 0,
        payload: if is_syn || flags & RST != 0 { &[] } else { transport.get(header_octets..)? },
    }))
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
