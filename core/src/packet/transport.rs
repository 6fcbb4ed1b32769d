//! TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792, RFC 4443).

use super::{Packet, protocol};
use crate::bytes::Bytes;
use crate::reason::Reason;

const TCP_HEADER_OCTETS_MIN: usize = 20;
const TCP_SYN: u8 = 0x02;
const TCP_RST: u8 = 0x04;
const TCP_ACK: u8 = 0x10;
const UDP_HEADER_OCTETS: usize = 8;
const ICMP_HEADER_OCTETS: usize = 8;

#[inline(always)]
pub(super) fn parse<B: Bytes>(bytes: &B, packet: &mut Packet) -> Result<(), Reason> {
    let offset = packet.transport_offset;
    // The IP length bounds the upper layer: what lies behind it is padding, not ports.
    let end = packet.end();
    let header_octets = match packet.protocol {
        protocol::TCP => TCP_HEADER_OCTETS_MIN,
        protocol::UDP => UDP_HEADER_OCTETS,
        protocol::ICMP | protocol::ICMPV6 => ICMP_HEADER_OCTETS,
        _ => return Ok(()),
    };
    if offset + header_octets > end {
        return cut(packet);
    }
    if matches!(packet.protocol, protocol::TCP | protocol::UDP) {
        let ports: [u8; 4] = bytes.load(offset).ok_or(Reason::MalformedTransport)?;
        packet.source_port = u16::from_be_bytes([ports[0], ports[1]]);
        packet.destination_port = u16::from_be_bytes([ports[2], ports[3]]);
    }
    if packet.protocol == protocol::TCP {
        let start: [u8; 2] = bytes.load(offset + 12).ok_or(Reason::MalformedTransport)?;
        let header_octets = (start[0] >> 4) as usize * 4;
        if header_octets < TCP_HEADER_OCTETS_MIN {
            return Err(Reason::MalformedTransport);
        }
        if offset + header_octets > end {
            return cut(packet);
        }
        packet.control_payload = start[1] & (TCP_SYN | TCP_RST) != 0 && offset + header_octets < end;
        packet.opens = start[1] & (TCP_SYN | TCP_RST | TCP_ACK) == TCP_SYN;
    }
    Ok(())
}

/// A header that the packet does not hold: of a first fragment, a trick (RFC 1858, section 3); of any other packet, a
/// fault.
#[inline(always)]
fn cut(packet: &mut Packet) -> Result<(), Reason> {
    if !packet.more_fragments {
        return Err(Reason::MalformedTransport);
    }
    packet.source_port = 0;
    packet.destination_port = 0;
    packet.tiny_fragment = true;
    Ok(())
}
