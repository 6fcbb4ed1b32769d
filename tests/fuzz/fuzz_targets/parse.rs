//! Reading headers: no panic on any octets, and no volume that the frame does not hold.
//!
//! The first octet says what the others begin with: Ethernet, IP, PPP, or IPv4 by its Ether type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollfree_core::address::{Address, Family};
use tollfree_core::bytes::Frame;
use tollfree_core::packet::tunnel::{AllTransports, Transports};
use tollfree_core::packet::{Start, parse};

/// Nobody's tunnel is looked into.
struct NoTransports;

impl Transports for NoTransports {
    fn kinds(&self, _family: Family, _source: &Address, _destination: &Address) -> u32 {
        0
    }
}

/// Longest that an IP header says its packet is, in octets: IPv6, payload length and header.
const VOLUME_MAX: u32 = 0xffff + 40;

fuzz_target!(|input: &[u8]| {
    let Some((first, octets)) = input.split_first() else { return };
    let start = match first & 3 {
        0 => Start::Ethernet,
        1 => Start::Ip,
        2 => Start::Ppp,
        _ => Start::EtherType(0x0800),
    };
    let frame = Frame::new(octets);
    if let Ok(packet) = parse(&frame, start, 0, &NoTransports, &mut ()) {
        let end = packet.ip_offset + usize::try_from(packet.volume_octets).expect("32 bits fit");
        assert!(end <= octets.len(), "ends at {end} of {}", octets.len());
        assert_eq!(packet.outer_ip_offset, packet.ip_offset, "in a tunnel that nobody listed");
    }
    if let Ok(packet) = parse(&frame, start, 0, &AllTransports, &mut ()) {
        assert!(packet.volume_octets <= VOLUME_MAX);
        assert!(packet.ip_offset < octets.len() && packet.outer_ip_offset <= packet.ip_offset);
    }
});
