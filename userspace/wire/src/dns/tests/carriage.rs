//! Answers in fragments and over TCP.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::build::*;
use crate::dns::{Checksums, Direction, Limits, Reader, Refusal};

/// An answer of many addresses: more than one packet has room for.
fn long_answer(addresses: u8) -> Vec<u8> {
    let records: Vec<_> = (0..addresses).map(|last| a("moh.vn", 60, [203, 0, 113, last])).collect();
    message(7, ANSWER, &[("moh.vn", A)], &records)
}

/// A whole IPv4 packet in fragments of `octets` each (RFC 791, section 3.2); `octets` is a multiple of eight.
fn fragments(packet: &[u8], octets: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(20);
    let count = payload.len().div_ceil(octets);
    let fragment = |(number, part): (usize, &[u8])| {
        let mut header = etherparse::Ipv4Header::from_slice(header).unwrap().0;
        header.identification = 77;
        header.dont_fragment = false;
        header.more_fragments = number + 1 < count;
        header.fragment_offset = u16::try_from(number * octets / 8).unwrap().try_into().unwrap();
        header.total_len = u16::try_from(20 + part.len()).unwrap();
        header.header_checksum = header.calc_header_checksum();
        [&header.to_bytes()[..], part].concat()
    };
    payload.chunks(octets).enumerate().map(fragment).collect()
}

fn fragmented() -> Vec<Vec<u8>> {
    fragments(&udp(socket(RESOLVER), socket(SUBSCRIBER), &long_answer(240)), 1480)
}

fn asked() -> Room {
    let mut room = Room::new();
    room.ask(7, "moh.vn", A);
    room
}

#[test]
fn fragments_are_put_together_in_every_order() {
    let parts = fragmented();
    assert_eq!(parts.len(), 4);
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let mut room = asked();
        let mut lessons = Vec::new();
        for number in order {
            assert_eq!(lessons, []);
            lessons = room.packet(Direction::Downlink, &parts[number]);
        }
        assert_eq!(lessons[0].addresses.len(), 240);
    }
}

#[test]
fn a_fragment_twice_is_no_harm_and_a_different_one_is() {
    let parts = fragmented();
    let mut room = asked();
    for part in [&parts[0], &parts[0], &parts[1], &parts[2]] {
        assert_eq!(room.packet(Direction::Downlink, part), []);
    }
    assert_eq!(room.packet(Direction::Downlink, &parts[3]).len(), 1);

    let mut room = asked();
    room.packet(Direction::Downlink, &parts[0]);
    let mut other = parts[0].clone();
    *other.last_mut().unwrap() ^= 1;
    room.refuses_packet(Direction::Downlink, &other, Refusal::Fragments);
    for part in &parts[1..] {
        room.refuses_packet(Direction::Downlink, part, Refusal::Fragments);
    }
}

#[test]
fn an_end_before_what_is_there_is_a_contradiction() {
    let parts = fragmented();
    let mut room = asked();
    room.packet(Direction::Downlink, &parts[2]);
    let short = fragments(&udp(socket(RESOLVER), socket(SUBSCRIBER), &long_answer(100)), 1480);
    room.refuses_packet(Direction::Downlink, &short[1], Refusal::Fragments);
}

/// IPv6 fragments, by hand (RFC 8200, section 4.5).
#[test]
fn ipv6_fragments_are_put_together() {
    let (subscriber, resolver) = (socket("[2001:db8:20:11::1]:40000"), socket("[2001:db8:53::1]:53"));
    let mut room = Room::new();
    let question = message(7, QUESTION, &[("moh.vn", A)], &[]);
    room.packet(Direction::Uplink, &udp(subscriber, resolver, &question));
    let packet = udp(resolver, subscriber, &long_answer(100));
    let (header, payload) = packet.split_at(40);
    let mut lessons = Vec::new();
    for (number, part) in payload.chunks(1200).enumerate() {
        assert_eq!(lessons, []);
        let offset = u16::try_from(number * 1200).unwrap();
        let more = u16::from(number + 1 < payload.len().div_ceil(1200));
        let mut fragment = header.to_vec();
        fragment[4..6].copy_from_slice(&u16::try_from(part.len() + 8).unwrap().to_be_bytes());
        fragment[6] = 44;
        fragment.extend([17, 0]);
        fragment.extend((offset | more).to_be_bytes());
        fragment.extend(99_u32.to_be_bytes());
        fragment.extend(part);
        lessons = room.packet(Direction::Downlink, &fragment);
    }
    assert_eq!(lessons[0].addresses.len(), 100);
}

/// One side of a TCP connection.
struct Speaker {
    from: SocketAddr,
    to: SocketAddr,
    next: u32,
}

impl Speaker {
    fn segment(&mut self, payload: &[u8]) -> Vec<u8> {
        let packet = self.segment_at(self.next, payload);
        self.next = self.next.wrapping_add(u32::try_from(payload.len()).unwrap());
        packet
    }

    fn segment_at(&self, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let builder = ip(self.from, self.to).tcp(self.from.port(), self.to.port(), sequence, 1000).ack(1);
        let mut packet = Vec::new();
        builder.write(&mut packet, payload).unwrap();
        packet
    }

    /// A segment without payload, with SYN, and ACK if it is the answering side's.
    fn opening(&mut self) -> Vec<u8> {
        let builder = ip(self.from, self.to).tcp(self.from.port(), self.to.port(), self.next, 1000).syn();
        let builder = if self.from.port() == 53 { builder.ack(1) } else { builder };
        self.next = self.next.wrapping_add(1);
        let mut packet = Vec::new();
        builder.write(&mut packet, &[]).unwrap();
        packet
    }
}

/// Both sides of a connection that was opened; sequence numbers wrap soon.
fn connected(room: &mut Room) -> (Speaker, Speaker) {
    let (subscriber, resolver) = (socket(SUBSCRIBER), socket(RESOLVER));
    let mut asks = Speaker { from: subscriber, to: resolver, next: u32::MAX - 20 };
    let mut answers = Speaker { from: resolver, to: subscriber, next: u32::MAX - 9 };
    assert_eq!(room.packet(Direction::Uplink, &asks.opening()), []);
    assert_eq!(room.packet(Direction::Downlink, &answers.opening()), []);
    (asks, answers)
}

/// With its length in front (RFC 1035, section 4.2.2).
fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

fn question(id: u16, asked: &str) -> Vec<u8> {
    framed(&message(id, QUESTION, &[(asked, A)], &[]))
}

fn short_answer(id: u16, asked: &str) -> Vec<u8> {
    framed(&message(id, ANSWER, &[(asked, A)], &[a(asked, 60, [203, 0, 113, 7])]))
}

#[test]
fn several_answers_of_one_connection_even_octet_by_octet() {
    let mut room = Room::new();
    let (mut asks, mut answers) = connected(&mut room);
    let questions = [question(1, "a.vn"), question(2, "b.vn"), question(3, "c.vn")].concat();
    assert_eq!(room.packet(Direction::Uplink, &asks.segment(&questions)), []);
    let lessons = room.packet(
        Direction::Downlink,
        &answers.segment(&[short_answer(2, "b.vn"), short_answer(1, "a.vn")].concat()),
    );
    assert_eq!(lessons.iter().map(|lesson| &lesson.name[..]).collect::<Vec<_>>(), ["b.vn", "a.vn"]);
    let last = short_answer(3, "c.vn");
    let (final_octet, octets) = last.split_last().unwrap();
    for octet in octets {
        assert_eq!(room.packet(Direction::Downlink, &answers.segment(&[*octet])), []);
    }
    assert_eq!(room.packet(Direction::Downlink, &answers.segment(&[*final_octet]))[0].name, "c.vn");
}

#[test]
fn a_question_over_udp_has_no_answer_over_tcp() {
    let mut room = Room::new();
    let (_, mut answers) = connected(&mut room);
    room.ask(1, "a.vn", A);
    room.refuses_packet(Direction::Downlink, &answers.segment(&short_answer(1, "a.vn")), Refusal::Unasked);
}

#[test]
fn a_connection_whose_beginning_was_not_seen_is_not_followed() {
    let mut room = Room::new();
    let mut asks = Speaker { from: socket(SUBSCRIBER), to: socket(RESOLVER), next: 5 };
    room.refuses_packet(Direction::Uplink, &asks.segment(&question(1, "a.vn")), Refusal::Stream);
}

#[test]
fn a_stream_that_changes_when_it_is_sent_again_is_not_followed() {
    let mut room = Room::new();
    let (mut asks, mut answers) = connected(&mut room);
    room.packet(Direction::Uplink, &asks.segment(&question(1, "a.vn")));
    let octets = short_answer(1, "a.vn");
    let sequence = answers.next;
    room.packet(Direction::Downlink, &answers.segment(&octets[..30]));
    let mut other = octets.clone();
    other[25] ^= 1;
    room.refuses_packet(Direction::Downlink, &answers.segment_at(sequence, &other), Refusal::Stream);
    room.refuses_packet(Direction::Downlink, &answers.segment_at(sequence, &octets), Refusal::Stream);
}

/// The largest message that TCP carries, and another behind it.
#[test]
fn the_longest_messages_are_read() {
    let mut room = Room::new();
    let (mut asks, mut answers) = connected(&mut room);
    room.packet(Direction::Uplink, &asks.segment(&[question(7, "moh.vn"), question(8, "b.vn")].concat()));
    let padding = 65_535 - long_answer(100).len() - record(&[0], TXT, IN, 0, &[]).len();
    let text: Vec<u8> = [[255].as_slice(), &[b'x'; 255]].concat().repeat(padding.div_ceil(256));
    let mut octets = long_answer(100);
    octets[7] += 1;
    let text = &text[..padding / 256 * 256];
    octets.extend(record(&[0], TXT, IN, 0, text));
    octets.resize(65_535, 0);
    let stream = [framed(&octets), short_answer(8, "b.vn")].concat();
    let mut lessons = Vec::new();
    for part in stream.chunks(1400) {
        lessons.extend(room.packet(Direction::Downlink, &answers.segment(part)));
    }
    assert_eq!(lessons.iter().map(|lesson| lesson.addresses.len()).collect::<Vec<_>>(), [100, 1]);
}

proptest! {
    /// However a stream is cut, and in whatever order and how often its segments come, all its messages are read.
    #[test]
    fn segments_in_every_order_teach_the_same(
        cuts in prop::collection::btree_set(1_usize..150, 0..12),
        seed in any::<u64>(),
    ) {
        let mut room = Room::new();
        let (mut asks, answers) = connected(&mut room);
        let names = ["a.vn", "b.vn", "c.vn"];
        let questions: Vec<_> = (1..).zip(names).map(|(id, name)| question(id, name)).collect();
        room.packet(Direction::Uplink, &asks.segment(&questions.concat()));
        let stream = (1..).zip(names).map(|(id, name)| short_answer(id, name)).collect::<Vec<_>>().concat();
        let mut segments = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().filter(|cut| *cut < stream.len()).chain([stream.len()]) {
            let sequence = answers.next.wrapping_add(u32::try_from(from).unwrap());
            segments.push(answers.segment_at(sequence, &stream[from..to]));
            from = to;
        }
        let mut random = fastrand::Rng::with_seed(seed);
        segments.extend(segments.clone().into_iter().filter(|_| random.bool()).collect::<Vec<_>>());
        random.shuffle(&mut segments);
        let lessons = segments.iter().flat_map(|segment| room.packet(Direction::Downlink, segment));
        let learned: Vec<_> = lessons.map(|lesson| lesson.name).collect();
        prop_assert_eq!(learned, names);
    }
}

/// Where nobody says which way packets go, the port does, also of what came in fragments.
#[test]
fn a_reader_needs_no_direction() {
    let mut reader = Reader::new(Limits::default(), Checksums::Verified);
    let (subscriber, resolver) = (socket(SUBSCRIBER), socket(RESOLVER));
    for (source, destination) in [(subscriber, resolver), (resolver, subscriber)] {
        let whole = udp(source, destination, &long_answer(240));
        let mut ends = Vec::new();
        for part in fragments(&whole, 1480) {
            reader.take(0, None, &part, &mut |letter| {
                let letter = letter.unwrap();
                assert_eq!(letter.octets, long_answer(240));
                ends.push((letter.source, letter.destination));
            });
        }
        assert_eq!(ends, [(source, destination)]);
    }
    let other = udp(subscriber, socket("192.0.2.53:5353"), &long_answer(1));
    let mut refusals = Vec::new();
    reader.take(0, None, &other, &mut |letter| refusals.extend(letter.err()));
    assert_eq!(refusals, [Refusal::OtherPort]);
}
