//! ICMP (RFC 792, RFC 4443), and what its errors quote.

use super::{Packet, protocol};
use crate::address::{Address, Family};
use crate::bytes::Bytes;

const HEADER_OCTETS: usize = 8;
/// Octets of a quoted transport header that every error holds (RFC 792): ports are in them.
const QUOTED_OCTETS: usize = 8;
const IPV4_HEADER_OCTETS_MIN: usize = 20;
const IPV6_HEADER_OCTETS: usize = 40;

/// Reads the header, and of an error what it quotes; false if the packet does not hold a header. An error whose quote
/// cannot be read has none.
#[inline(always)]
pub(super) fn parse<B: Bytes>(bytes: &B, packet: &mut Packet) -> bool {
    let offset = packet.transport_offset;
    if offset + HEADER_OCTETS > packet.end() {
        return false;
    }
    if packet.is_fragment() || !packet.holds(offset, 1) {
        return true;
    }
    let Some([kind]) = bytes.load(offset) else { return true };
    if is_error(packet.protocol, kind) {
        let quoted = match packet.family {
            Family::V4 => ipv4(bytes, packet, offset + HEADER_OCTETS),
            Family::V6 => ipv6(bytes, packet, offset + HEADER_OCTETS),
        };
        packet.quote.is_there = quoted.is_some();
    }
    true
}

/// Destination unreachable, source quench, redirect, time exceeded and parameter problem (RFC 792); of ICMPv6, whatever
/// has the highest bit clear (RFC 4443, section 2.1).
#[inline(always)]
const fn is_error(protocol: u8, kind: u8) -> bool {
    match protocol {
        protocol::ICMP => matches!(kind, 3 | 4 | 5 | 11 | 12),
        _ => kind < 128,
    }
}

#[inline(always)]
fn ipv4<B: Bytes>(bytes: &B, packet: &mut Packet, offset: usize) -> Option<()> {
    if !held(packet, offset, IPV4_HEADER_OCTETS_MIN) {
        return None;
    }
    let header: [u8; 10] = bytes.load(offset)?;
    let header_octets = (header[0] & 0x0f) as usize * 4;
    // A later fragment has no ports.
    let is_later = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
    if header[0] >> 4 != 4 || header_octets < IPV4_HEADER_OCTETS_MIN || is_later {
        return None;
    }
    packet.quote.protocol = header[9];
    let [source, destination] = bytes.load_words(offset + 12)?;
    packet.quote.source = Address::v4(source);
    packet.quote.destination = Address::v4(destination);
    ports(bytes, packet, offset + header_octets)
}

#[inline(always)]
fn ipv6<B: Bytes>(bytes: &B, packet: &mut Packet, offset: usize) -> Option<()> {
    if !held(packet, offset, IPV6_HEADER_OCTETS) {
        return None;
    }
    let header: [u8; 8] = bytes.load(offset)?;
    if header[0] >> 4 != 6 {
        return None;
    }
    packet.quote.protocol = header[6];
    packet.quote.source = Address::v6(bytes.load_words(offset + 8)?);
    packet.quote.destination = Address::v6(bytes.load_words(offset + 24)?);
    ports(bytes, packet, offset + IPV6_HEADER_OCTETS)
}

#[inline(always)]
fn ports<B: Bytes>(bytes: &B, packet: &mut Packet, offset: usize) -> Option<()> {
    if !matches!(packet.quote.protocol, protocol::TCP | protocol::UDP) || !held(packet, offset, QUOTED_OCTETS)
    {
        return None;
    }
    let ports: [u8; 4] = bytes.load(offset)?;
    packet.quote.source_port = u16::from_be_bytes([ports[0], ports[1]]);
    packet.quote.destination_port = u16::from_be_bytes([ports[2], ports[3]]);
    Some(())
}

/// Whether the packet holds so many octets at `offset`, and they may be read.
#[inline(always)]
const fn held(packet: &Packet, offset: usize, octets: usize) -> bool {
    offset + octets <= packet.end() && packet.holds(offset, octets)
}
