//! What answers teach, and what their content keeps them from teaching.

use std::net::IpAddr;

use super::build::*;
use crate::dns::{Direction, Hint, Lesson, RECORDS_MAX, Refusal};

fn addresses(list: &[(&str, u32)]) -> Vec<(IpAddr, u32)> {
    list.iter().map(|(address, ttl)| (address.parse().unwrap(), *ttl)).collect()
}

fn lesson(name: &str, chain: &[&str], list: &[(&str, u32)]) -> Lesson {
    Lesson {
        subscriber: socket(SUBSCRIBER).ip(),
        resolver: socket(RESOLVER).ip(),
        name: name.to_owned(),
        chain: chain.iter().map(|&alias| alias.to_owned()).collect(),
        addresses: addresses(list),
        hints: Vec::new(),
    }
}

/// The octets that a name server sends for `ncov.moh.gov.vn`, with a compression pointer and EDNS.
#[test]
fn an_answer_octet_by_octet() {
    let mut room = Room::new();
    room.ask(0x1a2b, "ncov.moh.gov.vn", A);
    let answer = b"\x1a\x2b\x81\x80\x00\x01\x00\x02\x00\x00\x00\x01\
        \x04ncov\x03moh\x03gov\x02vn\x00\x00\x01\x00\x01\
        \xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xcb\x00\x71\x07\
        \xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xcb\x00\x71\x08\
        \x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
    let expected = lesson("ncov.moh.gov.vn", &[], &[("203.0.113.7", 300), ("203.0.113.8", 60)]);
    assert_eq!(room.answer(answer), [expected]);
    assert_eq!((room.listener.stats().questions, room.listener.stats().lessons), (1, 1));
}

#[test]
fn addresses_of_both_families_are_learned_each_from_its_own_question() {
    let mut room = Room::new();
    let [v4, v6] = [a("moh.vn", 60, [203, 0, 113, 7]), record(&name("moh.vn"), AAAA, IN, 90, &[0x20; 16])];
    room.ask(1, "moh.vn", A);
    room.ask(2, "moh.vn", AAAA);
    let both = [v4, v6];
    assert_eq!(
        room.answer(&message(2, ANSWER, &[("moh.vn", AAAA)], &both)),
        [lesson("moh.vn", &[], &[("2020:2020:2020:2020:2020:2020:2020:2020", 90)])]
    );
    assert_eq!(
        room.answer(&message(1, ANSWER, &[("moh.vn", A)], &both)),
        [lesson("moh.vn", &[], &[("203.0.113.7", 60)])]
    );
}

#[test]
fn aliases_are_followed_in_whatever_order_and_the_shortest_life_counts() {
    let mut room = Room::new();
    room.ask(1, "www.moh.vn", A);
    let records = [
        a("cdn.example.net", 300, [198, 51, 100, 9]),
        cname("moh.CDN-provider.net", 200, "cdn.example.net"),
        cname("www.moh.vn", 3600, "moh.cdn-provider.net"),
    ];
    assert_eq!(
        room.answer(&message(1, ANSWER, &[("www.moh.vn", A)], &records)),
        [lesson("www.moh.vn", &["moh.cdn-provider.net", "cdn.example.net"], &[("198.51.100.9", 200)])]
    );
}

#[test]
fn records_of_other_owners_classes_and_types_teach_nothing() {
    let mut room = Room::new();
    room.ask(1, "moh.vn", A);
    let records = [
        a("attacker.example", 300, [6, 6, 6, 1]),
        a("x.moh.vn", 300, [6, 6, 6, 2]),
        a("vn", 300, [6, 6, 6, 3]),
        cname("attacker.example", 300, "moh.vn"),
        record(&name("moh.vn"), A, 3, 300, &[6, 6, 6, 4]),
        record(&name("moh.vn"), TXT, IN, 300, b"\x046.6.6.5"[..5].as_ref()),
        a("moh.vn", 300, [203, 0, 113, 7]),
    ];
    assert_eq!(
        room.answer(&message(1, ANSWER, &[("moh.vn", A)], &records)),
        [lesson("moh.vn", &[], &[("203.0.113.7", 300)])]
    );
}

/// What is beside an alias belongs to nobody (RFC 1034, section 3.6.2).
#[test]
fn addresses_beside_an_alias_are_passed_over() {
    let mut room = Room::new();
    room.ask(1, "moh.vn", A);
    let records = [a("moh.vn", 9, [6, 6, 6, 6]), cname("moh.vn", 9, "b.vn"), a("b.vn", 9, [203, 0, 113, 7])];
    assert_eq!(
        room.answer(&message(1, ANSWER, &[("moh.vn", A)], &records)),
        [lesson("moh.vn", &["b.vn"], &[("203.0.113.7", 9)])]
    );
}

#[test]
fn aliases_in_circles_forks_and_without_end_are_refused() {
    let circle = vec![cname("moh.vn", 9, "b.vn"), cname("b.vn", 9, "moh.vn")];
    let itself = vec![cname("moh.vn", 9, "MOH.vn")];
    let fork = vec![cname("moh.vn", 9, "b.vn"), cname("moh.vn", 9, "c.vn"), a("b.vn", 9, [1, 2, 3, 4])];
    let mut long: Vec<_> =
        (1..=16).map(|step| cname(&format!("{step}.vn"), 9, &format!("{}.vn", step + 1))).collect();
    long.push(cname("moh.vn", 9, "1.vn"));
    long.push(a("17.vn", 9, [1, 2, 3, 4]));
    for records in [circle, itself, fork, long] {
        let mut room = Room::new();
        room.ask(1, "moh.vn", A);
        room.refuses(&message(1, ANSWER, &[("moh.vn", A)], &records), Refusal::Aliases);
    }
}

#[test]
fn the_same_alias_twice_is_one() {
    let mut room = Room::new();
    room.ask(1, "moh.vn", A);
    let records = [cname("moh.vn", 9, "b.vn"), cname("moh.vn", 5, "B.vn"), a("b.vn", 7, [203, 0, 113, 7])];
    assert_eq!(
        room.answer(&message(1, ANSWER, &[("moh.vn", A)], &records)),
        [lesson("moh.vn", &["b.vn"], &[("203.0.113.7", 5)])]
    );
}

/// RFC 2181, section 8: a time to live with its topmost bit set is none.
#[test]
fn a_negative_time_to_live_is_zero() {
    let mut room = Room::new();
    room.ask(1, "moh.vn", A);
    let records = [a("moh.vn", 0x8000_0000, [203, 0, 113, 7]), a("moh.vn", 0x7fff_ffff, [203, 0, 113, 8])];
    assert_eq!(
        room.answer(&message(1, ANSWER, &[("moh.vn", A)], &records)),
        [lesson("moh.vn", &[], &[("203.0.113.7", 0), ("203.0.113.8", 0x7fff_ffff)])]
    );
}

#[test]
fn labels_that_no_host_has_do_not_look_like_one_that_has() {
    let mut room = Room::new();
    let mut asked = message(1, QUESTION, &[("", A)], &[]);
    asked.splice(12..13, *b"\x06a.gov\n\x02vn\x00");
    let mut answer = asked.clone();
    answer[2..4].copy_from_slice(&ANSWER.to_be_bytes());
    answer[7] = 1;
    answer.extend(record(&[0xc0, 12], A, IN, 60, &[203, 0, 113, 7]));
    let packet = udp(socket(SUBSCRIBER), socket(RESOLVER), &asked);
    assert_eq!(room.packet(Direction::Uplink, &packet), []);
    let lessons = room.answer(&answer);
    assert_eq!(lessons, [lesson("a\\.gov\\012.vn", &[], &[("203.0.113.7", 60)])]);
}

#[test]
fn failures_and_truncated_answers_teach_nothing() {
    let records = [a("moh.vn", 60, [203, 0, 113, 7])];
    let cases = [
        (ANSWER | 0x0200, Refusal::Truncated),
        (ANSWER | 1, Refusal::Failed),
        (ANSWER | 2, Refusal::Failed),
        (ANSWER | 3, Refusal::Failed),
        (ANSWER | 5, Refusal::Failed),
        (ANSWER | 0x2800, Refusal::Opcode),
        (QUESTION, Refusal::WrongDirection),
    ];
    for (flags, refusal) in cases {
        let mut room = Room::new();
        room.ask(1, "moh.vn", A);
        room.refuses(&message(1, flags, &[("moh.vn", A)], &records), refusal);
    }
    let mut room = Room::new();
    room.ask(1, "moh.vn", A);
    room.refuses(&message(1, ANSWER, &[("moh.vn", A)], &[]), Refusal::Empty);
}

/// RFC 6891, section 6.1.3: an OPT record has the upper bits of the response code. 16 is BADVERS.
#[test]
fn a_failure_that_edns_tells_is_one() {
    let mut room = Room::new();
    room.ask(1, "moh.vn", A);
    let mut answer = message(1, ANSWER, &[("moh.vn", A)], &[a("moh.vn", 60, [203, 0, 113, 7])]);
    answer[11] = 1;
    answer.extend(record(&[0], 41, 1232, 0x0100_0000, &[]));
    room.refuses(&answer, Refusal::Failed);
}

/// AA says who answers, not whether it is true.
#[test]
fn an_authoritative_answer_is_one_like_any_other() {
    let mut room = Room::new();
    room.ask(1, "moh.vn", A);
    let answer = message(1, ANSWER | 0x0400, &[("moh.vn", A)], &[a("moh.vn", 60, [203, 0, 113, 7])]);
    assert_eq!(room.answer(&answer).len(), 1);
}

#[test]
fn other_types_and_classes_are_not_remembered() {
    let mut room = Room::new();
    let question = |kind, class: u16| {
        let mut octets = message(1, QUESTION, &[("moh.vn", kind)], &[]);
        let class_at = octets.len() - 2;
        octets[class_at..].copy_from_slice(&class.to_be_bytes());
        udp(socket(SUBSCRIBER), socket(RESOLVER), &octets)
    };
    for (kind, class, refusal) in
        [(TXT, IN, Refusal::OtherType), (255, IN, Refusal::OtherType), (A, 3, Refusal::Class)]
    {
        room.refuses_packet(Direction::Uplink, &question(kind, class), refusal);
    }
    let none = message(1, QUESTION, &[], &[]);
    let two = message(1, QUESTION, &[("moh.vn", A), ("other.vn", A)], &[]);
    for octets in [none, two] {
        let packet = udp(socket(SUBSCRIBER), socket(RESOLVER), &octets);
        room.refuses_packet(Direction::Uplink, &packet, Refusal::NotOneQuestion);
    }
}

#[test]
fn a_malformed_answer_teaches_nothing_and_the_next_one_does() {
    let mut room = Room::new();
    room.ask(1, "moh.vn", A);
    let right = message(1, ANSWER, &[("moh.vn", A)], &[a("moh.vn", 60, [203, 0, 113, 7])]);
    for length in 0..right.len() {
        room.refuses(&right[..length], Refusal::MalformedMessage);
    }
    let mut many = right.clone();
    many[6..8].copy_from_slice(&u16::try_from(RECORDS_MAX).unwrap().to_be_bytes());
    room.refuses(&many, Refusal::MalformedMessage);
    let mut circle = right.clone();
    circle.truncate(right.len() - 22);
    circle.extend(record(&[0xc0, 24], A, IN, 60, &[203, 0, 113, 7]));
    room.refuses(&circle, Refusal::MalformedMessage);
    assert_eq!(room.answer(&right).len(), 1);
}

/// RFC 9460: priority, target, then parameters by number: 4 is `ipv4hint`, 5 is `ech`, 6 is `ipv6hint`.
#[test]
fn service_records_are_hints() {
    let mut room = Room::new();
    room.ask(1, "moh.vn", HTTPS);
    let mut data = b"\x00\x01\x00\x00\x04\x00\x08\xcb\x00\x71\x07\xcb\x00\x71\x08".to_vec();
    data.extend(b"\x00\x05\x00\x03abc\x00\x06\x00\x10");
    data.extend([0x20; 16]);
    let records = [record(&name("moh.vn"), HTTPS, IN, 600, &data), a("moh.vn", 60, [203, 0, 113, 9])];
    let lessons = room.answer(&message(1, ANSWER, &[("moh.vn", HTTPS)], &records));
    let hint = Hint {
        target: "moh.vn".to_owned(),
        priority: 1,
        addresses: ["203.0.113.7", "203.0.113.8", "2020:2020:2020:2020:2020:2020:2020:2020"]
            .map(|address| address.parse().unwrap())
            .to_vec(),
        has_ech: true,
        ttl: 600,
    };
    assert_eq!(lessons, [Lesson { hints: vec![hint], ..lesson("moh.vn", &[], &[]) }]);
}
