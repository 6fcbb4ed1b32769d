//! IPv6 and its extension headers (RFC 8200; authentication header: RFC 4302).

use super::{Fault, Packet};
use crate::address::{Address, Family};
use crate::bytes::Bytes;
use crate::limits::IPV6_EXTENSIONS_MAX;
use crate::reason::Reason;

const HEADER_OCTETS_U32: u32 = 40;
const HEADER_OCTETS: usize = HEADER_OCTETS_U32 as usize;
/// No extension header is shorter.
const EXTENSION_OCTETS_MIN: usize = 8;
const FRAGMENT_OFFSET_MASK: u16 = 0xfff8;
const MORE_FRAGMENTS: u16 = 0x0001;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
pub(super) const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

#[inline(always)]
pub(super) fn parse<B: Bytes>(bytes: &B, end: usize, packet: &mut Packet) -> Result<(), Reason> {
    let offset = packet.ip_offset;
    let start: [u8; 8] = bytes.load(offset).ok_or(Reason::MalformedIpv6)?;
    let source: [u32; 4] = bytes.load_words(offset + 8).ok_or(Reason::MalformedIpv6)?;
    let destination: [u32; 4] = bytes.load_words(offset + 24).ok_or(Reason::MalformedIpv6)?;
    let volume_octets = u32::from(u16::from_be_bytes([start[4], start[5]])) + HEADER_OCTETS_U32;
    if start[0] >> 4 != 6 || offset + volume_octets as usize > end || !packet.holds(offset, HEADER_OCTETS) {
        return Err(Reason::MalformedIpv6);
    }
    packet.family = Family::V6;
    packet.protocol = start[6];
    packet.dscp = (start[0] & 0x0f) << 2 | start[1] >> 6;
    packet.transport_offset = offset + HEADER_OCTETS;
    packet.volume_octets = volume_octets;
    packet.source = Address::v6(source);
    packet.destination = Address::v6(destination);
    extensions(bytes, packet);
    Ok(())
}

/// Steps over the extension headers, to the upper layer or to a later fragment's payload.
#[inline(always)]
pub(super) fn extensions<B: Bytes>(bytes: &B, packet: &mut Packet) {
    for _ in 0..IPV6_EXTENSIONS_MAX {
        bytes.settle(packet);
        if !is_extension(packet) {
            return;
        }
        if !step(bytes, packet) {
            packet.fault = Fault::Extensions;
            return;
        }
        if packet.later_fragment {
            return;
        }
    }
    if is_extension(packet) {
        packet.fault = Fault::Extensions;
    }
}

/// Steps over one extension header; false if the packet does not hold it.
#[inline(always)]
fn step<B: Bytes>(bytes: &B, packet: &mut Packet) -> bool {
    let Some(start): Option<[u8; EXTENSION_OCTETS_MIN]> = bytes.load(packet.transport_offset) else {
        return false;
    };
    if !packet.holds(packet.transport_offset, EXTENSION_OCTETS_MIN) {
        return false;
    }
    let header_octets = match packet.protocol {
        FRAGMENT => 8,
        AUTHENTICATION => (start[1] as usize + 2) * 4,
        _ => (start[1] as usize + 1) * 8,
    };
    if packet.transport_offset + header_octets > packet.end() {
        return false;
    }
    if packet.protocol == FRAGMENT {
        let fragment = u16::from_be_bytes([start[2], start[3]]);
        packet.fragment_octets = fragment & FRAGMENT_OFFSET_MASK;
        packet.more_fragments = fragment & MORE_FRAGMENTS != 0;
        packet.later_fragment = packet.fragment_octets != 0;
        packet.identification = u32::from_be_bytes([start[4], start[5], start[6], start[7]]);
    }
    packet.protocol = start[0];
    packet.transport_offset += header_octets;
    true
}

/// IPv4 has the authentication header alone; the others' numbers mean nothing there.
#[inline(always)]
const fn is_extension(packet: &Packet) -> bool {
    match packet.protocol {
        AUTHENTICATION => true,
        HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION => matches!(packet.family, Family::V6),
        _ => false,
    }
}
