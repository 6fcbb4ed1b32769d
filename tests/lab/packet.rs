//! Reading captured frames: just enough, and written apart from Tollfree's own parser.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::{Family, is_tunnel_end};
use crate::encapsulation::GTPU_PORT;

/// IP protocol numbers (IANA).
pub const TCP: u8 = 6;
/// IP protocol number of UDP.
pub const UDP: u8 = 17;

/// IP protocol number of the IPv6 fragment header.
const IPV6_FRAGMENT: u8 = 44;

const ETHERNET_OCTETS: usize = 14;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Customer's and service provider's tag (IEEE 802.1Q, clause 9.6).
const ETHERTYPES_TAG: [u16; 2] = [0x8100, 0x88a8];
const ETHERTYPE_PPPOE_SESSION: u16 = 0x8864;
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const IPV4_OCTETS: usize = 20;
const IPV6_OCTETS: usize = 40;
const UDP_OCTETS: usize = 8;
/// TS 29.281, clause 5.1: a T-PDU's header without options, in octets.
const GTPU_OCTETS: usize = 8;
/// More than the carrier's transport has in front of a packet: keeps the reader from going round for ever.
const GTPU_EXTENSIONS_MAX: usize = 4;

/// What stands in front of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carriage {
    /// VLAN tags.
    pub tags: usize,
    /// Whether it is in a `PPPoE` session.
    pub pppoe: bool,
    /// The IP version that GTP-U goes over between the carrier's tunnel ends, and its extension headers.
    pub gtpu: Option<(Family, usize)>,
}

/// An IPv4 or IPv6 packet's header fields: of the innermost packet that the carrier's own transport holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub source: IpAddr,
    /// For whom it is.
    pub destination: IpAddr,
    /// IPv4 protocol, or IPv6 next header behind a fragment header.
    pub protocol: u8,
    /// Source and destination port; zero unless TCP or UDP, and in all fragments but the first.
    pub ports: [u16; 2],
    /// IPv4 total length, or IPv6 payload length and header, in octets.
    pub volume: u16,
    /// Differentiated services code point (RFC 2474).
    pub dscp: u8,
    /// That of the outermost IP header: the same, if there is only one.
    pub outer_dscp: u8,
    /// Whether it is a fragment.
    pub is_fragment: bool,
    /// Whether it is a fragment, but not the first.
    pub is_later_fragment: bool,
    /// Of a TCP segment that is no fragment: where it stands in its stream.
    pub segment: Option<Segment>,
    /// What stands in front of it.
    pub carriage: Carriage,
}

/// Where a TCP segment stands in its stream (RFC 9293, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its sequence number.
    pub sequence: u32,
    /// Octets of its payload.
    pub payload: u16,
}

impl Packet {
    /// The packet in an Ethernet frame; `None` if it is not IP, or cut within the headers.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let mut carriage = Carriage::default();
        let mut ethertype = short(frame, ETHERNET_OCTETS - 2)?;
        let mut rest = frame.get(ETHERNET_OCTETS..)?;
        while ETHERTYPES_TAG.contains(&ethertype) {
            carriage.tags += 1;
            ethertype = short(rest, 2)?;
            rest = rest.get(4..)?;
        }
        if ethertype == ETHERTYPE_PPPOE_SESSION {
            carriage.pppoe = true;
            ethertype = match short(rest, 6)? {
                PPP_IPV4 => ETHERTYPE_IPV4,
                PPP_IPV6 => ETHERTYPE_IPV6,
                _ => return None,
            };
            rest = rest.get(8..)?;
        }
        let outer = match ethertype {
            ETHERTYPE_IPV4 => Self::read_ipv4(rest),
            ETHERTYPE_IPV6 => Self::read_ipv6(rest),
            _ => None,
        };
        let (outer, payload) = outer?;
        let Some((extensions, inner)) = outer.tunnelled(payload) else {
            return Some(Self { carriage, ..outer });
        };
        carriage.gtpu = Some((Family::of(&outer.source), extensions));
        let inner = match inner.first()? >> 4 {
            4 => Self::read_ipv4(inner),
            6 => Self::read_ipv6(inner),
            _ => None,
        };
        inner.map(|(packet, _)| Self { carriage, outer_dscp: outer.dscp, ..packet })
    }

    /// RFC 791, section 3.1; with what is behind the header.
    fn read_ipv4(ip: &[u8]) -> Option<(Self, &[u8])> {
        let payload = ip.get(usize::from(ip.first()? & 0x0f) * 4..).filter(|_| ip.len() >= IPV4_OCTETS)?;
        let (more, offset) = (ip[6] & 0x20 != 0, short(ip, 6)? & 0x1fff);
        let packet = Self {
            source: Ipv4Addr::from(octets::<4>(ip, 12)?).into(),
            destination: Ipv4Addr::from(octets::<4>(ip, 16)?).into(),
            protocol: ip[9],
            ports: [0; 2],
            volume: short(ip, 2)?,
            dscp: ip[1] >> 2,
            outer_dscp: ip[1] >> 2,
            is_fragment: more || offset > 0,
            is_later_fragment: offset > 0,
            segment: None,
            carriage: Carriage::default(),
        };
        packet.with_ports(payload, u16::try_from(ip.len() - payload.len()).ok()?)
    }

    /// RFC 8200, section 3; the lab's packets have no extension headers but the fragment header (section 4.5).
    fn read_ipv6(ip: &[u8]) -> Option<(Self, &[u8])> {
        let dscp = u8::try_from(short(ip, 0)? >> 6 & 0x3f).ok()?;
        let mut payload = ip.get(IPV6_OCTETS..)?;
        let mut packet = Self {
            source: Ipv6Addr::from(octets::<16>(ip, 8)?).into(),
            destination: Ipv6Addr::from(octets::<16>(ip, 24)?).into(),
            protocol: ip[6],
            ports: [0; 2],
            volume: short(ip, 4)?.checked_add(u16::try_from(IPV6_OCTETS).ok()?)?,
            dscp,
            outer_dscp: dscp,
            is_fragment: false,
            is_later_fragment: false,
            segment: None,
            carriage: Carriage::default(),
        };
        if packet.protocol == IPV6_FRAGMENT {
            packet.protocol = *payload.first()?;
            packet.is_fragment = true;
            packet.is_later_fragment = short(payload, 2)? >> 3 > 0;
            payload = payload.get(8..)?;
        }
        packet.with_ports(payload, u16::try_from(ip.len() - payload.len()).ok()?)
    }

    /// What the transport header says, in front of which are `header` octets of IP.
    fn with_ports(self, payload: &[u8], header: u16) -> Option<(Self, &[u8])> {
        let ports = if self.has_ports() && !self.is_later_fragment {
            [short(payload, 0)?, short(payload, 2)?]
        } else {
            [0; 2]
        };
        let is_segment = self.protocol == TCP && !self.is_fragment;
        let segment = is_segment.then(|| Segment::read(payload, self.volume.checked_sub(header)?)).flatten();
        Some((Self { ports, segment, ..self }, payload))
    }

    /// Of a T-PDU between the carrier's tunnel ends: how many header extensions it has, and the packet in it.
    fn tunnelled<'a>(&self, payload: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let is_carriers = is_tunnel_end(&self.source) && is_tunnel_end(&self.destination);
        if !is_carriers || self.protocol != UDP || self.ports[1] != GTPU_PORT {
            return None;
        }
        let message = payload.get(UDP_OCTETS..)?;
        // Version 1, protocol type GTP; the other flags say that four optional octets follow.
        let (flags, kind) = (*message.first()?, *message.get(1)?);
        if flags & 0xf0 != 0x30 || kind != 255 {
            return None;
        }
        let mut at = GTPU_OCTETS;
        let mut next = 0;
        if flags & 0x07 != 0 {
            at += 4;
            next = *message.get(at - 1)?;
        }
        let mut extensions = 0;
        while next != 0 && extensions < GTPU_EXTENSIONS_MAX {
            at += usize::from(*message.get(at)?) * 4;
            next = *message.get(at.checked_sub(1)?)?;
            extensions += 1;
        }
        Some((extensions, message.get(at..)?))
    }

    /// Whether one side is `address`.
    pub fn touches(&self, address: &IpAddr) -> bool {
        self.source == *address || self.destination == *address
    }

    /// Whether it has ports.
    pub const fn has_ports(&self) -> bool {
        matches!(self.protocol, TCP | UDP)
    }
}

impl Segment {
    /// Of a TCP header, with `octets` from there to the packet's end; `None` if it is cut or claims more.
    fn read(header: &[u8], octets: u16) -> Option<Self> {
        let offset = u16::from(*header.get(12)? >> 4) * 4;
        Some(Self {
            sequence: self::octets(header, 4).map(u32::from_be_bytes)?,
            payload: octets.checked_sub(offset)?,
        })
    }
}

/// The source address of an Ethernet frame (IEEE 802.3, clause 3.2.3); `None` if it is cut.
pub fn source_mac(frame: &[u8]) -> Option<[u8; 6]> {
    octets(frame, 6)
}

fn octets<const N: usize>(octets: &[u8], offset: usize) -> Option<[u8; N]> {
    octets.get(offset..)?.first_chunk().copied()
}

fn short(from: &[u8], offset: usize) -> Option<u16> {
    octets(from, offset).map(u16::from_be_bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example header of RFC 791's fields, put together by hand: options, DSCP 46, UDP 5060 to 6000.
    #[test]
    fn ipv4_with_options_is_read() {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00]);
        frame.extend([0x46, 46 << 2, 0x01, 0x02, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 10, 20, 0, 11]);
        frame.extend([1, 1, 1, 0]);
        frame.extend([0x13, 0xc4, 0x17, 0x70]);
        let packet = Packet::read(&frame).unwrap();
        assert_eq!((packet.volume, packet.dscp, packet.ports), (0x0102, 46, [5060, 6000]));
        assert_eq!(
            (packet.source.to_string(), packet.destination.to_string()),
            ("192.0.2.1".into(), "10.20.0.11".into())
        );
    }

    #[test]
    fn ipv6_length_includes_its_header() {
        let mut frame = vec![0; 12];
        frame.extend([0x86, 0xdd]);
        frame.extend([0x62, 0x80, 0, 0, 0x00, 0x14, 6, 64]);
        frame.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        frame.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        frame.extend([0x01, 0xbb, 0x80, 0x00]);
        let packet = Packet::read(&frame).unwrap();
        assert_eq!((packet.volume, packet.dscp, packet.ports), (60, 10, [443, 32768]));
        assert_eq!(packet.source.to_string(), "2001:db8::1");
    }

    /// IPv4 header (RFC 791) of `octets` in all, with this fragment field.
    fn ipv4(source: &str, destination: &str, protocol: u8, fragment: u16, octets: u16) -> Vec<u8> {
        let mut ip = vec![0x45, 0];
        ip.extend(octets.to_be_bytes());
        ip.extend([0x12, 0x34]);
        ip.extend(fragment.to_be_bytes());
        ip.extend([64, protocol, 0, 0]);
        for address in [source, destination] {
            ip.extend(address.parse::<Ipv4Addr>().unwrap().octets());
        }
        ip
    }

    /// IPv6 header (RFC 8200) of a packet with this payload length.
    fn ipv6(source: &str, destination: &str, next_header: u8, payload_octets: u16) -> Vec<u8> {
        let mut ip = vec![0x60, 0, 0, 0];
        ip.extend(payload_octets.to_be_bytes());
        ip.extend([next_header, 64]);
        for address in [source, destination] {
            ip.extend(address.parse::<Ipv6Addr>().unwrap().octets());
        }
        ip
    }

    /// Source and destination port, as TCP and UDP begin (RFC 9293, RFC 768), with UDP's other fields zero.
    fn udp(source: u16, destination: u16) -> Vec<u8> {
        [source, destination, 0, 0].map(u16::to_be_bytes).concat()
    }

    fn inner() -> Vec<u8> {
        [ipv4("10.20.0.11", "203.0.113.10", UDP, 0, 777), udp(40_000, 443)].concat()
    }

    /// The packet of [`inner`], with this in front of it.
    fn assert_inner(frame: &[u8], carriage: Carriage) {
        let packet = Packet::read(frame).unwrap();
        assert_eq!((packet.volume, packet.ports, packet.protocol), (777, [40_000, 443], UDP));
        assert_eq!(packet.source.to_string(), "10.20.0.11");
        assert_eq!(packet.carriage, carriage);
    }

    /// IEEE 802.1Q, figure 9-1 and RFC 2516, section 4: 11, code 0, session, length, then PPP's protocol 0021.
    #[test]
    fn tags_and_a_session_are_stepped_over() {
        let macs = [0; 12];
        let tags = [0x88, 0xa8, 0x60, 0x64, 0x81, 0x00, 0x03, 0xef];
        let session = [0x88, 0x64, 0x11, 0, 0x2a, 0x01, 0x03, 0x0b, 0x00, 0x21];
        let qinq = [&macs[..], &tags, &[0x08, 0x00], &inner()].concat();
        assert_inner(&qinq, Carriage { tags: 2, ..Carriage::default() });
        let pppoe = [&macs[..], &session, &inner()].concat();
        assert_inner(&pppoe, Carriage { pppoe: true, ..Carriage::default() });
        let both = [&macs[..], &tags, &session, &inner()].concat();
        assert_inner(&both, Carriage { tags: 2, pppoe: true, gtpu: None });
    }

    /// TS 29.281, figure 5.1-1: 30, type 255, length, TEID; with E set, sequence and N-PDU number, then the type of the
    /// first extension header: 85, of one times four octets.
    #[test]
    fn gtpu_between_tunnel_ends_is_looked_into() {
        let plain = [0x30, 255, 0x03, 0x09, 0, 0, 0, 1];
        let session = [0x34, 255, 0x03, 0x11, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0x10, 9, 0];
        let outer = [ipv4("192.0.2.100", "192.0.2.101", UDP, 0, 813), udp(2152, 2152)].concat();
        let frame = |outer: &[u8], gtpu: &[u8]| [&[0; 12][..], &[0x08, 0x00], outer, gtpu, &inner()].concat();
        let carriage = |extensions| Carriage { gtpu: Some((Family::V4, extensions)), ..Carriage::default() };
        assert_inner(&frame(&outer, &plain), carriage(0));
        assert_inner(&frame(&outer, &session), carriage(1));
        // The first fragment of a packet between the tunnel ends holds all headers.
        let first = [ipv4("192.0.2.100", "192.0.2.101", UDP, 0x2000, 800), udp(2152, 2152)].concat();
        assert_inner(&frame(&first, &plain), carriage(0));
        // AF11 outside (RFC 2597), nothing inside.
        let tagged = [&[0x45, 10 << 2], &outer[2..]].concat();
        let packet = Packet::read(&frame(&tagged, &plain)).unwrap();
        assert_eq!((packet.dscp, packet.outer_dscp), (0, 10));
        // From a subscriber, it is what it is outside, whatever is inside.
        let own = [ipv4("10.20.0.13", "192.0.2.101", UDP, 0, 813), udp(2152, 2152)].concat();
        let packet = Packet::read(&frame(&own, &plain)).unwrap();
        assert_eq!((packet.volume, packet.ports), (813, [2152, 2152]));
        assert_eq!(packet.carriage, Carriage::default());
    }

    #[test]
    fn gtpu_over_ipv6_is_looked_into() {
        let outer = [ipv6("2001:db8:e::100", "2001:db8:e::101", UDP, 793), udp(2152, 2152)].concat();
        let frame =
            [&[0; 12][..], &[0x86, 0xdd], &outer, &[0x30, 255, 0x03, 0x09, 0, 0, 0, 1], &inner()].concat();
        assert_inner(&frame, Carriage { gtpu: Some((Family::V6, 0)), ..Carriage::default() });
    }

    #[test]
    fn later_fragments_have_no_ports() {
        // RFC 791: offset 185 times eight octets, the last fragment.
        let ip = [ipv4("192.0.2.100", "192.0.2.101", UDP, 185, 56), udp(2152, 2152)].concat();
        let packet = Packet::read(&[&[0; 12][..], &[0x08, 0x00], &ip].concat()).unwrap();
        assert_eq!((packet.ports, packet.is_later_fragment, packet.volume), ([0; 2], true, 56));
        // RFC 8200, section 4.5: next header, reserved, offset and flags, identification.
        for (offset_and_more, later, ports) in [(1_u16, false, [7, 9]), (181 << 3, true, [0; 2])] {
            let fragment = [&[UDP, 0][..], &offset_and_more.to_be_bytes(), &[0, 0, 0, 1]].concat();
            let ip = [ipv6("2001:db8::1", "2001:db8::2", IPV6_FRAGMENT, 16), fragment, udp(7, 9)].concat();
            let packet = Packet::read(&[&[0; 12][..], &[0x86, 0xdd], &ip].concat()).unwrap();
            assert_eq!((packet.protocol, packet.is_fragment, packet.volume), (UDP, true, 56));
            assert_eq!((packet.is_later_fragment, packet.ports), (later, ports));
        }
    }

    proptest! {
        #[test]
        fn any_gtpu_is_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..128)) {
            let outer = [ipv4("192.0.2.100", "192.0.2.101", UDP, 0, 813), udp(2152, 2152)].concat();
            let _ = Packet::read(&[&[0; 12][..], &[0x08, 0x00], &outer, &octets].concat());
        }

        #[test]
        fn any_octets_are_read_or_refused(frame in prop::collection::vec(any::<u8>(), 0..128)) {
            let _ = Packet::read(&frame);
        }

        #[test]
        fn any_ipv4_octets_are_read_or_refused(ip in prop::collection::vec(any::<u8>(), 0..80)) {
            let frame = [&[0; 12][..], &[0x08, 0x00], &ip].concat();
            let _ = Packet::read(&frame);
        }
    }
}
