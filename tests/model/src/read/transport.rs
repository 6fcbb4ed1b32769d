//! Transport headers.

use std::net::IpAddr;

use tollfree_core::reason::Reason;

use super::datagram::Datagram;
use super::packet::Segment;
use super::view::{View, u8_at, u16_at};

/// What the transport header says; `Ok(None)`: a protocol without ports.
///
/// # Errors
/// [`Reason::FragmentTiny`]: it is not all in this first fragment. [`Reason::MalformedTransport`]: it is not all there,
/// or wrong.
pub(super) fn read(datagram: &Datagram<'_>) -> Result<Option<Segment>, Reason> {
    let view = datagram.payload;
    let least = match (datagram.protocol, datagram.source) {
        (6, _) => 20,
        (17, _) | (1, IpAddr::V4(_)) | (58, IpAddr::V6(_)) => 8,
        _ => 0,
    };
    if datagram.is_first_fragment() && view.octets() < least {
        return Err(Reason::FragmentTiny);
    }
    let segment = match (datagram.protocol, datagram.source) {
        (6, _) => tcp(view).map(Some),
        (17, _) => udp(view).map(Some),
        // RFC 792: type, code, checksum and four more octets in every message; RFC 4443 defines none without either.
        (1, IpAddr::V4(_)) | (58, IpAddr::V6(_)) => view.header(8).map(|_| None),
        _ => Some(None),
    };
    segment.ok_or(Reason::MalformedTransport)
}

/// RFC 9293, section 3.1.
fn tcp(view: View<'_>) -> Option<Segment> {
    let fixed = view.header(20)?;
    let header_octets = usize::from(u8_at(fixed, 12) >> 4) * 4;
    if header_octets < 20 || header_octets > view.octets() {
        return None;
    }
    let flags = u8_at(fixed, 13);
    Some(Segment {
        source_port: u16_at(fixed, 0),
        destination_port: u16_at(fixed, 2),
        syn: flags & 0x02 != 0,
        ack: flags & 0x10 != 0,
        rst: flags & 0x04 != 0,
        payload: view.octets() - header_octets,
    })
}

/// RFC 768: eight octets, of which the first four are the ports and the others are not read.
pub(super) fn udp_ports(view: View<'_>) -> Option<&[u8]> {
    view.past(8).and_then(|_| view.header(4))
}

fn udp(view: View<'_>) -> Option<Segment> {
    let ports = udp_ports(view)?;
    Some(Segment {
        source_port: u16_at(ports, 0),
        destination_port: u16_at(ports, 2),
        syn: false,
        ack: false,
        rst: false,
        payload: view.octets() - 8,
    })
}
