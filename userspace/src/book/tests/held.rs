//! What is learned, and how long it stays.

use super::*;

#[test]
fn the_first_answer_teaches_at_once() {
    let mut play = Play::new(MOH);
    let taught = play.hear_by(0, "a.moh.vn", &["edge.example"], &[7, 8]);
    assert_eq!(
        taught,
        Taught { is_covered: true, new: vec![address(7), address(8)], refused: Vec::new(), is_wanted: false }
    );
    assert_eq!(play.changes(0), [change(7, &[1], false), change(8, &[1], false)]);
    let events = play.book.take_events();
    let [HoldingEvent::Opened(first), HoldingEvent::Opened(_)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((first.address, first.name.as_str(), first.rule), (address(7), "a.moh.vn", 1));
    assert_eq!((first.since, first.source), (play.at(0).wall, Source::Wire));
    let Answer { learned_at, ttl, security, resolver: who, chain } = first.answer.clone();
    assert_eq!((learned_at, ttl), (play.at(0).wall, Duration::from_secs(TTL)));
    assert_eq!(
        (security, who, &*chain),
        (Security::Unchecked, Some(resolver()), &["edge.example".to_owned()][..])
    );
    // The same again is nothing new.
    assert!(play.hear(10, "a.moh.vn", &[7]).new.is_empty());
    assert_eq!((play.changes(10), play.book.take_events()), (Vec::new(), Vec::new()));
    let status = play.book.status();
    assert_eq!((status.names, status.addresses, status.lessons, status.learned), (1, 2, 2, 2));
}

#[test]
fn a_name_that_no_rule_covers_teaches_nothing() {
    let mut play = Play::new(MOH);
    for name in ["bank.example", "notmoh.vn", "moh.vn.evil.example"] {
        assert_eq!(play.hear(0, name, &[7]), Taught::default(), "{name}");
    }
    assert_eq!((play.changes(0), play.book.take_events()), (Vec::new(), Vec::new()));
    assert_eq!(play.book.status().lessons, 0);
    assert!(play.book.addresses().is_empty());
}

#[test]
fn each_address_leaves_on_its_own_clock() {
    let mut play = Play::new(MOH);
    // Within the floor of 30 s and the cap of 600 s.
    let lesson = play.lesson(0, "moh.vn", &[], &[(address(1), 0), (address(2), 300), (address(3), 86_400)]);
    play.book.learn(&lesson);
    play.read_flows(129, &[]);
    assert_eq!(play.held(129, "moh.vn"), [1, 2, 3].map(address));
    play.read_flows(130, &[]);
    play.read_flows(131, &[]);
    assert_eq!(play.held(131, "moh.vn"), [2, 3].map(address));
    play.hear(350, "moh.vn", &[2]);
    for second in [749, 750] {
        play.read_flows(second, &[]);
    }
    assert_eq!(play.held(750, "moh.vn").len(), 0, "300 s and 600 s, and 100 s of grace");
}

#[test]
fn an_empty_answer_takes_nothing_away() {
    let mut play = Play::new(MOH);
    play.hear(0, "moh.vn", &[1]);
    play.hear(1, "moh.vn", &[]);
    play.read_flows(2, &[]);
    assert_eq!(play.held(2, "moh.vn"), [address(1)]);
}

#[test]
fn an_address_stays_while_flows_use_it_up_to_a_bound() {
    let mut play = Play::new(MOH);
    play.hear(0, "moh.vn", &[1, 2]);
    let bound = TTL + KEPT_MAX.as_secs();
    for second in (0..bound + 100).step_by(5) {
        play.read_flows(second, &[1]);
        let held = play.held(second, "moh.vn");
        assert_eq!(held.contains(&address(1)), second < bound, "at {second}");
        assert_eq!(held.contains(&address(2)), second < TTL + GRACE, "at {second}");
        if second == TTL + GRACE {
            assert_eq!(play.book.status().kept_in_use, 1);
        }
    }
}

#[test]
fn a_flow_that_began_just_before_the_end_is_waited_for() {
    let mut play = Play::new(MOH);
    play.hear(0, "moh.vn", &[1]);
    play.read_flows(TTL + GRACE - 1, &[]);
    assert_eq!(play.held(TTL + GRACE, "moh.vn"), [address(1)], "flows were read before the end");
    play.read_flows(TTL + GRACE + 4, &[1]);
    assert_eq!(play.held(TTL + GRACE + 5, "moh.vn"), [address(1)]);
    play.read_flows(TTL + GRACE + 9, &[]);
    assert!(play.held(TTL + GRACE + 10, "moh.vn").is_empty());
}

#[test]
fn where_flows_cannot_be_read_nothing_is_kept_for_them() {
    let mut play = Play::new(MOH);
    play.hear(0, "moh.vn", &[1, 2]);
    play.read_flows(TTL + GRACE + 5, &[1]);
    assert_eq!(play.held(TTL + GRACE + 64, "moh.vn"), [address(1)]);
    assert!(play.held(TTL + GRACE + 65, "moh.vn").is_empty(), "a minute old");
    play.hear(1000, "moh.vn", &[3]);
    assert_eq!(play.held(1000 + TTL + GRACE + 59, "moh.vn"), [address(3)], "found to be over only now");
    assert!(play.held(1000 + TTL + GRACE + 119, "moh.vn").is_empty());
}

#[test]
fn what_the_resolver_lets_go_of_goes_unless_it_is_used() {
    let mut play = Play::new(MOH);
    play.resolve(0, &[("moh.vn", &[1, 2, 3])]);
    assert_eq!(play.changes(0).len(), 3);
    play.hear(0, "moh.vn", &[3]);
    play.resolve(100, &[("moh.vn", &[9])]);
    play.read_flows(105, &[1]);
    assert_eq!(play.held(105, "moh.vn"), [1, 3, 9].map(address), "used, heard, and resolved");
    let gone: Vec<_> = play.changes(105).into_iter().filter(|change| change.rules.is_empty()).collect();
    assert_eq!(gone, [change(2, &[], false)]);
    play.read_flows(110, &[]);
    assert_eq!(play.held(110, "moh.vn"), [3, 9].map(address));
    // It comes back.
    play.resolve(120, &[("moh.vn", &[1, 9])]);
    play.read_flows(125, &[]);
    assert_eq!(play.held(125, "moh.vn"), [1, 3, 9].map(address));
}

#[test]
fn other_rules_judge_everything_anew() {
    let mut play = Play::new(MOH);
    play.hear(0, "a.moh.vn", &[1]);
    play.hear(0, "b.moh.vn", &[1]);
    play.resolve(0, &[("later.example", &[5])]);
    assert_eq!(play.changes(0), [change(1, &[1], false)]);
    play.book.take_events();
    // One rule ends, two begin; what the resolver follows already has its addresses.
    let rules = Rules::of(&[("a.moh.vn", 2), ("later.example", 3)]);
    play.book.set_coverage(Arc::new(rules), play.at(10));
    assert_eq!(play.changes(10), [change(1, &[2], false), change(5, &[3], false)]);
    let told = play.book.take_events().into_iter().map(|event| match event {
        HoldingEvent::Opened(Holding { name, rule, since, .. }) => (true, name, rule, since),
        HoldingEvent::Closed { name, rule, at, .. } => (false, name, rule, at),
        other => panic!("{other:?}"),
    });
    let at = play.at(10).wall;
    let told: BTreeSet<_> = told.collect();
    let wanted = [
        (false, "a.moh.vn".to_owned(), 1, at),
        (true, "a.moh.vn".to_owned(), 2, at),
        (false, "b.moh.vn".to_owned(), 1, at),
        (true, "later.example".to_owned(), 3, at),
    ];
    assert_eq!(told, wanted.into());
    // A name that no rule covers is not kept, whatever flows there are.
    play.read_flows(11, &[1]);
    assert!(play.held(11, "b.moh.vn").is_empty());
    play.book.set_coverage(Arc::new(Rules::default()), play.at(20));
    assert_eq!(play.changes(20), [change(1, &[], false), change(5, &[], false)]);
    assert!(play.book.in_force().is_empty() && play.book.holdings().is_empty());
    assert_eq!(play.held(20, "later.example"), [address(5)], "the resolver follows it");
}
