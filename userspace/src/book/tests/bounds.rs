//! How much may be learned.

use super::*;
use crate::resolve::{ADDRESSES_MAX, CHANGE_WINDOW, NEW_ADDRESSES_MAX};

#[test]
fn what_hygiene_refuses_is_not_learned() -> Outcome {
    let mut play = Play::new(MOH);
    for (text, refusal) in [
        ("10.0.0.1", Refusal::Private),
        ("127.0.0.1", Refusal::Loopback),
        ("169.254.1.1", Refusal::LinkLocal),
        ("10.20.3.4", Refusal::Private),
        ("192.0.2.1", Refusal::Gateway),
        ("224.0.0.1", Refusal::Multicast),
        ("::ffff:203.0.113.7", Refusal::EmbeddedV4),
        ("fe80::1", Refusal::LinkLocal),
    ] {
        let lesson = play.lesson(0, "moh.vn", &[], &[(text.parse()?, TTL), (address(1), TTL)]);
        let taught = play.book.learn(&lesson);
        assert_eq!(taught.refused, [(text.parse()?, Refused::Address(refusal))], "{text}");
    }
    assert_eq!(play.held(0, "moh.vn"), [address(1)]);
    assert_eq!(play.book.status().refused["link-local"], 2);
    Ok(())
}

#[test]
fn a_name_has_a_bounded_number_of_addresses_in_each_family() {
    let mut play = Play::new(MOH);
    // Slowly enough for the bound on change.
    let mut second = 0;
    for last in 0..=64 {
        second = u64::from(last) * 5;
        play.hear(second, "moh.vn", &[last]);
    }
    assert_eq!(play.held(second, "moh.vn").len(), ADDRESSES_MAX);
    let last = play.hear(second, "moh.vn", &[100]);
    assert_eq!(last.refused, [(address(100), Refused::Address(Refusal::TooMany))]);
    // What is there already is confirmed, and the other family has room of its own.
    assert_eq!(play.hear(second, "moh.vn", &[5]).refused, []);
    let v6: IpAddr = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into();
    let lesson = play.lesson(second + 300, "moh.vn", &[], &[(v6, TTL)]);
    assert_eq!(play.book.learn(&lesson).new, [v6]);
}

#[test]
fn a_name_changes_only_so_fast() {
    let settings = ResolverSettings { grace: Duration::ZERO, ..settings() };
    let mut play = Play::with(&settings, Rules::of(MOH));
    let hear = |play: &mut Play, second, last: u8| {
        let lesson = play.lesson(second, "moh.vn", &[], &[(address(last), 30)]);
        play.book.learn(&lesson)
    };
    for last in 0..40 {
        hear(&mut play, 0, last);
    }
    play.hear(0, "moh.vn", &[200]);
    play.read_flows(30, &[]);
    play.read_flows(31, &[]);
    let learned = (40..80).filter(|last| !hear(&mut play, 31, *last).new.is_empty()).count();
    assert_eq!(learned, NEW_ADDRESSES_MAX - 41);
    let refused = hear(&mut play, 31, 90).refused;
    assert_eq!(refused, [(address(90), Refused::Address(Refusal::TooFast))]);
    assert!(!hear(&mut play, CHANGE_WINDOW.as_secs(), 90).new.is_empty());
}

#[test]
fn one_subscriber_brings_in_only_so_many_names() {
    let mut play = Play::new(MOH);
    let hear = |play: &mut Play, second, who, number: u32| {
        let lesson = play.lesson(second, &format!("{number}.moh.vn"), &[], &[(address(1), TTL)]);
        play.book.learn(&Lesson { subscriber: subscriber(who), ..lesson })
    };
    for number in 0..NEW_NAMES_MAX {
        assert_eq!(hear(&mut play, 0, 66, number).new.len(), 1, "{number}");
    }
    let refused = hear(&mut play, 0, 66, NEW_NAMES_MAX).refused;
    assert_eq!(refused, [(address(1), Refused::TooManyNames)]);
    assert_eq!(hear(&mut play, 0, 66, 0).refused, [], "a known name is no new one");
    assert_eq!(hear(&mut play, 0, 11, NEW_NAMES_MAX).new.len(), 1, "others are not concerned");
    assert_eq!(hear(&mut play, CHANGE_WINDOW.as_secs(), 66, NEW_NAMES_MAX + 1).new.len(), 1);
}

#[test]
fn a_full_book_refuses_and_goes_on() {
    let mut play = Play::new(MOH);
    let v4 = |number: u32| IpAddr::from(Ipv4Addr::from_bits(0x0b00_0000 + number));
    let per_name = u32::try_from(ADDRESSES_MAX).expect("small");
    let full = u32::try_from(PLACES_MAX).expect("small");
    for number in 0..full {
        let name = format!("{}.moh.vn", number / per_name);
        let lesson = play.lesson(0, &name, &[], &[(v4(number), TTL)]);
        // Each name is somebody else's.
        let subscriber = SubscriberId::of(&Address::from(v4(number / per_name)), Family::V4);
        assert_eq!(play.book.learn(&Lesson { subscriber, ..lesson }).new.len(), 1, "{number}");
    }
    let lesson = play.lesson(0, "late.moh.vn", &[], &[(v4(full), TTL), (v4(0), TTL)]);
    let taught = play.book.learn(&lesson);
    assert_eq!((taught.new, taught.refused), (vec![v4(0)], vec![(v4(full), Refused::Full)]));
    play.read_flows(TTL + GRACE, &[]);
    play.read_flows(TTL + GRACE + 1, &[]);
    play.changes(TTL + GRACE + 1);
    assert_eq!(play.book.status().addresses, 0);
}

#[test]
fn what_is_to_be_proven_is_not_learned_from_the_wire() {
    let mut play = Play::with(&settings(), Rules { proven: true, ..Rules::of(MOH) });
    assert_eq!(play.hear(0, "moh.vn", &[1]).refused, [(address(1), Refused::Unproven)]);
    let now = play.at(0);
    let resolved = play.resolved(0, &[("moh.vn", &[2])], Security::Secure);
    play.book.take_resolved(&Arc::new(resolved), now);
    assert_eq!(play.held(0, "moh.vn"), [address(2)]);
}

#[test]
fn a_name_whose_answer_was_forged_is_not_learned_from_the_wire() {
    let mut play = Play::new(MOH);
    let status = |security| NameStatus {
        name: "moh.vn".into(),
        family: Family::V4,
        addresses: BTreeSet::new(),
        aliases: Vec::new(),
        foreign: Vec::new(),
        learned_at: None,
        expires_at: None,
        stale: false,
        last_error: None,
        security: Some(security),
        refused: BTreeMap::new(),
        refused_total: 0,
        ech: None,
        hints: BTreeSet::new(),
        service_aliases: Vec::new(),
    };
    let forged = Resolved { status: vec![status(Security::Bogus)], ..Resolved::default() };
    play.book.take_resolved(&Arc::new(forged), play.at(0));
    assert_eq!(play.hear(0, "moh.vn", &[1]).refused, [(address(1), Refused::Bogus)]);
    assert_eq!(play.hear(0, "www.moh.vn", &[1]).new, [address(1)], "another name");
    let again = Resolved { status: vec![status(Security::Secure)], ..Resolved::default() };
    play.book.take_resolved(&Arc::new(again), play.at(1));
    assert_eq!(play.hear(1, "moh.vn", &[1]).new, [address(1)]);
}
