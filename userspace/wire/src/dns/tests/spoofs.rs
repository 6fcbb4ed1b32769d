//! Answers that nobody asked for teach nothing.

use super::build::*;
use crate::dns::limits::{QUESTION_LIFETIME_NS, QUESTIONS_PER_SUBSCRIBER_MAX};
use crate::dns::{Direction, RECORDS_MAX, Refusal};

fn right() -> Vec<u8> {
    message(7, ANSWER, &[("moh.vn", A)], &[a("moh.vn", 60, [203, 0, 113, 7])])
}

/// A room in which `moh.vn` was asked for.
fn asked() -> Room {
    let mut room = Room::new();
    room.ask(7, "moh.vn", A);
    room
}

#[test]
fn an_answer_with_another_id_port_address_or_resolver_teaches_nothing() {
    let mut room = asked();
    for id in [0, 6, 8, 0x0700, u16::MAX] {
        let forged = message(id, ANSWER, &[("moh.vn", A)], &[a("moh.vn", 60, [6, 6, 6, 6])]);
        room.refuses(&forged, Refusal::WrongId);
    }
    for (source, destination) in
        [(RESOLVER, "10.20.0.11:40001"), (RESOLVER, "10.20.0.12:40000"), ("192.0.2.54:53", SUBSCRIBER)]
    {
        let packet = udp(socket(source), socket(destination), &right());
        room.refuses_packet(Direction::Downlink, &packet, Refusal::Unasked);
    }
    let packet = udp(socket("192.0.2.53:5353"), socket(SUBSCRIBER), &right());
    room.refuses_packet(Direction::Downlink, &packet, Refusal::OtherPort);
    assert_eq!(room.answer(&right()).len(), 1, "the true answer is still awaited");
}

#[test]
fn an_answer_to_another_question_teaches_nothing() {
    let mut room = asked();
    let forged = |questions: &[(&str, u16)]| {
        let records = [a("moh.vn", 60, [6, 6, 6, 6]), a("evil.vn", 60, [6, 6, 6, 6])];
        message(7, ANSWER, questions, &records)
    };
    room.refuses(&forged(&[("evil.vn", A)]), Refusal::WrongQuestion);
    room.refuses(&forged(&[("moh.vn", AAAA)]), Refusal::WrongQuestion);
    room.refuses(&forged(&[("moh.vn", TXT)]), Refusal::OtherType);
    room.refuses(&forged(&[]), Refusal::NotOneQuestion);
    room.refuses(&forged(&[("moh.vn", A), ("moh.vn", A)]), Refusal::NotOneQuestion);
    assert_eq!(room.answer(&right()).len(), 1);
}

#[test]
fn an_answer_without_a_question_or_before_it_teaches_nothing() {
    let mut room = Room::new();
    room.refuses(&right(), Refusal::Unasked);
    room.ask(7, "moh.vn", A);
    assert_eq!(room.answer(&right()).len(), 1);
}

#[test]
fn a_question_is_answered_once_unless_it_is_asked_again() {
    let mut room = asked();
    room.ask(7, "moh.vn", A);
    assert_eq!(room.answer(&right()).len(), 1);
    room.refuses(&right(), Refusal::Answered);
    room.ask(7, "moh.vn", A);
    assert_eq!(room.answer(&right()).len(), 1);
}

#[test]
fn a_failure_is_an_answer_too() {
    let mut room = asked();
    room.refuses(&message(7, ANSWER | 2, &[("moh.vn", A)], &[]), Refusal::Failed);
    room.refuses(&right(), Refusal::Answered);
}

#[test]
fn an_answer_that_comes_too_late_teaches_nothing() {
    let mut room = asked();
    room.now_ns = QUESTION_LIFETIME_NS;
    assert_eq!(room.answer(&right()).len(), 1, "just in time");
    let mut room = asked();
    room.now_ns = QUESTION_LIFETIME_NS + 1;
    room.refuses(&right(), Refusal::TooOld);
}

#[test]
fn mixed_case_must_come_back_as_it_went() {
    let mut room = Room::new();
    let records = [a("moh.vn", 60, [203, 0, 113, 7])];
    room.ask(7, "mOh.Vn", A);
    for wrong in ["moh.vn", "MOH.VN", "MoH.vN"] {
        room.refuses(&message(7, ANSWER, &[(wrong, A)], &records), Refusal::WrongCase);
    }
    let lessons = room.answer(&message(7, ANSWER, &[("mOh.Vn", A)], &records));
    assert_eq!(lessons[0].name, "moh.vn");
    for asked in ["moh.vn", "MOH.VN"] {
        room.ask(8, asked, A);
        let lessons = room.answer(&message(8, ANSWER, &[("Moh.vn", A)], &records));
        assert_eq!(lessons[0].name, "moh.vn", "case means nothing where it is all one");
    }
}

#[test]
fn a_wrong_checksum_teaches_nothing() {
    let mut room = asked();
    let packet = udp(socket(RESOLVER), socket(SUBSCRIBER), &right());
    for place in 0..packet.len() {
        let mut damaged = packet.clone();
        damaged[place] ^= 0x40;
        assert_eq!(room.packet(Direction::Downlink, &damaged), [], "octet {place}");
    }
    let mut none = packet.clone();
    none[26..28].fill(0);
    assert_eq!(room.packet(Direction::Downlink, &none).len(), 1, "IPv4 allows that there is none");
}

#[test]
fn ipv6_does_without_no_checksum() {
    let (subscriber, resolver) = (socket("[2001:db8:20:11::1]:40000"), socket("[2001:db8:53::1]:53"));
    let mut room = Room::new();
    let question = message(7, QUESTION, &[("moh.vn", A)], &[]);
    assert_eq!(room.packet(Direction::Uplink, &udp(subscriber, resolver, &question)), []);
    let packet = udp(resolver, subscriber, &right());
    let mut none = packet.clone();
    none[46..48].fill(0);
    room.refuses_packet(Direction::Downlink, &none, Refusal::Checksum);
    let lessons = room.packet(Direction::Downlink, &packet);
    assert_eq!((lessons[0].subscriber, lessons[0].resolver), (subscriber.ip(), resolver.ip()));
}

#[test]
fn one_who_floods_questions_loses_only_his_own() {
    let mut room = asked();
    let flooder = "10.20.0.99:40000";
    let floods = QUESTIONS_PER_SUBSCRIBER_MAX * 3;
    for number in 0..floods {
        let asked = format!("x{number}.vn");
        let question = message(1, QUESTION, &[(&asked, A)], &[]);
        room.packet(Direction::Uplink, &udp(socket(flooder), socket(RESOLVER), &question));
    }
    let full = u64::try_from(floods - QUESTIONS_PER_SUBSCRIBER_MAX).unwrap();
    assert_eq!(room.listener.stats().refused(Refusal::Full), full);
    let first = message(1, ANSWER, &[("x0.vn", A)], &[a("x0.vn", 60, [6, 6, 6, 6])]);
    let packet = udp(socket(RESOLVER), socket(flooder), &first);
    room.refuses_packet(Direction::Downlink, &packet, Refusal::WrongQuestion);
    assert_eq!(room.answer(&right()).len(), 1);
}

/// What would cost most: names that lead through as many compression pointers as fourteen bits can say. As many as a
/// name has room for are read.
#[test]
fn names_lead_through_some_pointers_and_not_through_many() {
    for (pointers, is_read) in [(126, true), (8000, false)] {
        let mut room = asked();
        let mut octets = message(7, ANSWER, &[("moh.vn", A)], &[]);
        let records = u16::try_from(RECORDS_MAX - 1).unwrap();
        octets[6..8].copy_from_slice(&records.to_be_bytes());
        // Behind the owner (the root), type, class, time to live and length.
        let first = u16::try_from(octets.len() + 11).unwrap();
        let to_name = [0xc0, 12];
        let chain = (1..pointers).flat_map(|step| (0xc000 | (first + 2 * (step - 1))).to_be_bytes());
        let data: Vec<u8> = to_name.into_iter().chain(chain).collect();
        octets.extend(record(&[0], NULL, IN, 60, &data));
        let last = 0xc000 | (first + 2 * (pointers - 1));
        for _ in 1..records {
            octets.extend(record(&last.to_be_bytes(), A, IN, 60, &[203, 0, 113, 7]));
        }
        if is_read {
            let lessons = room.answer(&octets);
            assert_eq!((&lessons[0].name[..], lessons[0].addresses.len()), ("moh.vn", 1));
        } else {
            room.refuses(&octets, Refusal::MalformedMessage);
        }
    }
}
