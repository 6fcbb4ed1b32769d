//! GRE (RFC 2784, RFC 2890), and ERSPAN in it.

use super::super::trace::{Layer, Trace};
use super::super::{Packet, Place, Start, trace_ip};
use super::inner_end;
use crate::bytes::Bytes;
use crate::reason::Reason;

const HEADER_OCTETS: usize = 4;
const FIELD_OCTETS: usize = 4;
const CHECKSUM_FLAG: u16 = 0x8000;
/// Bits 1, 4 and 5: source routes and recursion of RFC 1701. Nobody uses them any more, and a packet that has them must
/// not be read (RFC 2784, section 2.3).
const OBSOLETE_FLAGS: u16 = 0x4c00;
const KEY_FLAG: u16 = 0x2000;
const SEQUENCE_FLAG: u16 = 0x1000;
const VERSION_MASK: u16 = 0x0007;
/// Mirrored Ethernet frames; type II has a header of its own, and a sequence number.
const ERSPAN: u16 = 0x88be;
const ERSPAN_HEADER_OCTETS: usize = 8;

#[inline(always)]
pub(super) fn enter<B: Bytes, L: Trace>(
    bytes: &B,
    packet: &mut Packet,
    trace: &mut L,
) -> Result<Option<Place>, Reason> {
    let offset = packet.transport_offset;
    let header: [u8; HEADER_OCTETS] = bytes.load(offset).ok_or(Reason::MalformedTunnel)?;
    let flags = u16::from_be_bytes([header[0], header[1]]);
    if flags & VERSION_MASK != 0 {
        // PPTP's version carries its own compressed PPP: it stays the outer flow.
        return Ok(None);
    }
    if flags & OBSOLETE_FLAGS != 0 {
        return Err(Reason::MalformedTunnel);
    }
    trace_ip(packet, trace);
    trace.layer(Layer::Gre);
    let mut inside = offset + HEADER_OCTETS;
    for flag in [CHECKSUM_FLAG, KEY_FLAG, SEQUENCE_FLAG] {
        if flags & flag != 0 {
            inside += FIELD_OCTETS;
        }
    }
    if flags & CHECKSUM_FLAG != 0 {
        packet.covering_checksum_offset = offset + HEADER_OCTETS;
    }
    let mut start = Start::EtherType(u16::from_be_bytes([header[2], header[3]]));
    if start == Start::EtherType(ERSPAN) {
        trace.layer(Layer::Erspan);
        start = Start::Ethernet;
        if flags & SEQUENCE_FLAG != 0 {
            inside += ERSPAN_HEADER_OCTETS;
        }
    }
    Ok(Some(Place { start, offset: inside, end: inner_end(packet) }))
}
