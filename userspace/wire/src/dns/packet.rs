//! One IP packet's headers, as its receiver would take it.

use std::net::IpAddr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, IpSlice, Ipv4Slice, Ipv6ExtensionSlice, Ipv6Slice};

use super::reader::Checksums;
use super::refusal::Refusal;

/// Which part of its datagram a packet is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// What the datagram's fragments have in common; 16 bits of it with IPv4.
    pub(super) identification: u32,
    /// Where in the datagram its payload belongs, in octets.
    pub(super) offset: usize,
    /// Whether fragments follow it.
    pub(super) has_more: bool,
}

/// An IP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// What the payload is, or of a fragment, what the datagram is.
    pub(super) protocol: IpNumber,
    /// `None`: it is a whole datagram.
    pub(super) part: Option<Part>,
    pub(super) payload: &'a [u8],
}

/// Reads the headers of an IP packet; what follows its end is passed over.
pub(super) fn read(ip: &[u8], checksums: Checksums) -> Result<Packet<'_>, Refusal> {
    match IpSlice::from_slice(ip).map_err(|_| Refusal::MalformedPacket)? {
        IpSlice::Ipv4(v4) => of_v4(&v4, checksums),
        IpSlice::Ipv6(v6) => Ok(of_v6(&v6)),
    }
}

fn of_v4<'a>(v4: &Ipv4Slice<'a>, checksums: Checksums) -> Result<Packet<'a>, Refusal> {
    let header = v4.header();
    let sum = Sum16BitWords::new().add_slice(header.slice()).ones_complement();
    if checksums == Checksums::Verified && sum != 0 {
        return Err(Refusal::Checksum);
    }
    let part = header.is_fragmenting_payload().then(|| Part {
        identification: header.identification().into(),
        offset: header.fragments_offset().byte_offset().into(),
        has_more: header.more_fragments(),
    });
    Ok(Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: v4.payload().ip_number,
        part,
        payload: v4.payload().payload,
    })
}

fn of_v6<'a>(v6: &Ipv6Slice<'a>) -> Packet<'a> {
    let fragment = v6.extensions().clone().into_iter().find_map(|extension| match extension {
        Ipv6ExtensionSlice::Fragment(fragment) if fragment.is_fragmenting_payload() => Some(fragment),
        _ => None,
    });
    Packet {
        source: v6.header().source_addr().into(),
        destination: v6.header().destination_addr().into(),
        protocol: v6.payload().ip_number,
        part: fragment.map(|fragment| Part {
            identification: fragment.identification(),
            offset: fragment.fragment_offset().byte_offset().into(),
            has_more: fragment.more_fragments(),
        }),
        payload: v6.payload().payload,
    }
}

/// Whether the checksum in a TCP segment or UDP datagram is right (RFC 9293, section 3.1; RFC 768; RFC 8200, section
/// 8.1). `segment` is header and payload, of the length that the pseudo header has.
pub(super) fn is_checksum_right(
    source: IpAddr,
    destination: IpAddr,
    protocol: IpNumber,
    segment: &[u8],
) -> bool {
    // Neither protocol's datagram is longer: IP's own length has 16 bits.
    let Ok(octets) = u16::try_from(segment.len()) else { return false };
    let mut sum = Sum16BitWords::new();
    for address in [source, destination] {
        sum = match address {
            IpAddr::V4(v4) => sum.add_4bytes(v4.octets()),
            IpAddr::V6(v6) => sum.add_16bytes(v6.octets()),
        };
    }
    let sum = sum.add_2bytes([0, protocol.0]).add_2bytes(octets.to_be_bytes()).add_slice(segment);
    sum.ones_complement() == 0
}
