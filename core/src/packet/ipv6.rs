//! IPv6 and its extension headers (RFC 8200; authentication header: RFC 4302).

use super::Packet;
use crate::address::{Address, Family};
use crate::bytes::Bytes;
use crate::limits::IPV6_EXTENSIONS_MAX;
use crate::reason::Reason;

const HEADER_OCTETS: usize = 40;
const FRAGMENT_OFFSET_MASK: u16 = 0xfff8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

#[inline(always)]
pub(super) fn parse<B: Bytes>(bytes: &B, offset: usize) -> Result<Packet, Reason> {
    let start: [u8; 8] = bytes.load(offset).ok_or(Reason::MalformedIpv6)?;
    let source: [u32; 4] = bytes.load_words(offset + 8).ok_or(Reason::MalformedIpv6)?;
    let destination: [u32; 4] = bytes.load_words(offset + 24).ok_or(Reason::MalformedIpv6)?;
    let volume_octets = u16::from_be_bytes([start[4], start[5]]) as u32 + HEADER_OCTETS as u32;
    if start[0] >> 4 != 6 || offset as u32 + volume_octets > bytes.frame_octets() {
        return Err(Reason::MalformedIpv6);
    }
    let mut packet = Packet {
        family: Family::V6,
        ip_offset: offset,
        transport_offset: offset + HEADER_OCTETS,
        volume_octets,
        source: Address::v6(source),
        destination: Address::v6(destination),
        protocol: start[6],
        source_port: 0,
        destination_port: 0,
        dscp: (start[0] & 0x0f) << 2 | start[1] >> 6,
        later_fragment: false,
        control_payload: false,
    };
    extensions(bytes, &mut packet)?;
    Ok(packet)
}

/// Steps over the extension headers, to the upper layer or to a later fragment's payload.
#[inline(always)]
fn extensions<B: Bytes>(bytes: &B, packet: &mut Packet) -> Result<(), Reason> {
    // The payload length bounds the headers: what lies behind it is padding.
    let end = packet.ip_offset + packet.volume_octets as usize;
    for _ in 0..IPV6_EXTENSIONS_MAX {
        if !is_extension(packet.protocol) {
            return Ok(());
        }
        let start: [u8; 4] = bytes.load(packet.transport_offset).ok_or(Reason::Ipv6Extensions)?;
        let header_octets = match packet.protocol {
            FRAGMENT => 8,
            AUTHENTICATION => (start[1] as usize + 2) * 4,
            _ => (start[1] as usize + 1) * 8,
        };
        if packet.transport_offset + header_octets > end {
            return Err(Reason::Ipv6Extensions);
        }
        let later_fragment = packet.protocol == FRAGMENT
            && u16::from_be_bytes([start[2], start[3]]) & FRAGMENT_OFFSET_MASK != 0;
        packet.protocol = start[0];
        packet.transport_offset += header_octets;
        if later_fragment {
            packet.later_fragment = true;
            return Ok(());
        }
    }
    if is_extension(packet.protocol) { Err(Reason::Ipv6Extensions) } else { Ok(()) }
}

#[inline(always)]
const fn is_extension(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION)
}
