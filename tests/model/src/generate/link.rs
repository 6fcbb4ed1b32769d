//! Link layers around packets.

use tollfree_core::interface::Role;

use super::random::Random;
use crate::arrival::{Arrival, Begin};

/// Shortest Ethernet frame, without its check sequence (IEEE 802.3, clause 4.4.2).
const FRAME_MIN: usize = 60;

/// How the frames of one datagram are linked.
#[derive(Clone, Copy)]
pub(super) struct Link {
    begin: Begin,
    tags: usize,
    inner: Inner,
}

/// What stands between Ethernet and IP.
#[derive(Clone, Copy)]
enum Inner {
    Nothing,
    Mpls(usize),
    Pppoe,
}

impl Link {
    pub(super) fn draw(random: &mut Random) -> Self {
        let begin = match random.below(40) {
            0 => Begin::Ip,
            1 => Begin::Ppp,
            _ => Begin::Ethernet,
        };
        let inner = match random.below(14) {
            0 => Inner::Mpls(*random.pick(&[1, 1, 2, 3, 4, 5])),
            1 => Inner::Pppoe,
            _ => Inner::Nothing,
        };
        Self { begin, tags: *random.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3]), inner }
    }

    /// A frame with the packet in it.
    pub(super) fn frame(self, random: &mut Random, role: Role, packet: &[u8]) -> Arrival {
        let octets = match self.begin {
            Begin::Ethernet => self.ethernet(random, packet),
            Begin::Ip => packet.to_vec(),
            Begin::Ppp => ppp_around(random, packet),
        };
        let wire_octets = octets.len();
        Arrival { role, begin: self.begin, octets, wire_octets }
    }

    fn ethernet(self, random: &mut Random, packet: &[u8]) -> Vec<u8> {
        let (kind, content) = match self.inner {
            Inner::Nothing => (ether_type(random, packet), packet.to_vec()),
            Inner::Mpls(labels) => (*random.pick(&[0x8847, 0x8848]), mpls(random, packet, labels)),
            Inner::Pppoe => (0x8864, pppoe(random, packet)),
        };
        let mut octets = random.octets(12);
        for _ in 0..self.tags {
            octets.extend(random.pick(&[0x8100_u16, 0x8100, 0x88a8, 0x9100, 0x9200]).to_be_bytes());
            octets.extend([0, 100]);
        }
        octets.extend(kind.to_be_bytes());
        octets.extend(content);
        if octets.len() < FRAME_MIN && random.chance(800) {
            octets.resize(FRAME_MIN, 0);
        }
        octets
    }
}

/// An Ethernet II header in front of a packet.
pub(super) fn ethernet_around(random: &mut Random, packet: &[u8]) -> Vec<u8> {
    let mut link = Link::draw(random);
    if !random.chance(100) {
        link = Link { tags: 0, inner: Inner::Nothing, ..link };
    }
    link.ethernet(random, packet)
}

/// A PPP frame around a packet (RFC 1661, RFC 1662).
pub(super) fn ppp_around(random: &mut Random, packet: &[u8]) -> Vec<u8> {
    let control: &[u8] = if random.chance(500) { &[0xff, 0x03] } else { &[] };
    [control, &protocol_field(random, packet), packet].concat()
}

/// Now and then compressed, or of a control protocol.
fn protocol_field(random: &mut Random, packet: &[u8]) -> Vec<u8> {
    let protocol = if is_v6(packet) { 0x57 } else { 0x21 };
    match random.below(20) {
        0 => vec![0xc0, 0x21],
        1..4 => vec![protocol],
        _ => vec![0, protocol],
    }
}

/// RFC 3032, section 2.1.
fn mpls(random: &mut Random, packet: &[u8], labels: usize) -> Vec<u8> {
    let mut octets = Vec::new();
    for left in (0..labels).rev() {
        octets.extend([random.octet(), random.octet(), (random.octet() & 0xf0) | u8::from(left == 0), 64]);
    }
    if random.chance(30) {
        // A pseudowire's control word (RFC 4385): no IP.
        octets.extend([0; 4]);
    }
    octets.extend(packet);
    octets
}

/// RFC 2516, section 4.
fn pppoe(random: &mut Random, packet: &[u8]) -> Vec<u8> {
    let content = [protocol_field(random, packet), packet.to_vec()].concat();
    let mut octets =
        vec![if random.chance(20) { 0x12 } else { 0x11 }, if random.chance(20) { 9 } else { 0 }, 0, 7];
    octets.extend(random.nearly(content.len()).to_be_bytes());
    octets.extend(content);
    octets
}

fn ether_type(random: &mut Random, packet: &[u8]) -> u16 {
    match random.below(50) {
        0 => *random.pick(&[0x0806, 0x88cc, 0x002e, 0x8863]),
        1 if is_v6(packet) => 0x0800,
        1 => 0x86dd,
        _ if is_v6(packet) => 0x86dd,
        _ => 0x0800,
    }
}

fn is_v6(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 6)
}
