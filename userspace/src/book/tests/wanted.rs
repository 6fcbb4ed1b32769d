//! Names whose answers must be proven: the gateway asks for them itself.

use super::*;

fn proving() -> Rules {
    Rules { proven: true, ..Rules::of(MOH) }
}

fn wanted(play: &Play) -> Vec<&str> {
    play.book.wanted().collect()
}

#[test]
fn what_must_be_proven_is_wanted_until_nobody_asks_any_more() {
    let mut play = Play::with(&settings(), proving());
    let taught = play.hear(0, "a.moh.vn", &[1]);
    assert!(taught.is_wanted && taught.new.is_empty());
    assert_eq!(taught.refused, [(address(1), Refused::Unproven)]);
    play.hear(0, "bank.example", &[2]);
    play.hear(0, "nothing.moh.vn", &[]);
    assert_eq!(wanted(&play), ["a.moh.vn"]);
    assert!(!play.hear(50, "a.moh.vn", &[1]).is_wanted, "it is already");
    // The cap of lifetimes and the grace.
    assert!(!play.book.forget_wanted(play.at(50 + 699)));
    assert_eq!(wanted(&play), ["a.moh.vn"]);
    assert!(play.book.forget_wanted(play.at(50 + 700)));
    assert!(wanted(&play).is_empty());
}

#[test]
fn what_the_gateway_has_proven_is_held_and_the_wire_adds_nothing_to_it() {
    let mut play = Play::with(&settings(), proving());
    play.hear(0, "a.moh.vn", &[1]);
    let now = play.at(1);
    let proven = play.resolved(1, &[("a.moh.vn", &[1])], Security::Secure);
    play.book.take_resolved(&Arc::new(proven), now);
    assert_eq!(play.changes(1), [change(1, &[1], false)]);
    let taught = play.hear(2, "a.moh.vn", &[1, 2]);
    assert_eq!(taught.refused, [(address(2), Refused::Unproven)]);
    assert_eq!(play.changes(2), []);
    assert_eq!(play.book.told(address(1)), (BTreeSet::from([1]), false));
}

#[test]
fn a_subscriber_brings_in_no_more_names_than_he_may_and_all_of_them_no_more_than_fit() {
    let mut play = Play::with(&settings(), proving());
    let mut lesson = play.lesson(0, "", &[], &[(address(1), TTL)]);
    let names = |count: usize| (0..count).map(|number| format!("x{number}.moh.vn"));
    let mine = usize::try_from(NEW_NAMES_MAX).expect("a small number");
    for name in names(mine + 1) {
        lesson.name = name;
        play.book.learn(&lesson);
    }
    assert_eq!(wanted(&play).len(), mine);
    assert_eq!(play.book.status().refused.get("too many names"), Some(&1));
    for (number, name) in names(WANTED_MAX + 1).enumerate().skip(mine) {
        lesson.subscriber = subscriber(u8::try_from(12 + number / mine).expect("a few subscribers"));
        lesson.name = name;
        play.book.learn(&lesson);
    }
    assert_eq!(wanted(&play).len(), WANTED_MAX);
    assert_eq!(play.book.status().refused.get("book full"), Some(&1));
}

#[test]
fn what_was_proven_is_wanted_again_after_a_restart_while_a_policy_asks_for_it() {
    let answer = |security| Answer {
        learned_at: Timestamp::constant(1_580_515_200, 0),
        ttl: Duration::from_secs(TTL),
        security,
        resolver: None,
        chain: Arc::new([]),
    };
    let saved = |name: &str, last, security| SavedAnswers {
        name: name.to_owned(),
        address: address(last),
        answers: vec![(Source::Resolver, answer(security))],
    };
    let all = [saved("a.moh.vn", 1, Security::Secure), saved("b.moh.vn", 2, Security::Unchecked)];
    for (rules, expected) in [(proving(), &["a.moh.vn"][..]), (Rules::of(MOH), &[])] {
        let mut play = Play::with(&settings(), Rules::default());
        play.book = AddressBook::new(&settings());
        play.book.restore(&all, |_| Dnssec::Off, play.at(0));
        play.book.set_coverage(Arc::new(rules), play.at(0));
        assert_eq!(wanted(&play), expected);
    }
}

#[test]
fn a_policy_that_asks_for_proofs_lets_go_of_what_was_only_heard() {
    let mut play = Play::new(MOH);
    play.hear(0, "a.moh.vn", &[1]);
    assert_eq!(play.changes(0), [change(1, &[1], false)]);
    play.book.set_coverage(Arc::new(proving()), play.at(1));
    assert_eq!(play.changes(1), [change(1, &[], false)]);
    assert!(play.held(1, "a.moh.vn").is_empty());
}
