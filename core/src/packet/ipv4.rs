//! IPv4 (RFC 791).

use super::{Packet, ipv6};
use crate::address::{Address, Family};
use crate::bytes::Bytes;
use crate::reason::Reason;

const HEADER_OCTETS_MIN: usize = 20;
const ADDRESSES_OFFSET: usize = 12;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET_MASK: u16 = 0x1fff;

#[inline(always)]
pub(super) fn parse<B: Bytes>(bytes: &B, end: usize, packet: &mut Packet) -> Result<(), Reason> {
    let offset = packet.ip_offset;
    let header: [u8; ADDRESSES_OFFSET] = bytes.load(offset).ok_or(Reason::MalformedIpv4)?;
    let [source, destination] = bytes.load_words(offset + ADDRESSES_OFFSET).ok_or(Reason::MalformedIpv4)?;
    let header_octets = (header[0] & 0x0f) as usize * 4;
    let total_octets = u32::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_octets < HEADER_OCTETS_MIN || (total_octets as usize) < header_octets {
        return Err(Reason::MalformedIpv4);
    }
    // What the header claims must be there; what follows it (Ethernet padding) is not billed.
    if offset + total_octets as usize > end || !packet.holds(offset, HEADER_OCTETS_MIN) {
        return Err(Reason::MalformedIpv4);
    }
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    packet.family = Family::V4;
    packet.protocol = header[9];
    packet.dscp = header[1] >> 2;
    packet.transport_offset = offset + header_octets;
    packet.volume_octets = total_octets;
    packet.source = Address::v4(source);
    packet.destination = Address::v4(destination);
    packet.identification = u32::from(u16::from_be_bytes([header[4], header[5]]));
    packet.fragment_octets = (fragment & FRAGMENT_OFFSET_MASK) * 8;
    packet.more_fragments = fragment & MORE_FRAGMENTS != 0;
    packet.later_fragment = packet.fragment_octets != 0;
    if packet.protocol == ipv6::AUTHENTICATION && !packet.later_fragment {
        ipv6::extensions(bytes, packet);
    }
    Ok(())
}
