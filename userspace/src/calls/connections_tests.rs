use proptest::prelude::*;

use super::*;
use crate::calls::header::Header;

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("a socket")
}

fn segment(sequence: u32, payload: &[u8]) -> Segment<'_> {
    Segment {
        subscriber: socket("10.20.0.11:40000"),
        proxy: socket("192.0.2.10:5060"),
        direction: Direction::Uplink,
        sequence,
        is_syn: false,
        is_end: false,
        payload,
    }
}

fn syn(sequence: u32) -> Segment<'static> {
    Segment { is_syn: true, ..segment(sequence, b"") }
}

fn message(index: usize, body: &str) -> Vec<u8> {
    format!("INFO sip:{index} SIP/2.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The messages of a connection whose segments these are.
fn read(segments: &[Segment<'_>]) -> Vec<Read> {
    let mut connections = Connections::default();
    segments.iter().flat_map(|segment| connections.take(1, segment)).collect()
}

#[test]
fn several_messages_come_in_one_segment_and_one_in_several() {
    let (one, two) = (message(1, "abc"), message(2, ""));
    let both = [&one[..], b"\r\n\r\n", &two[..]].concat();
    assert_eq!(read(&[syn(1), segment(1, &both)]), [Ok(one.clone()), Ok(two.clone())]);
    let octets: Vec<_> = both.chunks(1).zip(1..).map(|(octet, sequence)| segment(sequence, octet)).collect();
    assert_eq!(read(&[&[syn(1)][..], &octets].concat()), [Ok(one), Ok(two)]);
}

#[test]
fn a_connection_that_began_before_is_joined_at_a_message() {
    let (one, two) = (message(1, "abc"), message(2, ""));
    let cut = &one[10..];
    let next = 500 + u32::try_from(cut.len()).expect("a short message");
    assert_eq!(read(&[segment(500, cut), segment(next, &two)]), [Ok(two)]);
}

#[test]
fn a_lost_segment_costs_no_later_message() {
    let two = message(2, "");
    let far = segment(1_000_000, &two);
    assert_eq!(read(&[syn(1), segment(1, b"INFO sip:1 SIP/2.0\r\n"), far]), [Ok(two)]);
}

#[test]
fn segments_that_disagree_give_nothing() {
    let whole = message(1, "abcdef");
    let at = |offset: usize| 1 + u32::try_from(offset).expect("a short message");
    let middle = whole.len() - 3;
    let forged =
        [syn(1), segment(at(middle), b"XYZ"), segment(at(middle), b"def"), segment(1, &whole[..middle])];
    assert_eq!(read(&forged), []);
    let same =
        [syn(1), segment(at(middle), b"def"), segment(at(middle), b"def"), segment(1, &whole[..middle])];
    assert_eq!(read(&same), [Ok(whole)]);
}

#[test]
fn an_endless_message_is_told_once() {
    let missing = SipFault::Missing { header: Header::ContentLength };
    let octets = b"INFO sip:1 SIP/2.0\r\nVia: x\r\n\r\nINFO";
    assert_eq!(read(&[syn(1), segment(1, octets)]), [Err(missing)]);
}

#[test]
fn connections_are_bounded_and_end() {
    let mut connections = Connections::default();
    let count = u32::try_from(CONNECTIONS_MAX).expect("a number") + 10;
    for index in 0..count {
        let [_, b, c, d] = index.to_be_bytes();
        let subscriber = SocketAddr::from(([10, b, c, d], 5060));
        connections.take(u64::from(index), &Segment { subscriber, ..syn(1) });
        assert!(connections.len() <= CONNECTIONS_MAX);
    }
    let mut connections = Connections::default();
    connections.take(1, &syn(1));
    connections.take(1, &Segment { is_end: true, ..segment(1, b"") });
    assert_eq!(connections.len(), 1, "the other direction goes on");
    connections.take(1, &Segment { is_end: true, direction: Direction::Downlink, ..segment(1, b"") });
    assert!(connections.is_empty());
}

proptest! {
    /// However a connection is split, and in whatever order near segments come, its messages are the same.
    #[test]
    fn messages_come_back(
        bodies in prop::collection::vec("[a-z\r\n]{0,40}", 1..6),
        cuts in prop::collection::vec(1_usize..60, 1..40),
        swaps in prop::collection::vec(any::<bool>(), 40),
        first in any::<u32>(),
    ) {
        let messages: Vec<_> = bodies.iter().enumerate().map(|(index, body)| message(index, body)).collect();
        let octets = messages.concat();
        let mut segments = Vec::new();
        let (mut rest, mut sequence) = (&octets[..], first);
        for cut in cuts.iter().cycle() {
            let (part, after) = rest.split_at((*cut).min(rest.len()));
            segments.push(segment(sequence, part));
            sequence = sequence.wrapping_add(u32::try_from(part.len()).expect("short"));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        for (index, swap) in swaps.iter().enumerate() {
            if *swap && index + 1 < segments.len() {
                segments.swap(index, index + 1);
            }
        }
        let wanted: Vec<Read> = messages.into_iter().map(Ok).collect();
        prop_assert_eq!(read(&[&[syn(first)][..], &segments].concat()), wanted);
    }

    #[test]
    fn random_segments_do_not_panic(
        segments in prop::collection::vec((any::<u8>(), "[A-Z]{0,6}[ \r\nSIP/2.0l:0-9]{0,30}", any::<[bool; 3]>()), 0..60)
    ) {
        let mut connections = Connections::default();
        for (sequence, payload, [is_syn, is_end, is_uplink]) in segments {
            let direction = if is_uplink { Direction::Uplink } else { Direction::Downlink };
            let payload = payload.as_bytes();
            connections.take(1, &Segment { direction, is_syn, is_end, ..segment(sequence.into(), payload) });
        }
    }
}
