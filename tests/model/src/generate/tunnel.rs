//! Tunnels around packets.

use tollfree_core::interface::Role;

use super::address::Ends;
use super::internet::Datagram;
use super::link::{ethernet_around, ppp_around};
use super::random::Random;
use super::segment::udp_around;

/// Datagrams of a thousand that are sent in fragments: fewer than inside, because whoever sees only a part sees nothing.
const FRAGMENTED: u32 = 60;

/// Which tunnel.
#[derive(Clone, Copy)]
enum Kind {
    Gtpu,
    IpInIp,
    Gre,
    Vxlan,
    Geneve,
}

/// The packets inside one tunnel; more packets than before, if the tunnel's are in fragments.
pub(super) fn around(random: &mut Random, role: Role, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let kind = *random.pick(&[Kind::Gtpu, Kind::Gtpu, Kind::IpInIp, Kind::Gre, Kind::Vxlan, Kind::Geneve]);
    let ends = Ends::of_tunnel(random, role);
    let mut outer = Vec::new();
    for packet in packets {
        let (protocol, payload) = kind.payload(random, packet);
        outer.extend(Datagram { ends, protocol, payload }.packets(random, FRAGMENTED));
    }
    outer
}

impl Kind {
    /// IP protocol and payload of the packet around.
    fn payload(self, random: &mut Random, packet: &[u8]) -> (u8, Vec<u8>) {
        match self {
            Self::Gtpu => udp(random, 2152, |random| gtpu(random, packet)),
            Self::IpInIp => (if is_v4(packet) ^ random.chance(10) { 4 } else { 41 }, packet.to_vec()),
            Self::Gre => (47, gre(random, packet)),
            Self::Vxlan => {
                let port = *random.pick(&[4789, 8472]);
                udp(random, port, |random| vxlan(random, packet))
            }
            Self::Geneve => udp(random, 6081, |random| geneve(random, packet)),
        }
    }
}

fn udp(random: &mut Random, port: u16, content: impl Fn(&mut Random) -> Vec<u8>) -> (u8, Vec<u8>) {
    let content = content(random);
    let port = if random.chance(20) { port + 1 } else { port };
    let source = *random.pick(&[port, 50_000]);
    (17, udp_around(random, [source, port], &content))
}

/// TS 29.281, section 5.
fn gtpu(random: &mut Random, packet: &[u8]) -> Vec<u8> {
    let optional = *random.pick(&[0, 0, 1, 2, 4, 4, 7]);
    let version = if random.chance(20) { random.octet() & 0xf0 } else { 0x30 };
    let reserved = if random.chance(50) { 0x08 } else { 0 };
    let kind = if random.chance(60) { *random.pick(&[1, 2, 26, 254, 0]) } else { 255 };
    let mut content = Vec::new();
    if optional != 0 {
        content.extend(random.octets(3));
        let extended = optional & 4 != 0;
        let extensions = if extended { *random.pick(&[0, 1, 1, 2, 4, 5]) } else { 0 };
        // Without E, the next type must not be looked at.
        let first = if extended && extensions == 0 { 0 } else { 0x85 };
        content.push(first);
        for left in (0..extensions).rev() {
            let units = if random.chance(20) { 0 } else { *random.pick(&[1_u8, 1, 2]) };
            let mut extension = vec![units];
            extension.resize(usize::from(units.max(1)) * 4 - 1, 0x10);
            extension.push(if left == 0 { 0 } else { *random.pick(&[0x85, 0xc0, 0x40]) });
            content.extend(extension);
        }
    }
    content.extend(packet);
    let mut octets = vec![version | reserved | optional, kind];
    octets.extend(random.nearly(content.len()).to_be_bytes());
    octets.extend([0, 0, 0, 1]);
    octets.extend(content);
    octets
}

/// RFC 2784 and RFC 2890.
fn gre(random: &mut Random, packet: &[u8]) -> Vec<u8> {
    let mut flags: u16 = *random.pick(&[0, 0, 0x8000, 0x2000, 0x1000, 0xb000]);
    if random.chance(20) {
        flags |= *random.pick(&[0x4000, 0x0800, 0x0400, 0x0080, 1, 2, 7]);
    }
    let of_version: u16 = if is_v4(packet) { 0x0800 } else { 0x86dd };
    let kind = *random.pick(&[of_version, of_version, 0x6558, 0x880b, 0x88be, 0x88be, 0x88be ^ 1]);
    let mut octets = [flags.to_be_bytes(), kind.to_be_bytes()].concat();
    let options = [0x8000, 0x2000, 0x1000].into_iter().filter(|bit| flags & bit != 0).count();
    octets.extend(random.octets(options * 4));
    octets.extend(match kind {
        0x6558 => ethernet_around(random, packet),
        0x880b => ppp_around(random, packet),
        0x88be if flags & 0x1000 != 0 => [random.octets(8), ethernet_around(random, packet)].concat(),
        0x88be => ethernet_around(random, packet),
        _ => packet.to_vec(),
    });
    octets
}

/// RFC 7348, section 5.
fn vxlan(random: &mut Random, packet: &[u8]) -> Vec<u8> {
    let flags = if random.chance(20) { random.octet() } else { 0x08 };
    [vec![flags, 0, 0, 0, 0, 0, 7, 0], ethernet_around(random, packet)].concat()
}

/// RFC 8926, section 3.4.
fn geneve(random: &mut Random, packet: &[u8]) -> Vec<u8> {
    let words = *random.pick(&[0, 0, 1, 4]);
    let version = if random.chance(20) { 0x40 } else { 0 };
    let of_version: u16 = if is_v4(packet) { 0x0800 } else { 0x86dd };
    let kind = *random.pick(&[0x6558, 0x6558, of_version, of_version, 0x88be]);
    let mut octets = vec![version | words, *random.pick(&[0, 0x40, 0x80])];
    octets.extend(kind.to_be_bytes());
    octets.extend([0, 0, 9, 0]);
    octets.extend(random.octets(usize::from(words) * 4));
    octets.extend(if kind == 0x6558 { ethernet_around(random, packet) } else { packet.to_vec() });
    octets
}

fn is_v4(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 4)
}
