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
    /// In units of eight octets; IPv4 only.
    pub(crate) fragment_offset: u16,
}

/// An IP packet, and the type that an Ethernet frame gives it.
pub(crate) fn ip(ip: &Ip, payload: &[u8]) -> (u16, Vec<u8>) {
    match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let [length, fragment] = [short(20 + payload.len()), ip.fragment_offset].map(u16::to_be_bytes);
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
    let header = Ip { source: from.ip(), destination: to.ip(), protocol, dscp, fragment_offset: 0 };
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

/// A UDP datagram's second fragment.
pub(crate) fn later_fragment(from: SocketAddr, to: SocketAddr, payload_octets: usize) -> Vec<u8> {
    let header = Ip { source: from.ip(), destination: to.ip(), protocol: UDP, dscp: 0, fragment_offset: 185 };
    let (ether_type, packet) = ip(&header, &vec![0xcc; payload_octets]);
    ethernet(&[], ether_type, &packet)
}
