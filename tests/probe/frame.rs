//! Frames, header by header (RFC 791, RFC 8200, RFC 9293, RFC 768).

use std::net::{IpAddr, SocketAddr};

pub(crate) const ETHERNET_OCTETS: usize = 14;
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const ARP: u16 = 0x0806;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;

/// An Ethernet frame, with `payload` of type `ether_type` behind VLAN tags of these types.
pub(crate) fn ethernet(tags: &[u16], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for (tag, id) in tags.iter().zip(100_u16..) {
        frame.extend(tag.to_be_bytes());
        frame.extend(id.to_be_bytes());
    }
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What differs between IP headers.
pub(crate) struct Ip {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) dscp: u8,
    /// Flags, and an offset in units of eight octets; IPv4 only.
    pub(crate) fragment: u16,
}

/// An IP packet, and the type that an Ethernet frame gives it.
pub(crate) fn ip(ip: &Ip, payload: &[u8]) -> (u16, Vec<u8>) {
    match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let [length, fragment] = [short(20 + payload.len()), ip.fragment].map(u16::to_be_bytes);
            let mut header = vec![0x45, ip.dscp << 2];
            header.extend([length, [0, 1], fragment, [64, ip.protocol], [0, 0]].concat());
            header.extend([source.octets(), destination.octets()].concat());
            let checksum = !sum(&header);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            (IPV4, [&header, payload].concat())
        }
        (source, destination) => {
            let traffic_class = u16::from(ip.dscp) << 2;
            let mut header = (0x6000 | traffic_class << 4).to_be_bytes().to_vec();
            header.extend([[0, 0], short(payload.len()).to_be_bytes(), [ip.protocol, 64]].concat());
            header.extend([v6(source), v6(destination)].concat());
            (IPV6, [&header, payload].concat())
        }
    }
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Lengths here are far below 64 Ki.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// The one's complement sum of all 16-bit words: all ones over a header whose checksum is right.
pub(crate) fn sum(header: &[u8]) -> u16 {
    header.chunks_exact(2).fold(0, |sum, word| {
        let (sum, carry) = u16::from_be_bytes([word[0], word[1]]).overflowing_add(sum);
        sum + u16::from(carry)
    })
}

/// Between two sockets, with a protocol's header and content behind it.
fn between(from: SocketAddr, to: SocketAddr, protocol: u8, dscp: u8, payload: &[u8]) -> Vec<u8> {
    let header = Ip { source: from.ip(), destination: to.ip(), protocol, dscp, fragment: 0 };
    let (ether_type, packet) = ip(&header, payload);
    ethernet(&[], ether_type, &packet)
}

/// A TCP segment with `flags` and so many octets of payload.
pub(crate) fn tcp(from: SocketAddr, to: SocketAddr, flags: u8, payload_octets: usize) -> Vec<u8> {
    between(from, to, TCP, 0, &segment(from.port(), to.port(), flags, payload_octets))
}

pub(crate) fn segment(from: u16, to: u16, flags: u8, payload_octets: usize) -> Vec<u8> {
    let mut segment = [from.to_be_bytes(), to.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.resize(segment.len() + payload_octets, 0xaa);
    segment
}

/// A UDP datagram with so many octets of payload.
pub(crate) fn udp(from: SocketAddr, to: SocketAddr, dscp: u8, payload_octets: usize) -> Vec<u8> {
    between(from, to, UDP, dscp, &datagram(from.port(), to.port(), payload_octets))
}

fn datagram(from: u16, to: u16, payload_octets: usize) -> Vec<u8> {
    let length = short(8 + payload_octets);
    let mut datagram = [from, to, length, 0].map(u16::to_be_bytes).concat();
    datagram.resize(usize::from(length), 0xbb);
    datagram
}

/// A UDP datagram behind hop-by-hop and destination options of eight octets each (RFC 8200, section 4).
pub(crate) fn udp_behind_options(from: SocketAddr, to: SocketAddr, payload_octets: usize) -> Vec<u8> {
    const HOP_BY_HOP: u8 = 0;
    const DESTINATION: u8 = 60;
    let padding = [1, 4, 0, 0, 0, 0];
    let options = [&[DESTINATION, 0][..], &padding, &[UDP, 0], &padding].concat();
    let payload = [options, datagram(from.port(), to.port(), payload_octets)].concat();
    between(from, to, HOP_BY_HOP, 0, &payload)
}

/// An echo request without content.
pub(crate) fn echo_request(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    between(from, to, ICMP, 0, &[8, 0, 0xf7, 0xfe, 0, 1, 0, 0])
}

/// A UDP datagram's first fragment, with so many octets of payload.
pub(crate) fn first_fragment(from: SocketAddr, to: SocketAddr, payload_octets: usize) -> Vec<u8> {
    const MORE_FRAGMENTS: u16 = 0x2000;
    fragment(from, to, MORE_FRAGMENTS, &datagram(from.port(), to.port(), payload_octets))
}

/// Its last fragment, `octets` long, behind 80 octets.
pub(crate) fn last_fragment(from: SocketAddr, to: SocketAddr, octets: usize) -> Vec<u8> {
    fragment(from, to, 10, &vec![0xcc; octets])
}

fn fragment(from: SocketAddr, to: SocketAddr, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let header = Ip { source: from.ip(), destination: to.ip(), protocol: UDP, dscp: 0, fragment };
    let (ether_type, packet) = ip(&header, payload);
    ethernet(&[], ether_type, &packet)
}

/// `packet`, which is IPv4, in a `PPPoE` session (RFC 2516, section 4; RFC 1661, section 2). It begins at octet 22.
pub(crate) fn pppoe(packet: &[u8]) -> Vec<u8> {
    const SESSION: u16 = 0x8864;
    let length = short(2 + packet.len()).to_be_bytes();
    ethernet(&[], SESSION, &[&[0x11, 0, 0, 7], &length[..], &[0, 0x21], packet].concat())
}

/// `packet` behind two labels (RFC 3032, section 2.1). It begins at octet 22.
pub(crate) fn mpls(packet: &[u8]) -> Vec<u8> {
    const UNICAST: u16 = 0x8847;
    ethernet(&[], UNICAST, &[&[0, 1, 0, 64], &[0, 2, 1, 64][..], packet].concat())
}

/// `packet` in GTP-U of `version`, with a PDU Session Container (TS 29.281, clauses 5.1 and 5.2; TS 38.415, clause 5.5.2).
/// It begins at octet 58.
pub(crate) fn gtpu(from: SocketAddr, to: SocketAddr, version: u8, packet: &[u8]) -> Vec<u8> {
    const T_PDU: u8 = 255;
    /// Protocol type GTP, and an extension header follows.
    const FLAGS: u8 = 0x14;
    const CONTAINER: u8 = 0x85;
    let optional = [0, 0, 0, CONTAINER];
    let container = [1, 0x10, 9, 0];
    let length = short(optional.len() + container.len() + packet.len()).to_be_bytes();
    let header = [&[version << 5 | FLAGS, T_PDU], &length[..], &[0, 0, 0, 42]].concat();
    let payload = [&header, &optional[..], &container, packet].concat();
    let length = short(8 + payload.len());
    // No checksum: IPv4 does not ask for one.
    let udp = [from.port(), to.port(), length, 0].map(u16::to_be_bytes).concat();
    between(from, to, UDP, 0, &[udp, payload].concat())
}
