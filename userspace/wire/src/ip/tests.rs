use std::net::IpAddr;

use etherparse::{IpNumber, PacketBuilder};
use proptest::prelude::*;

use super::*;
use crate::Bound;
use crate::stream::Limits;

const SECOND_NS: u64 = 1_000_000_000;
const BOUND: Bound = Bound { total: 256, per_subscriber: 256, lifetime_ns: SECOND_NS };
const LIMITS: Limits = Limits { octets: DATAGRAM_OCTETS_MAX, pieces: 32 };
const SENDER: [u8; 4] = [10, 20, 0, 11];
const RECEIVER: [u8; 4] = [192, 0, 2, 10];

fn fragments() -> Fragments {
    Fragments::new(BOUND, LIMITS)
}

fn part(identification: u32, offset: usize, has_more: bool) -> Part {
    Part { identification, offset, has_more }
}

fn take(fragments: &mut Fragments, now_ns: u64, part: Part, payload: &[u8]) -> Result<Taken, FragmentError> {
    let packet = Packet {
        source: SENDER.into(),
        destination: RECEIVER.into(),
        protocol: IpNumber::UDP,
        is_sound: true,
        is_cut: false,
        part: Some(part),
        payload,
    };
    fragments.take(SENDER.into(), &packet, part, now_ns)
}

/// The datagram, if it is whole with this fragment.
fn whole(fragments: &mut Fragments, now_ns: u64, part: Part, payload: &[u8]) -> Option<Vec<u8>> {
    take(fragments, now_ns, part, payload).ok()?.datagram
}

#[test]
fn conflicting_fragments_give_nothing() {
    for (second, payload) in [
        (part(1, 8, false), &b"XXXXXXXX"[..]),
        (part(1, 6, false), b"cX"),
        (part(1, 16, false), b""),
        (part(1, 24, false), b"x"),
    ] {
        let mut fragments = fragments();
        assert_eq!(whole(&mut fragments, 1, part(1, 8, false), b"efghefgh"), None);
        let told = take(&mut fragments, 1, second, payload);
        let rest = whole(&mut fragments, 1, part(1, 0, true), b"abcdabcd");
        if second.offset == 16 {
            assert_eq!(rest.as_deref(), Some(&b"abcdabcdefghefgh"[..]), "the same end again is none");
        } else {
            assert_eq!((told, rest), (Err(FragmentError::Conflict), None), "{second:?}");
            let again = take(&mut fragments, 1, part(1, 8, false), b"efghefgh");
            assert_eq!(again, Err(FragmentError::Conflict), "what still comes is of no use");
        }
    }
}

/// RFC 791, section 2.3; RFC 8200, section 4.5.
#[test]
fn all_but_the_last_are_of_whole_units() {
    for payload in [&b""[..], b"abcd", b"abcdefghi"] {
        assert_eq!(take(&mut fragments(), 1, part(1, 0, true), payload), Err(FragmentError::Conflict));
    }
}

#[test]
fn more_than_there_is_room_for_is_too_much() {
    let mut fragments = Fragments::new(BOUND, Limits { octets: 32, pieces: 2 });
    assert_eq!(take(&mut fragments, 1, part(1, 24, true), &[0; 16]), Err(FragmentError::TooMuch));
    assert_eq!(take(&mut fragments, 1, part(2, 32, true), &[0; 8]), Err(FragmentError::TooMuch));
    assert_eq!(fragments.held_octets(), 0, "nothing is kept of either");
    let mut fragments = Fragments::new(BOUND, Limits { octets: 64, pieces: 2 });
    for (offset, expected) in [(0, None), (16, None), (32, Some(FragmentError::TooMuch))] {
        assert_eq!(take(&mut fragments, 1, part(3, offset, true), &[0; 8]).err(), expected);
    }
}

#[test]
fn fragments_wait_for_a_while_and_in_a_bounded_number() {
    let mut fragments = fragments();
    assert_eq!(whole(&mut fragments, 0, part(1, 0, true), b"abcdefgh"), None);
    let subscriber: IpAddr = SENDER.into();
    assert!(fragments.wait_from(subscriber) && !fragments.wait_from(RECEIVER.into()));
    let last = whole(&mut fragments, SECOND_NS, part(1, 8, false), b"ij");
    assert_eq!(last.as_deref(), Some(&b"abcdefghij"[..]));
    assert_eq!((fragments.wait_from(subscriber), fragments.held_octets()), (false, 0));
    whole(&mut fragments, 0, part(2, 0, true), b"abcdefgh");
    assert_eq!(whole(&mut fragments, SECOND_NS + 1, part(2, 8, false), b"ij"), None);
    for identification in 10..100_000 {
        let taken = take(&mut fragments, SECOND_NS, part(identification, 0, true), b"abcdefgh");
        assert_eq!(taken.map(|taken| taken.datagram), Ok(None));
    }
    assert_eq!(fragments.len(), BOUND.total);
}

/// Both headers' checksums, and a packet of which some is missing.
#[test]
fn soundness_is_told() {
    let mut octets = Vec::new();
    let builder = PacketBuilder::ipv4(SENDER, RECEIVER, 64).udp(5062, 5060);
    builder.write(&mut octets, b"hello").expect("room");
    let told = |octets: &[u8]| {
        let packet = Packet::read(octets).expect("a packet");
        let is_right = packet.carried().is_some_and(|carried| packet.has_right_checksum(&carried));
        (packet.is_sound, packet.is_cut, is_right)
    };
    assert_eq!(told(&octets), (true, false, true));
    assert_eq!(told(&[&octets[..], &[0; 6]].concat()), (true, false, true), "padding is none of it");
    assert_eq!(told(&octets[..octets.len() - 1]), (true, true, false));
    for (place, expected) in [(8, (false, false, true)), (30, (true, false, false))] {
        let mut other = octets.clone();
        other[place] ^= 1;
        assert_eq!(told(&other), expected);
    }
    // Without a checksum: right with IPv4 (RFC 768), wrong with IPv6 (RFC 8200, section 8.1).
    octets[26..28].fill(0);
    assert_eq!(told(&octets), (true, false, true));
    let mut octets = Vec::new();
    PacketBuilder::ipv6([1; 16], [2; 16], 64).udp(5062, 5060).write(&mut octets, b"hello").expect("room");
    assert_eq!(told(&octets), (true, false, true));
    octets[46..48].fill(0);
    assert_eq!(told(&octets), (true, false, false));
}

proptest! {
    /// In any order, the datagram is what it was.
    #[test]
    fn datagrams_come_back(
        payload in prop::collection::vec(any::<u8>(), 1..300),
        size in (1_usize..8).prop_map(|eights| eights * 8),
        order in prop::collection::vec(any::<u16>(), 40),
    ) {
        let mut parts: Vec<_> = payload.chunks(size).enumerate().collect();
        let count = parts.len();
        parts.sort_by_key(|(index, _)| order[*index % order.len()]);
        prop_assume!(count <= LIMITS.pieces);
        let mut fragments = fragments();
        let mut last = None;
        for (index, octets) in parts {
            prop_assert_eq!(last.take(), None::<Vec<u8>>);
            last = whole(&mut fragments, 1, part(1, index * size, index + 1 < count), octets);
        }
        prop_assert_eq!(last, Some(payload));
    }

    /// No octets are too strange.
    #[test]
    fn no_packet_panics(octets in prop::collection::vec(any::<u8>(), 0..120), version in 0x40_u8..0x70) {
        let mut octets = octets;
        if let Some(first) = octets.first_mut() {
            *first = version;
        }
        if let Some(packet) = Packet::read(&octets) {
            prop_assert!(packet.payload.len() <= octets.len());
            if let Some(carried) = packet.carried() {
                let _ = (packet.ends(&carried), packet.has_right_checksum(&carried));
            }
            if let Some(part) = packet.part {
                let _ = fragments().take(packet.source, &packet, part, 1);
            }
        }
    }
}
