//! IPv4 (RFC 791).

use super::Packet;
use crate::address::{Address, Family};
use crate::bytes::Bytes;
use crate::reason::Reason;

const HEADER_OCTETS_MIN: usize = 20;
const ADDRESSES_OFFSET: usize = 12;
const FRAGMENT_OFFSET_MASK: u16 = 0x1fff;

#[inline(always)]
pub(super) fn parse<B: Bytes>(bytes: &B, offset: usize) -> Result<Packet, Reason> {
    let header: [u8; ADDRESSES_OFFSET] = bytes.load(offset).ok_or(Reason::MalformedIpv4)?;
    let [source, destination] = bytes.load_words(offset + ADDRESSES_OFFSET).ok_or(Reason::MalformedIpv4)?;
    let header_octets = (header[0] & 0x0f) as usize * 4;
    let total_octets = u32::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_octets < HEADER_OCTETS_MIN || (total_octets as usize) < header_octets {
        return Err(Reason::MalformedIpv4);
    }
    // What the header claims must have arrived; what follows it (Ethernet padding) is not billed.
    if offset + total_octets as usize > bytes.frame_octets() {
        return Err(Reason::MalformedIpv4);
    }
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    Ok(Packet {
        family: Family::V4,
        ip_offset: offset,
        transport_offset: offset + header_octets,
        volume_octets: total_octets,
        source: Address::v4(source),
        destination: Address::v4(destination),
        protocol: header[9],
        source_port: 0,
        destination_port: 0,
        dscp: header[1] >> 2,
        later_fragment: fragment & FRAGMENT_OFFSET_MASK != 0,
        control_payload: false,
        opens: true,
    })
}
