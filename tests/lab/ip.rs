//! IP packets built octet by octet, to be put inside others: no kernel sees them.

use std::net::IpAddr;

use crate::packet::UDP;

/// Hops that are left.
const HOP_LIMIT: u8 = 64;

/// A UDP datagram of `payload` zeros between two addresses of one IP version; `None` if they differ in it, or it is
/// too long. Its UDP checksum is zero: there is none (RFC 768), which IPv6 does not allow.
pub fn datagram(source: IpAddr, destination: IpAddr, ports: [u16; 2], payload: usize) -> Option<Vec<u8>> {
    carrying(source, destination, ports, &vec![0; payload])
}

/// The same with octets of one's own.
pub fn carrying(source: IpAddr, destination: IpAddr, ports: [u16; 2], payload: &[u8]) -> Option<Vec<u8>> {
    let udp_octets = u16::try_from(8 + payload.len()).ok()?;
    let mut packet = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            // RFC 791, section 3.1.
            let mut header = vec![0x45, 0];
            header.extend(udp_octets.checked_add(20)?.to_be_bytes());
            header.extend([0, 0, 0, 0, HOP_LIMIT, UDP, 0, 0]);
            header.extend(source.octets());
            header.extend(destination.octets());
            let checksum = checksum(&header).to_be_bytes();
            header[10..12].copy_from_slice(&checksum);
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            // RFC 8200, section 3.
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(udp_octets.to_be_bytes());
            header.extend([UDP, HOP_LIMIT]);
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        _ => return None,
    };
    packet.extend([ports[0], ports[1], udp_octets, 0].map(u16::to_be_bytes).concat());
    packet.extend(payload);
    Some(packet)
}

/// RFC 1071, of an even number of octets.
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum = words.sum::<u32>();
    // Twice, because the first carry can cause another.
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;

    /// The example of RFC 1071, section 3, whose sum is ddf2.
    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn a_header_with_its_checksum_sums_to_zero() {
        let packet = datagram("10.20.0.11".parse().unwrap(), "203.0.113.10".parse().unwrap(), [7, 9], 100);
        let packet = packet.unwrap();
        assert_eq!((packet.len(), checksum(&packet[..20])), (128, 0));
        assert_eq!(packet[2..4], 128_u16.to_be_bytes());
    }

    #[test]
    fn ipv6_length_is_without_the_header() {
        let packet = datagram("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap(), [7, 9], 100);
        let packet = packet.unwrap();
        assert_eq!((packet.len(), &packet[4..8]), (148, &[0, 108, UDP, HOP_LIMIT][..]));
    }

    #[test]
    fn versions_do_not_mix() {
        assert_eq!(datagram("10.0.0.1".parse().unwrap(), "::1".parse().unwrap(), [7, 9], 0), None);
    }
}
