//! Transport headers.

use tollfree_core::reason::Reason;

use super::datagram::Datagram;
use super::packet::Segment;
use super::view::{View, u8_at, u16_at, u32_at};

/// What the transport header says; `Ok(None)`: a protocol without ports.
///
/// # Errors
/// [`Reason::FragmentTiny`]: it is not all in this first fragment. [`Reason::MalformedTransport`]: it is not all there,
/// or wrong.
pub(super) fn read(datagram: &Datagram<'_>) -> Result<Option<Segment>, Reason> {
    let view = datagram.payload;
    let cut = if datagram.is_first_fragment() { Reason::FragmentTiny } else { Reason::MalformedTransport };
    match datagram.protocol {
        6 => tcp(view, cut).map(Some),
        17 => udp(view).map(Some).ok_or(cut),
        // RFC 792: type, code, checksum and four more octets in every message; RFC 4443 has none without either.
        1 | 58 => view.first(8).map(|_| None).ok_or(cut),
        _ => Ok(None),
    }
}

/// RFC 9293, section 3.1: of the twenty octets, those behind the flags are not read.
fn tcp(view: View<'_>, cut: Reason) -> Result<Segment, Reason> {
    view.first(20).ok_or(cut)?;
    let ports = view.packet_octets_at(0, 4).ok_or(cut)?;
    let rest = view.packet_octets_at(4, 10).ok_or(cut)?;
    let header_octets = usize::from(u8_at(rest, 8) >> 4) * 4;
    if header_octets < 20 {
        return Err(Reason::MalformedTransport);
    }
    let payload = view.octets().checked_sub(header_octets).ok_or(cut)?;
    let flags = u8_at(rest, 9);
    Ok(Segment {
        source_port: u16_at(ports, 0),
        destination_port: u16_at(ports, 2),
        syn: flags & 0x02 != 0,
        ack: flags & 0x10 != 0,
        rst: flags & 0x04 != 0,
        fin: flags & 0x01 != 0,
        sequence: u32_at(rest, 0),
        payload,
        is_rtp: false,
    })
}

/// RFC 768: eight octets, of which the first four are the ports and the others are not read.
pub(super) fn udp_ports(view: View<'_>) -> Option<&[u8]> {
    view.first(8).and_then(|_| view.packet_octets_at(0, 4))
}

fn udp(view: View<'_>) -> Option<Segment> {
    let ports = udp_ports(view)?;
    let payload = view.octets() - 8;
    let first = view.packet_octets_at(8, 1).map(|octets| u8_at(octets, 0));
    Some(Segment {
        source_port: u16_at(ports, 0),
        destination_port: u16_at(ports, 2),
        syn: false,
        ack: false,
        rst: false,
        fin: false,
        sequence: 0,
        payload,
        is_rtp: payload >= 8 && first.is_some_and(|first| (0x80..0xc0).contains(&first)),
    })
}
