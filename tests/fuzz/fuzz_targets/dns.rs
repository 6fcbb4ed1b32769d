//! Packets to and from a name server, as the first octets of the input say: they teach only what was asked for.
#![no_main]

use etherparse::PacketBuilder;
use libfuzzer_sys::fuzz_target;
use tollfree_wire::dns::{Checksums, Direction, Limits, Listener, PORT, Reader, decode};

/// What one packet of an input begins with: what it is, how long after the one before, and its octets in two octets.
const FRONT_OCTETS: usize = 4;
/// What an input's pause counts, in nanoseconds: so that an octet's worth passes every lifetime.
const PAUSE_NS: u64 = 100_000_000;
/// Bits of the first octet: downlink; a message alone, around which the target puts headers.
const DOWNLINK: u8 = 1;
const MESSAGE: u8 = 2;

const SUBSCRIBER: ([u8; 4], u16) = ([10, 20, 0, 11], 40_000);
const RESOLVER: ([u8; 4], u16) = ([192, 0, 2, 53], PORT);

/// A datagram with right checksums, which mutation alone does not find.
fn datagram(direction: Direction, message: &[u8]) -> Vec<u8> {
    let (from, to) = match direction {
        Direction::Uplink => (SUBSCRIBER, RESOLVER),
        Direction::Downlink => (RESOLVER, SUBSCRIBER),
    };
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.0, to.0, 60).udp(from.1, to.1);
    // Longer ones than IP can carry are none.
    let _ = builder.write(&mut packet, message);
    packet
}

fuzz_target!(|input: &[u8]| {
    let _ = decode(input);
    let mut listener = Listener::new(Limits::default());
    let mut reader = Reader::new(Limits::default(), Checksums::Ignored);
    let (mut rest, mut now_ns) = (input, 0);
    while let Some((front, behind)) = rest.split_first_chunk::<FRONT_OCTETS>() {
        let [kind, pause, octets @ ..] = *front;
        let octets = usize::from(u16::from_be_bytes(octets)).min(behind.len());
        let (packet, next) = behind.split_at(octets);
        rest = next;
        now_ns += u64::from(pause) * PAUSE_NS;
        let direction = if kind & DOWNLINK == 0 { Direction::Uplink } else { Direction::Downlink };
        let packet = if kind & MESSAGE == 0 { packet.to_vec() } else { datagram(direction, packet) };
        for lesson in listener.take(now_ns, direction, &packet) {
            assert_eq!(direction, Direction::Downlink, "a question taught something");
            assert!(!lesson.addresses.is_empty() || !lesson.hints.is_empty(), "nothing is no lesson");
        }
        reader.take(now_ns, None, &packet, &mut |letter| {
            let _ = letter.map(|letter| decode(letter.octets));
        });
    }
    let stats = listener.stats();
    assert!(stats.lessons <= stats.questions, "more answers than questions");
});
