//! IP packets: whole, or in fragments as nobody should send them.

use std::net::IpAddr;

use super::address::Ends;
use super::random::Random;

/// A payload on its way.
pub(super) struct Datagram {
    pub(super) ends: Ends,
    pub(super) protocol: u8,
    pub(super) payload: Vec<u8>,
}

/// Octets of the payload that one packet carries.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    end: usize,
    /// What the packet says of its place, if it is a fragment.
    fragment: Option<Place>,
}

/// What a fragment says.
#[derive(Clone, Copy)]
struct Place {
    identification: u32,
    offset_units: usize,
    more: bool,
}

impl Datagram {
    /// The packets that carry it; so many of a thousand datagrams are in fragments.
    pub(super) fn packets(&self, random: &mut Random, fragmented: u32) -> Vec<Vec<u8>> {
        let mut parts = if random.chance(fragmented) {
            self.fragments(random)
        } else {
            vec![Part { start: 0, end: self.payload.len(), fragment: None }]
        };
        if random.chance(300) {
            random.shuffle(&mut parts);
        }
        parts.iter().map(|part| self.packet(random, *part)).collect()
    }

    fn packet(&self, random: &mut Random, part: Part) -> Vec<u8> {
        let content = self.payload.get(part.start..part.end).unwrap_or_default();
        if self.ends.is_v4() {
            self.ipv4(random, content, part.fragment)
        } else {
            self.ipv6(random, content, part.fragment)
        }
    }

    /// Cut at multiples of eight, from tiny on; now and then one is missing, comes twice, or lies about its place.
    fn fragments(&self, random: &mut Random) -> Vec<Part> {
        let identification = u32::from(*random.pick(&[1_u16, 2, 3]));
        let mut parts = Vec::new();
        let mut start = 0;
        loop {
            let end = start + 8 * *random.pick(&[1, 2, 3, 4, 4, 6, 6, 8, 12]);
            let more = end < self.payload.len() || random.chance(50);
            let end = end.min(self.payload.len());
            let lie = if random.chance(50) { random.below(4) } else { start / 8 };
            let place = Place { identification, offset_units: lie, more };
            let part = Part { start, end, fragment: Some(place) };
            let times = if random.chance(60) { *random.pick(&[0, 2]) } else { 1 };
            parts.extend(vec![part; times]);
            start = end;
            if start >= self.payload.len() {
                return parts;
            }
        }
    }

    /// RFC 791, section 3.1.
    fn ipv4(&self, random: &mut Random, content: &[u8], fragment: Option<Place>) -> Vec<u8> {
        let (protocol, content) = authenticated(random, self.protocol, content);
        let options = *random.pick(&[0, 0, 0, 0, 4, 8, 40]);
        let words =
            if random.chance(10) { random.octet() & 0xf } else { 5 + u8::try_from(options / 4).unwrap_or(0) };
        let mut octets = vec![0x40 | words, *random.pick(&[0, 0xb8])];
        octets.extend(random.nearly(20 + options + content.len()).to_be_bytes());
        let (identification, place) = fragment.map_or((random.word(), 0x4000), |place| {
            let more = if place.more { 0x2000 } else { 0 };
            (number(place.identification as usize), more | number(place.offset_units))
        });
        octets.extend(identification.to_be_bytes());
        octets.extend(place.to_be_bytes());
        octets.extend([64, protocol, 0, 0]);
        octets.extend(address(self.ends.source));
        octets.extend(address(self.ends.destination));
        octets.extend(vec![1; options]);
        octets.extend(content);
        octets
    }

    /// RFC 8200, sections 3 and 4.
    fn ipv6(&self, random: &mut Random, content: &[u8], fragment: Option<Place>) -> Vec<u8> {
        let (mut next, mut content) = (self.protocol, content.to_vec());
        if fragment.is_none_or(|place| place.offset_units == 0) {
            // In front of the payload, behind the fragment header.
            (next, content) = extended(random, next, content, 100);
        }
        let fragment = fragment.or_else(|| {
            // An atomic fragment (RFC 6946) is whole.
            random.chance(30).then_some(Place { identification: 1, offset_units: 0, more: false })
        });
        if let Some(place) = fragment {
            let word = number(place.offset_units << 3) | u16::from(place.more);
            let header = [&[next, 0], &word.to_be_bytes()[..], &place.identification.to_be_bytes()].concat();
            (next, content) = (44, [header, content].concat());
        }
        (next, content) = extended(random, next, content, 200);
        let mut octets = vec![0x60, 0, 0, 0];
        octets.extend(random.nearly(content.len()).to_be_bytes());
        octets.extend([next, 64]);
        octets.extend(address(self.ends.source));
        octets.extend(address(self.ends.destination));
        octets.extend(content);
        octets
    }
}

/// Puts IPv6 extension headers in front, mostly none or one, now and then too many.
fn extended(random: &mut Random, mut next: u8, mut content: Vec<u8>, in_thousand: u32) -> (u8, Vec<u8>) {
    if !random.chance(in_thousand) {
        return (next, content);
    }
    for _ in 0..*random.pick(&[1, 1, 1, 2, 3, 7, 8]) {
        let kind = *random.pick(&[0, 43, 60, 60, 51]);
        let length = if kind == 51 { *random.pick(&[1, 4]) } else { *random.pick(&[0, 0, 1, 2]) };
        let octets = if kind == 51 { (length + 2) * 4 } else { (length + 1) * 8 };
        let length = if random.chance(10) { random.octet() } else { u8::try_from(length).unwrap_or(0) };
        let mut header = vec![next, length];
        header.resize(octets, 0);
        (next, content) = (kind, [header, content].concat());
    }
    (next, content)
}

/// Puts an Authentication Header (RFC 4302) in front now and then.
fn authenticated(random: &mut Random, protocol: u8, content: &[u8]) -> (u8, Vec<u8>) {
    let (mut protocol, mut content) = (protocol, content.to_vec());
    if random.chance(25) {
        for _ in 0..*random.pick(&[1, 1, 2, 8]) {
            let mut header = vec![protocol, *random.pick(&[4, 1, 0, 255])];
            header.resize(24, 0);
            (protocol, content) = (51, [header, content].concat());
        }
    }
    (protocol, content)
}

fn address(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

/// The lower sixteen bits.
fn number(value: usize) -> u16 {
    u16::try_from(value & 0xffff).unwrap_or(0)
}
