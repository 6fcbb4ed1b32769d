//! IP packets of subscribers, built octet by octet. Checksums of TCP, UDP and ICMP are zero: nobody receives them.

use std::net::IpAddr;

use crate::packet::{TCP, UDP};

/// Hops that are left.
const HOP_LIMIT: u8 = 64;
/// RFC 8200, section 4.5: a fragment header follows.
const FRAGMENT_HEADER: u8 = 44;
/// RFC 791, section 3.1, and RFC 8200, section 4.5: fragments are counted in eight octets.
const FRAGMENT_UNIT: usize = 8;

/// ICMP (RFC 792) and ICMPv6 (RFC 4443).
pub(super) const ICMP: [u8; 2] = [1, 58];
/// Destination unreachable: RFC 792 and RFC 4443, section 3.1.
const UNREACHABLE: [u8; 2] = [3, 1];
/// Echo request: RFC 792 and RFC 4443, section 4.1.
const ECHO_REQUEST: [u8; 2] = [8, 128];

/// TCP's flags (RFC 9293, section 3.1).
pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;

/// Who sends to whom; both of one IP version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
}

impl Ends {
    /// The way back.
    pub(super) const fn reversed(self) -> Self {
        Self { source: self.destination, destination: self.source }
    }

    /// The number that differs between the IP versions, of IPv4's and IPv6's.
    pub(super) const fn of_version(self, numbers: [u8; 2]) -> u8 {
        if self.source.is_ipv4() { numbers[0] } else { numbers[1] }
    }
}

/// Which part of a datagram a packet is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    /// What its fragments have in common.
    pub(super) identification: u16,
    /// Where it belongs, in units of eight octets.
    offset: u16,
    /// Whether there is more behind it.
    more: bool,
}

impl Part {
    const fn is_whole(self) -> bool {
        self.offset == 0 && !self.more
    }
}

/// A packet of `protocol`.
pub(super) fn packet(ends: Ends, protocol: u8, part: Part, payload: &[u8]) -> Vec<u8> {
    match (ends.source, ends.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let octets = length(20 + payload.len());
            let field = part.offset | if part.more { 0x2000 } else { 0 };
            let mut packet = Vec::with_capacity(20 + payload.len());
            packet.extend([0x45, 0]);
            packet.extend([octets, part.identification, field].map(u16::to_be_bytes).concat());
            packet.extend([HOP_LIMIT, protocol, 0, 0]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
            packet.extend(payload);
            packet
        }
        (source, destination) => {
            let header = if part.is_whole() { 0 } else { 8 };
            let next = if part.is_whole() { protocol } else { FRAGMENT_HEADER };
            let mut packet = Vec::with_capacity(40 + header + payload.len());
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(length(header + payload.len()).to_be_bytes());
            packet.extend([next, HOP_LIMIT]);
            packet.extend(v6_octets(source));
            packet.extend(v6_octets(destination));
            if !part.is_whole() {
                packet.extend([protocol, 0]);
                packet.extend((part.offset * 8 | u16::from(part.more)).to_be_bytes());
                packet.extend(u32::from(part.identification).to_be_bytes());
            }
            packet.extend(payload);
            packet
        }
    }
}

/// Writes a code point (RFC 2474) into a packet's header.
pub(super) fn set_dscp(packet: &mut [u8], dscp: u8) {
    match packet {
        [0x45, traffic_class, ..] => *traffic_class = dscp << 2,
        [first, second, ..] => {
            *first = 0x60 | dscp >> 2;
            *second = dscp << 6;
        }
        _ => {}
    }
}

fn v6_octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Nothing here is built longer than a frame.
fn length(octets: usize) -> u16 {
    u16::try_from(octets).unwrap_or(u16::MAX)
}

/// A UDP header and `payload` zeros (RFC 768).
pub(super) fn datagram(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let octets = length(8 + payload.len());
    let mut datagram = [ports[0], ports[1], octets, 0].map(u16::to_be_bytes).concat();
    datagram.extend(payload);
    datagram
}

/// A UDP packet.
pub(super) fn udp(ends: Ends, ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    packet(ends, UDP, Part::default(), &datagram(ports, payload))
}

/// A UDP packet in fragments of at most `octets` of payload, which are cut down to a multiple of eight.
pub(super) fn udp_fragments(
    ends: Ends,
    ports: [u16; 2],
    payload: &[u8],
    identification: u16,
    octets: usize,
) -> Vec<Vec<u8>> {
    let datagram = datagram(ports, payload);
    let size = (octets / FRAGMENT_UNIT).max(1) * FRAGMENT_UNIT;
    let parts = datagram.chunks(size).enumerate().map(|(number, piece)| {
        let offset = length(number * size / FRAGMENT_UNIT);
        let more = (number + 1) * size < datagram.len();
        packet(ends, UDP, Part { identification, offset, more }, piece)
    });
    parts.collect()
}

/// A TCP packet without options.
pub(super) fn tcp(ends: Ends, ports: [u16; 2], sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = ports.map(u16::to_be_bytes).concat();
    segment.extend(sequence.to_be_bytes());
    // Acknowledges something; header of five words; a window.
    segment.extend([0, 0, 0, 1, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    packet(ends, TCP, Part::default(), &segment)
}

/// An echo request.
pub(super) fn echo(ends: Ends, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![ends.of_version(ECHO_REQUEST), 0, 0, 0, 0, 1, 0, 1];
    message.extend(payload);
    packet(ends, ends.of_version(ICMP), Part::default(), &message)
}

/// An ICMP error from `ends.source` that quotes the beginning of `about` (RFC 792; RFC 4443, section 3.1).
pub(super) fn unreachable(ends: Ends, about: &[u8]) -> Vec<u8> {
    const QUOTED_OCTETS: usize = 64;
    let mut message = vec![ends.of_version(UNREACHABLE), 3, 0, 0, 0, 0, 0, 0];
    message.extend(&about[..about.len().min(QUOTED_OCTETS)]);
    packet(ends, ends.of_version(ICMP), Part::default(), &message)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;

    fn ends(source: &str, destination: &str) -> Ends {
        Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    /// RFC 791, section 3.1, and RFC 8200, section 3: what the length fields cover.
    #[test]
    fn length_fields_are_those_of_the_standards() {
        let v4 = udp(ends("10.20.0.1", "203.0.113.1"), [7, 9], &[0; 100]);
        assert_eq!((v4.len(), &v4[2..4]), (128, &128_u16.to_be_bytes()[..]));
        let v6 = tcp(ends("2001:db8::1", "2001:db8::2"), [7, 9], 1, SYN, &[]);
        assert_eq!((v6.len(), &v6[4..6]), (60, &20_u16.to_be_bytes()[..]));
    }

    /// RFC 2474, section 3: the upper six bits of the second octet, or those behind IPv6's version.
    #[test]
    fn code_points_are_where_they_belong() {
        let mut v4 = udp(ends("10.20.0.1", "203.0.113.1"), [7, 9], &[]);
        set_dscp(&mut v4, 10);
        assert_eq!(v4[..2], [0x45, 40]);
        let mut v6 = udp(ends("2001:db8::1", "2001:db8::2"), [7, 9], &[]);
        set_dscp(&mut v6, 10);
        assert_eq!(v6[..4], [0x62, 0x80, 0, 0]);
    }

    /// RFC 791, section 3.2: all but the last have "more fragments", offsets count eight octets.
    #[test]
    fn fragments_are_put_where_they_belong() {
        let v4 = udp_fragments(ends("10.20.0.1", "203.0.113.1"), [7, 9], &[0; 100], 5, 50);
        let fields: Vec<u16> = v4.iter().map(|p| u16::from_be_bytes([p[6], p[7]])).collect();
        assert_eq!(fields, [0x2000, 0x2006, 12], "48 octets a fragment, six units");
        assert_eq!(v4.iter().map(|p| p.len() - 20).sum::<usize>(), 108);
        let v6 = udp_fragments(ends("2001:db8::1", "2001:db8::2"), [7, 9], &[0; 100], 5, 50);
        // RFC 8200, section 4.5: the offset is the upper 13 bits, M the lowest.
        let fields: Vec<u16> = v6.iter().map(|p| u16::from_be_bytes([p[42], p[43]])).collect();
        assert_eq!(fields, [1, 48 | 1, 96]);
        assert_eq!(v6[0][6], FRAGMENT_HEADER);
    }
}
