//! TCP (RFC 9293), UDP (RFC 768).

use super::{Fault, Packet, icmp, protocol};
use crate::bytes::Bytes;

const TCP_HEADER_OCTETS_MIN: usize = 20;
/// Of the sequence number.
const TCP_SEQUENCE_OFFSET: usize = 4;
/// Octets from the sequence number on that are read: with the acknowledgement, the header's length and the flags.
const TCP_READ_OCTETS: usize = 10;
const TCP_FIN: u8 = 0x01;
const TCP_SYN: u8 = 0x02;
const TCP_RST: u8 = 0x04;
const TCP_ACK: u8 = 0x10;
/// Octets of both ports, of TCP and of UDP.
const PORTS_OCTETS: usize = 4;
const UDP_HEADER_OCTETS: usize = 8;
/// Octets of a UDP datagram's payload that are read. Reason: as many as the shortest RTCP has, a receiver's report about
/// nobody (RFC 3550, section 6.4.2); RTP's own header is longer.
const PAYLOAD_READ_OCTETS: usize = 8;
/// How a SIP MESSAGE begins (RFC 3261, section 7.1; RFC 3428): methods are told apart by case.
const TEXT_BEGIN: [u8; PAYLOAD_READ_OCTETS] = *b"MESSAGE ";
/// Of RTP and RTCP (RFC 3550, section 5.1): the two upper bits of the first octet.
const RTP_VERSION: u8 = 2;
const RTP_VERSION_SHIFT: u8 = 6;
/// What the second octet is of RTCP, which shares RTP's port (RFC 5761, section 4).
const RTCP_FIRST: u8 = 192;
const RTCP_LAST: u8 = 223;

#[inline(always)]
pub(super) fn parse<B: Bytes>(bytes: &B, packet: &mut Packet) {
    let held = match packet.protocol {
        protocol::TCP => tcp(bytes, packet),
        protocol::UDP => udp(bytes, packet),
        protocol::ICMP | protocol::ICMPV6 => icmp::parse(bytes, packet),
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
fn udp<B: Bytes>(bytes: &B, packet: &mut Packet) -> bool {
    if !ports(bytes, packet, UDP_HEADER_OCTETS) {
        return false;
    }
    let offset = packet.transport_offset + UDP_HEADER_OCTETS;
    if offset + PAYLOAD_READ_OCTETS <= packet.end()
        && packet.holds(offset, PAYLOAD_READ_OCTETS)
        && let Some(payload) = bytes.load::<PAYLOAD_READ_OCTETS>(offset)
    {
        payload_begin(packet, payload);
    }
    true
}

/// What the beginning of a UDP datagram's payload looks like.
#[inline(always)]
fn payload_begin(packet: &mut Packet, payload: [u8; PAYLOAD_READ_OCTETS]) {
    let [first, second, high, low, ..] = payload;
    packet.is_text = u64::from_ne_bytes(payload) == u64::from_ne_bytes(TEXT_BEGIN);
    packet.is_rtp = first >> RTP_VERSION_SHIFT == RTP_VERSION;
    if packet.is_rtp && !(RTCP_FIRST..=RTCP_LAST).contains(&second) {
        packet.sequence = Packet::RTP_SEQUENCE | u32::from(u16::from_be_bytes([high, low]));
    }
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "a packet's length has 17 bits")]
fn tcp<B: Bytes>(bytes: &B, packet: &mut Packet) -> bool {
    if !ports(bytes, packet, TCP_HEADER_OCTETS_MIN) {
        return false;
    }
    let offset = packet.transport_offset;
    if !packet.holds(offset + TCP_SEQUENCE_OFFSET, TCP_READ_OCTETS) {
        return false;
    }
    let Some(read): Option<[u8; TCP_READ_OCTETS]> = bytes.load(offset + TCP_SEQUENCE_OFFSET) else {
        return false;
    };
    let [data_offset, flags] = [read[8], read[9]];
    let end = offset + (data_offset >> 4) as usize * 4;
    if end < offset + TCP_HEADER_OCTETS_MIN {
        packet.fault = Fault::Transport;
        return true;
    }
    // What a first fragment does not hold of its segment is payload too.
    let has_payload = end < packet.end() || (end == packet.end() && packet.more_fragments);
    packet.control_payload = flags & (TCP_SYN | TCP_RST) != 0 && has_payload;
    packet.opens = flags & (TCP_SYN | TCP_RST | TCP_ACK) == TCP_SYN;
    packet.finishes = flags & TCP_FIN != 0;
    packet.resets = flags & TCP_RST != 0;
    // A SYN takes the first number, its payload those that follow (RFC 9293, section 3.4).
    packet.sequence = u32::from_be_bytes([read[0], read[1], read[2], read[3]])
        .wrapping_add(u32::from(flags & TCP_SYN != 0));
    packet.payload_octets = packet.end().saturating_sub(end) as u32;
    end <= packet.end()
}
