//! Headers around a packet, each with right lengths and checksums.

use tollfree_benches::frame::FrameBuilder;

use crate::case::built;
use crate::check::internet_checksum;
use crate::world::{at, port};

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
/// Destination ports of tunnels (IANA).
pub(crate) const GTPU: u16 = 2152;
pub(crate) const VXLAN: u16 = 4789;
pub(crate) const GENEVE: u16 = 6081;
/// Flags of GRE (RFC 2784, RFC 2890).
pub(crate) const GRE_CHECKSUM: u16 = 0x8000;
pub(crate) const GRE_KEY: u16 = 0x2000;
pub(crate) const GRE_SEQUENCE: u16 = 0x1000;
/// Message type of a user's packet (TS 29.281, clause 6.1).
pub(crate) const T_PDU: u8 = 255;

const ETHERNET_OCTETS: usize = 14;

/// The IP packet in a frame without tags.
pub(crate) fn packet(frame: &FrameBuilder) -> Vec<u8> {
    built(frame).split_off(ETHERNET_OCTETS)
}

/// An Ethernet header (IEEE 802.3).
pub(crate) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], &ether_type.to_be_bytes()[..], payload].concat()
}

/// So many MPLS labels; the last is marked as the bottom of the stack (RFC 3032, section 2.1).
pub(crate) fn mpls(labels: u32, payload: &[u8]) -> Vec<u8> {
    let entries = (1..=labels).flat_map(|label| {
        let bottom = u32::from(label == labels);
        (label << 12 | bottom << 8 | 64).to_be_bytes()
    });
    entries.chain(payload.iter().copied()).collect()
}

/// A `PPPoE` session header (RFC 2516, section 4); `payload` begins with PPP's protocol field.
pub(crate) fn pppoe(payload: &[u8]) -> Vec<u8> {
    [&[0x11, 0, 0, 7], &length(payload.len())[..], payload].concat()
}

/// An outer IP packet between `ends`.
pub(crate) fn ip(ends: (&str, &str), protocol: u8, payload: &[u8]) -> FrameBuilder {
    FrameBuilder::other(protocol, at(ends.0), at(ends.1)).payload(payload)
}

/// An outer UDP datagram between `ends`.
pub(crate) fn udp(ends: (&str, &str), destination_port: u16, payload: &[u8]) -> FrameBuilder {
    let (source, destination) = (port(ends.0, 50_000), port(ends.1, destination_port));
    FrameBuilder::udp(at(&source), at(&destination)).payload(payload)
}

/// A GTP-U message with these of the flags E, S and PN, and what they announce (TS 29.281, clause 5.1).
pub(crate) fn gtpu(flags: u8, message_type: u8, optional: &[u8], payload: &[u8]) -> Vec<u8> {
    let octets = length(optional.len() + payload.len());
    [&[0x30 | flags, message_type], &octets[..], &[0, 0, 0x12, 0x34], optional, payload].concat()
}

/// A user's packet in GTP-U without options, between the carrier's ends.
pub(crate) fn in_gtpu(ends: (&str, &str), inner: &[u8]) -> FrameBuilder {
    udp(ends, GTPU, &gtpu(0, T_PDU, &[], inner))
}

/// A GRE header with the fields that its flags announce (RFC 2784, RFC 2890).
pub(crate) fn gre(flags: u16, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut octets = [flags.to_be_bytes(), ether_type.to_be_bytes()].concat();
    for flag in [GRE_CHECKSUM, GRE_KEY, GRE_SEQUENCE] {
        if flags & flag != 0 {
            // The checksum's are zero while it is computed.
            octets.extend(if flag == GRE_CHECKSUM { [0; 4] } else { [0, 0, 0x56, 0x78] });
        }
    }
    octets.extend(payload);
    if flags & GRE_CHECKSUM != 0 {
        let checksum = internet_checksum(&octets);
        octets[4..6].copy_from_slice(&checksum.to_be_bytes());
    }
    octets
}

/// A VXLAN header (RFC 7348, section 5).
pub(crate) fn vxlan(inner: &[u8]) -> Vec<u8> {
    [&[0x08, 0, 0, 0, 0, 0, 42, 0], inner].concat()
}

/// A Geneve header with so many words of options (RFC 8926, section 3.4).
pub(crate) fn geneve(option_words: u8, ether_type: u16, inner: &[u8]) -> Vec<u8> {
    let [high, low] = ether_type.to_be_bytes();
    let options = vec![0x11; usize::from(option_words) * 4];
    [&[option_words, 0, high, low, 0, 0, 42, 0], &options[..], inner].concat()
}

fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).expect("a length of a short packet").to_be_bytes()
}
