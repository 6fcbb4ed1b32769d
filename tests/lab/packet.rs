//! Reading captured frames: just enough, and written apart from Tollfree's own parser.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IP protocol numbers (IANA).
pub const TCP: u8 = 6;
/// IP protocol number of UDP.
pub const UDP: u8 = 17;

const ETHERNET_OCTETS: usize = 14;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const IPV6_OCTETS: usize = 40;

/// An IPv4 or IPv6 packet's header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub source: IpAddr,
    /// For whom it is.
    pub destination: IpAddr,
    /// IPv4 protocol, or IPv6 next header.
    pub protocol: u8,
    /// Source and destination port; zero unless TCP or UDP.
    pub ports: [u16; 2],
    /// IPv4 total length, or IPv6 payload length and header, in octets.
    pub volume: u16,
    /// Differentiated services code point (RFC 2474).
    pub dscp: u8,
}

impl Packet {
    /// The packet in an Ethernet frame without tags; `None` if it is not IP, or cut within the headers.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let ip = frame.get(ETHERNET_OCTETS..)?;
        match short(frame, 12)? {
            ETHERTYPE_IPV4 => Self::read_ipv4(ip),
            ETHERTYPE_IPV6 => Self::read_ipv6(ip),
            _ => None,
        }
    }

    /// RFC 791, section 3.1.
    fn read_ipv4(ip: &[u8]) -> Option<Self> {
        let protocol = *ip.get(9)?;
        let header_octets = usize::from(ip.first()? & 0x0f) * 4;
        Some(Self {
            source: Ipv4Addr::from(octets::<4>(ip, 12)?).into(),
            destination: Ipv4Addr::from(octets::<4>(ip, 16)?).into(),
            protocol,
            ports: ports(protocol, ip, header_octets)?,
            volume: short(ip, 2)?,
            dscp: ip.get(1)? >> 2,
        })
    }

    /// RFC 8200, section 3; the lab's TCP and UDP have no extension headers.
    fn read_ipv6(ip: &[u8]) -> Option<Self> {
        let protocol = *ip.get(6)?;
        let traffic_class = short(ip, 0)? >> 4 & 0xff;
        Some(Self {
            source: Ipv6Addr::from(octets::<16>(ip, 8)?).into(),
            destination: Ipv6Addr::from(octets::<16>(ip, 24)?).into(),
            protocol,
            ports: ports(protocol, ip, IPV6_OCTETS)?,
            volume: short(ip, 4)?.checked_add(u16::try_from(IPV6_OCTETS).ok()?)?,
            dscp: u8::try_from(traffic_class >> 2).ok()?,
        })
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

/// The source address of an Ethernet frame (IEEE 802.3, clause 3.2.3); `None` if it is cut.
pub fn source_mac(frame: &[u8]) -> Option<[u8; 6]> {
    octets(frame, 6)
}

fn ports(protocol: u8, ip: &[u8], offset: usize) -> Option<[u16; 2]> {
    match protocol {
        TCP | UDP => Some([short(ip, offset)?, short(ip, offset + 2)?]),
        _ => Some([0; 2]),
    }
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

    proptest! {
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
