//! TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792, RFC 4443).

use super::{Fault, Packet, protocol};
use crate::bytes::Bytes;

const TCP_HEADER_OCTETS_MIN: usize = 20;
/// Of the header's length and the flags.
const TCP_START_OFFSET: usize = 12;
const TCP_SYN: u8 = 0x02;
const TCP_RST: u8 = 0x04;
const TCP_ACK: u8 = 0x10;
/// Octets of both ports, of TCP and of UDP.
const PORTS_OCTETS: usize = 4;
const UDP_HEADER_OCTETS: usize = 8;
const ICMP_HEADER_OCTETS: usize = 8;

#[inline(always)]
pub(super) fn parse<B: Bytes>(bytes: &B, packet: &mut Packet) {
    let held = match packet.protocol {
        protocol::TCP => tcp(bytes, packet),
        protocol::UDP => ports(bytes, packet, UDP_HEADER_OCTETS),
        protocol::ICMP | protocol::ICMPV6 => packet.transport_offset + ICMP_HEADER_OCTETS <= packet.end(),
        _ => true,
    };
    if !held {
        cut(packet);
    }
}

/// A header that the packet does not hold: of a first fragment, a trick (RFC 1858, section 3); of any other packet, a
/// fault.
#[inline(always)]
fn cut(packet: &mut Packet) {
    packet.source_port = 0;
    packet.destination_port = 0;
    if packet.more_fragments {
        packet.tiny_fragment = true;
    } else {
        packet.fault = Fault::Transport;
    }
}

/// Reads ports; false if the packet does not hold a header of `header_octets`. The IP length bounds it: what lies behind
/// is padding, not ports.
#[inline(always)]
fn ports<B: Bytes>(bytes: &B, packet: &mut Packet, header_octets: usize) -> bool {
    if packet.transport_offset + header_octets > packet.end()
        || !packet.holds(packet.transport_offset, PORTS_OCTETS)
    {
        return false;
    }
    let Some(ports): Option<[u8; PORTS_OCTETS]> = bytes.load(packet.transport_offset) else { return false };
    packet.source_port = u16::from_be_bytes([ports[0], ports[1]]);
    packet.destination_port = u16::from_be_bytes([ports[2], ports[3]]);
    true
}

#[inline(always)]
fn tcp<B: Bytes>(bytes: &B, packet: &mut Packet) -> bool {
    if !ports(bytes, packet, TCP_HEADER_OCTETS_MIN) {
        return false;
    }
    let offset = packet.transport_offset;
    let Some(start): Option<[u8; 2]> = bytes.load(offset + TCP_START_OFFSET) else { return false };
    if !packet.holds(offset + TCP_START_OFFSET, start.len()) {
        return false;
    }
    let end = offset + (start[0] >> 4) as usize * 4;
    if end < offset + TCP_HEADER_OCTETS_MIN {
        packet.fault = Fault::Transport;
        return true;
    }
    // What a first fragment does not hold of its segment is payload too.
    let has_payload = end < packet.end() || (end == packet.end() && packet.more_fragments);
    packet.control_payload = start[1] & (TCP_SYN | TCP_RST) != 0 && has_payload;
    packet.opens = start[1] & (TCP_SYN | TCP_RST | TCP_ACK) == TCP_SYN;
    end <= packet.end()
}
