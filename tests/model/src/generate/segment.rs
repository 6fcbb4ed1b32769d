//! Transport headers and what they carry.

use tollfree_core::interface::Role;

use super::random::Random;

/// Subscribers' ports.
const SUBSCRIBER_PORTS: [u16; 2] = [50_000, 50_001];

/// Remote ports: listed ones, SIP, media, tunnels'.
const REMOTE_PORTS: [u16; 8] = [443, 443, 53, 5060, 8801, 40_000, 2152, 8810];

/// Octets behind a transport header at most.
const PAYLOAD_MAX: usize = 64;

/// An IP protocol and a payload of it.
pub(super) fn segment(random: &mut Random, role: Role) -> (u8, Vec<u8>) {
    let subscriber = *random.pick(&SUBSCRIBER_PORTS);
    let remote = *random.pick(&REMOTE_PORTS);
    let ports = match role {
        Role::Access => [subscriber, remote],
        Role::Core => [remote, subscriber],
    };
    match random.below(20) {
        0..8 => (6, tcp(random, ports)),
        8..16 => (17, udp(random, ports)),
        16 | 17 => icmp(random),
        18 => (132, payload(random)),
        _ => (random.octet(), payload(random)),
    }
}

/// A TCP header without options (RFC 9293, section 3.1) and what follows it.
pub(super) fn tcp_around(ports: [u16; 2], sequence: u32, flags: u8, content: &[u8]) -> Vec<u8> {
    let mut octets = ports.map(u16::to_be_bytes).concat();
    octets.extend(sequence.to_be_bytes());
    octets.extend([0, 0, 0, 1, 5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    octets.extend(content);
    octets
}

/// RFC 9293, section 3.1.
fn tcp(random: &mut Random, ports: [u16; 2]) -> Vec<u8> {
    // SYN, SYN with ACK, ACK, PSH with ACK, FIN with ACK, RST, SYN with RST, SYN with ECE and CWR.
    let flags = *random.pick(&[0x02, 0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x06, 0xc2]);
    let flags = if random.chance(30) { random.octet() } else { flags };
    let options = *random.pick(&[0, 0, 4, 12, 40]);
    let words =
        if random.chance(30) { random.octet() & 0xf } else { 5 + u8::try_from(options / 4).unwrap_or(0) };
    let mut octets = ports.map(u16::to_be_bytes).concat();
    octets.extend(random.octets(8));
    octets.extend([words << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    octets.extend(vec![1; options]);
    if random.chance(600) {
        octets.extend(payload(random));
    }
    octets
}

/// RFC 768.
pub(super) fn udp(random: &mut Random, ports: [u16; 2]) -> Vec<u8> {
    let content = payload(random);
    udp_around(random, ports, &content)
}

/// A UDP header and what follows it.
pub(super) fn udp_around(random: &mut Random, ports: [u16; 2], content: &[u8]) -> Vec<u8> {
    let mut octets = ports.map(u16::to_be_bytes).concat();
    octets.extend(random.nearly(8 + content.len()).to_be_bytes());
    octets.extend([0, 0]);
    octets.extend(content);
    octets
}

/// An echo, or an error with what it quotes (RFC 792, RFC 4443); also of the other family.
fn icmp(random: &mut Random) -> (u8, Vec<u8>) {
    let protocol = *random.pick(&[1, 58]);
    let mut octets = vec![*random.pick(&[0, 3, 8, 11, 1, 2, 128]), 0, 0, 0];
    octets.extend(random.octets(4));
    octets.extend(payload(random));
    (protocol, octets)
}

fn payload(random: &mut Random) -> Vec<u8> {
    let count = random.below(PAYLOAD_MAX);
    random.octets(count)
}
