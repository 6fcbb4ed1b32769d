//! Matching, against a naive model; and inputs of every kind.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::build::*;
use crate::Bound;
use crate::dns::limits::QUESTION_LIFETIME_NS;
use crate::dns::{Checksums, Direction, Limits, Listener, Reader};

/// Everything that an answer must repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    subscriber: SocketAddr,
    resolver: SocketAddr,
    id: u16,
    name: &'static str,
    kind: u16,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    direction: Direction,
    asked: Asked,
    pause_ns: u64,
}

prop_compose! {
    fn asked()(
        subscriber in prop::sample::select(vec!["10.20.0.11:4000", "10.20.0.11:4001", "10.20.0.12:4000"]),
        resolver in prop::sample::select(vec!["192.0.2.53:53", "192.0.2.54:53"]),
        id in 0_u16..2,
        name in prop::sample::select(vec!["moh.vn", "MoH.vn", "evil.vn"]),
        kind in prop::sample::select(vec![A, AAAA]),
    ) -> Asked {
        Asked { subscriber: socket(subscriber), resolver: socket(resolver), id, name, kind }
    }
}

prop_compose! {
    fn step()(
        direction in prop::sample::select(vec![Direction::Uplink, Direction::Downlink]),
        asked in asked(),
        pause_ns in prop_oneof![8 => 0..SECOND, 1 => 0..QUESTION_LIFETIME_NS + 2],
    ) -> Step {
        Step { direction, asked, pause_ns }
    }
}

/// All that was ever asked, in order, and whether and when.
#[derive(Default)]
struct Model {
    asked: Vec<(Asked, u64, bool)>,
}

impl Model {
    /// Whether this answer teaches something.
    fn learns(&mut self, answer: Asked, now_ns: u64) -> bool {
        let is_same = |(asked, _, _): &&mut (Asked, u64, bool)| {
            Asked { name: "", ..*asked } == Asked { name: "", ..answer }
                && asked.name.eq_ignore_ascii_case(answer.name)
        };
        let Some((asked, at_ns, answered)) = self.asked.iter_mut().rev().find(is_same) else { return false };
        // Of the names above, this one has letters of both cases.
        let is_case_kept = asked.name != "MoH.vn" || answer.name == "MoH.vn";
        let learns = !*answered && is_case_kept && now_ns - *at_ns <= QUESTION_LIFETIME_NS;
        *answered |= learns;
        learns
    }
}

proptest! {
    #[test]
    fn answers_teach_what_the_model_says(steps in prop::collection::vec(step(), 0..60)) {
        let mut listener = Listener::new(Limits::default());
        let mut model = Model::default();
        let mut now_ns = 0;
        for Step { direction, asked, pause_ns } in steps {
            now_ns += pause_ns;
            let Asked { subscriber, resolver, id, name: text, kind } = asked;
            let data: &[u8] = if kind == A { &[203, 0, 113, 7] } else { &[0x20; 16] };
            let (expected, packet) = match direction {
                Direction::Uplink => {
                    model.asked.push((asked, now_ns, false));
                    (false, udp(subscriber, resolver, &message(id, QUESTION, &[(text, kind)], &[])))
                }
                Direction::Downlink => {
                    let records = [record(&name(text), kind, IN, 60, data)];
                    let answer = message(id, ANSWER, &[(text, kind)], &records);
                    (model.learns(asked, now_ns), udp(resolver, subscriber, &answer))
                }
            };
            let lessons: Vec<_> = listener.take(now_ns, direction, &packet).collect();
            prop_assert_eq!(lessons.len(), usize::from(expected));
            for lesson in lessons {
                prop_assert_eq!((lesson.subscriber, lesson.resolver), (subscriber.ip(), resolver.ip()));
                prop_assert_eq!(lesson.name, text.to_ascii_lowercase());
                prop_assert_eq!(lesson.addresses.len(), 1);
            }
        }
    }

    #[test]
    fn any_octets_make_no_panic(octets in prop::collection::vec(any::<u8>(), 0..300), up in any::<bool>()) {
        let direction = if up { Direction::Uplink } else { Direction::Downlink };
        let mut listener = Listener::new(Limits::default());
        prop_assert_eq!(listener.take(0, direction, &octets).count(), 0);
        let mut reader = Reader::new(Limits::default(), Checksums::Ignored);
        reader.take(0, None, &octets, &mut |_| {});
    }

    /// Whatever a message says behind what an answer must repeat, each address taught is of the owner that was asked for.
    #[test]
    fn any_records_make_no_panic(
        octets in prop::collection::vec(any::<u8>(), 0..300),
        counts in any::<[u8; 3]>(),
        compressed in any::<bool>(),
    ) {
        let mut room = Room::new();
        room.ask(7, "moh.vn", A);
        let mut answer = message(7, ANSWER, &[("moh.vn", A)], &[]);
        for (place, count) in [7, 9, 11].into_iter().zip(counts) {
            answer[place] = count % 4;
        }
        if compressed {
            answer.extend(record(&[0xc0, 12], A, IN, 60, &[203, 0, 113, 7]));
            answer[7] = answer[7].max(1);
        }
        answer.extend(&octets);
        for lesson in room.answer(&answer) {
            prop_assert_eq!(lesson.name, "moh.vn");
        }
    }

    /// A packet with damaged octets never teaches another name or asker than the whole one.
    #[test]
    fn damaged_packets_teach_nothing_else(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut room = Room::new();
        room.ask(7, "moh.vn", A);
        let answer = message(7, ANSWER, &[("moh.vn", A)], &[a("moh.vn", 60, [203, 0, 113, 7])]);
        let mut packet = udp(socket(RESOLVER), socket(SUBSCRIBER), &answer);
        for (place, octet) in damage {
            *place.get_mut(&mut packet) = octet;
        }
        packet.truncate(keep.index(packet.len() + 1));
        for lesson in room.packet(Direction::Downlink, &packet) {
            prop_assert_eq!(lesson.name, "moh.vn");
            prop_assert_eq!(lesson.subscriber, "10.20.0.11".parse::<IpAddr>().unwrap());
        }
    }
}

#[test]
fn the_smallest_limits_hold() {
    let bound = Bound { total: 1, per_subscriber: 1, lifetime_ns: SECOND };
    let mut listener = Listener::new(Limits { questions: bound, fragmented: bound, connections: bound });
    for host in 1..20 {
        let subscriber = SocketAddr::new([10, 20, 0, host].into(), 4000);
        let question = message(7, QUESTION, &[("moh.vn", A)], &[]);
        listener.take(0, Direction::Uplink, &udp(subscriber, socket(RESOLVER), &question)).for_each(drop);
    }
    let last = SocketAddr::new([10, 20, 0, 19].into(), 4000);
    let answer = message(7, ANSWER, &[("moh.vn", A)], &[a("moh.vn", 60, [203, 0, 113, 7])]);
    assert_eq!(listener.take(0, Direction::Downlink, &udp(socket(RESOLVER), last, &answer)).count(), 1);
}
