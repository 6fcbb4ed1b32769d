//! Addresses that unrelated names have.

use super::*;

#[test]
fn a_strangers_name_makes_an_address_shared() {
    let mut play = Play::new(MOH);
    play.hear(0, "moh.vn", &[1, 2]);
    play.changes(0);
    play.book.take_events();
    play.hear(10, "bank.example", &[1, 3]);
    assert_eq!(play.changes(10), [change(1, &[1], true)]);
    let shared = HoldingEvent::Shared {
        address: address(1),
        name: "moh.vn".into(),
        other: "bank.example".into(),
        at: play.at(10).wall,
    };
    assert_eq!(play.book.take_events(), [shared]);
    assert_eq!(play.book.sharings(), [(address(1), "moh.vn".to_owned(), "bank.example".to_owned())]);
    assert_eq!(play.book.status().shared, 1);
}

#[test]
fn who_was_there_first_counts_too() {
    let mut play = Play::new(MOH);
    play.hear(0, "bank.example", &[1]);
    play.hear(10, "moh.vn", &[1, 2]);
    assert_eq!(play.shared(10, [1, 2]), [true, false]);
}

#[test]
fn names_that_belong_together_share_nothing() {
    let rules = Rules {
        policies: vec![vec![1, 2]],
        ..Rules::of(&[("moh.vn", 1), ("hospital.example", 2), ("school.example", 3)])
    };
    let mut play = Play::with(&settings(), rules);
    // One owner; one policy; an alias of a listed name; a name that leads to a listed one.
    play.hear_by(0, "www.moh.vn", &["edge.cdn.example"], &[1, 2, 3, 4, 5]);
    play.hear(1, "moh.vn", &[1]);
    play.hear(1, "hospital.example", &[2]);
    play.hear(1, "edge.cdn.example", &[3]);
    play.hear_by(1, "shortcut.example", &["www.moh.vn"], &[4]);
    // Another policy's.
    play.hear(1, "school.example", &[5]);
    assert_eq!(play.shared(2, [1, 2, 3, 4, 5]), [false, false, false, false, true]);
    // It was seen before it was known to be an alias.
    play.hear(3, "late.cdn.example", &[2]);
    assert_eq!(play.shared(3, [2]), [true]);
    play.hear_by(4, "www.moh.vn", &["late.cdn.example"], &[2]);
    assert_eq!(play.shared(4, [2]), [false]);
}

#[test]
fn an_uncovered_name_of_the_same_owner_is_no_stranger() {
    let mut play = Play::new(&[("www.moh.vn", 1)]);
    play.hear(0, "www.moh.vn", &[1]);
    play.hear(0, "mail.moh.vn", &[1]);
    assert_eq!(play.shared(0, [1]), [false]);
}

#[test]
fn sharing_is_remembered_for_a_week_after_it_was_last_seen() {
    let mut play = Play::new(MOH);
    let week = SHARING_REMEMBERED.as_secs();
    play.resolve(0, &[("moh.vn", &[1])]);
    play.hear(0, "bank.example", &[1]);
    play.hear(1000, "www.bank.example", &[1]);
    assert_eq!(play.shared(1000 + week - 1, [1]), [true]);
    play.book.take_events();
    assert_eq!(play.changes(1000 + week), [change(1, &[1], false)]);
    let at = play.at(1000 + week).wall;
    assert_eq!(play.book.take_events(), [HoldingEvent::Unshared { address: address(1), at }]);
}

#[test]
fn sharing_outlasts_the_listed_name_that_it_was_seen_with() {
    let mut play = Play::new(MOH);
    play.resolve(0, &[("a.moh.vn", &[1]), ("b.moh.vn", &[1])]);
    play.hear(0, "bank.example", &[1]);
    assert_eq!(play.shared(0, [1]), [true]);
    // The name that it was held against has gone; later, all have, and one comes back.
    play.resolve(10, &[("b.moh.vn", &[1])]);
    play.read_flows(11, &[]);
    assert_eq!(play.shared(11, [1]), [true]);
    play.resolve(20, &[]);
    play.read_flows(21, &[]);
    assert_eq!((play.shared(21, [1]), play.book.status().addresses), ([false], 0));
    play.resolve(30, &[("b.moh.vn", &[1])]);
    assert_eq!(play.shared(30, [1]), [true]);
}

#[test]
fn other_rules_judge_sharing_anew() {
    let mut play = Play::new(MOH);
    play.hear(0, "moh.vn", &[1]);
    play.hear(0, "hospital.example", &[1]);
    assert_eq!(play.shared(0, [1]), [true]);
    let both = [("moh.vn", 1), ("hospital.example", 2)];
    let one_policy = Rules { policies: vec![vec![1, 2]], ..Rules::of(&both) };
    play.book.set_coverage(Arc::new(one_policy), play.at(10));
    assert_eq!(play.shared(10, [1]), [false]);
    play.book.set_coverage(Arc::new(Rules::of(&both)), play.at(20));
    assert_eq!(play.shared(20, [1]), [true], "two policies");
    play.book.set_coverage(Arc::new(Rules::of(&[("hospital.example", 2)])), play.at(30));
    assert_eq!(play.changes(30), [change(1, &[], false)], "who was only a stranger holds nothing");
}

#[test]
fn many_listed_names_do_not_hide_a_stranger() {
    // More owners of one policy than there are witnesses.
    let names: Vec<String> = (0..3 * WITNESSES_MAX).map(|number| format!("site{number}.example")).collect();
    let rules = Rules::of(&[("example", 1)]);
    let mut play = Play::with(&settings(), rules);
    play.hear(0, "stranger.test", &[1]);
    for name in &names {
        play.hear(1, name, &[1]);
    }
    assert_eq!(play.shared(1, [1]), [true]);
    let strangers: Vec<String> =
        (0..3 * WITNESSES_MAX).map(|number| format!("stranger{number}.test2")).collect();
    for name in &strangers {
        play.hear(2, name, &[1]);
    }
    assert_eq!(play.shared(2, [1]), [true]);
}

#[test]
fn encrypted_hellos_hide_names_where_keys_are_published_or_strangers_are() {
    let mut play = Play::new(MOH);
    let resolved = play.resolved(0, &[("a.moh.vn", &[1, 2]), ("b.moh.vn", &[2, 3])], Security::Unchecked);
    let now = play.at(0);
    // b has HTTPS records without keys, c has some, and nothing is known of a.
    let statuses = vec![status("b.moh.vn", Some(false)), status("c.moh.vn", Some(true))];
    play.book.take_resolved(&Arc::new(Resolved { status: statuses, ..resolved.clone() }), now);
    play.hear(0, "stranger.example", &[3]);
    play.changes(0);
    let may = |play: &Play, name, last| play.book.may_encrypt(name, address(last));
    assert!(!may(&play, "a.moh.vn", 1) && !may(&play, "b.moh.vn", 2));
    assert!(may(&play, "b.moh.vn", 3), "a stranger has the address");
    assert!(may(&play, "c.moh.vn", 9), "whatever the address");
    // Another name of the address takes encrypted hellos: so does whoever answers there.
    let statuses = vec![status("a.moh.vn", Some(true)), status("b.moh.vn", Some(false))];
    play.book.take_resolved(&Arc::new(Resolved { status: statuses, ..resolved }), play.at(1));
    assert!(may(&play, "a.moh.vn", 1) && may(&play, "b.moh.vn", 2));
    assert!(!may(&play, "c.moh.vn", 9), "its record has gone");
}

fn status(name: &str, ech: Option<bool>) -> NameStatus {
    NameStatus {
        name: name.into(),
        family: Family::V4,
        addresses: BTreeSet::new(),
        aliases: Vec::new(),
        foreign: Vec::new(),
        learned_at: None,
        expires_at: None,
        stale: false,
        last_error: None,
        security: None,
        refused: BTreeMap::new(),
        refused_total: 0,
        ech,
        hints: BTreeSet::new(),
        service_aliases: Vec::new(),
    }
}
