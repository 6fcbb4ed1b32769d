//! What outlives the controller.

use super::*;

/// What a ledger has of a book.
fn kept(play: &mut Play) -> Vec<SavedAnswers> {
    let pairs = play.book.addresses().into_iter().flat_map(|(name, addresses)| {
        addresses.into_iter().map(move |address| SavedAnswers {
            name: name.clone(),
            address,
            answers: Vec::new(),
        })
    });
    let pairs: Vec<_> = pairs.collect();
    play.book.save_again(&pairs);
    play.book.take_unsaved().into_iter().filter(|saved| !saved.answers.is_empty()).collect()
}

fn restarted(before: &mut Play, second: u64) -> Play {
    let saved = kept(before);
    let now = before.at(second);
    let mut book = AddressBook::new(&settings());
    book.restore(&saved, |_| Dnssec::Off, now);
    let shared: Vec<_> =
        before.book.sharings().into_iter().map(|(address, _, other)| (address, other)).collect();
    book.restore_sharing(&shared, now);
    // The resolver has not asked yet, and no policy is in force.
    book.take_resolved(&Arc::default(), now);
    book.set_coverage(Arc::new(Rules::of(MOH)), now);
    Play { start: before.start, book }
}

#[test]
fn what_was_free_stays_free() {
    let mut before = Play::new(MOH);
    before.hear(0, "a.moh.vn", &[1, 2]);
    before.resolve(0, &[("moh.vn", &[3])]);
    before.hear(0, "bank.example", &[3]);
    before.changes(0);
    let wanted = before.book.in_force();
    // 1000 s later all lifetimes and graces are over; the kernel went on, and flows may use it.
    for second in [100, 1000] {
        let mut after = restarted(&mut before, second);
        after.changes(second);
        assert_eq!(after.book.in_force(), wanted, "after {second} s");
        assert_eq!(after.book.holdings().len(), before.book.holdings().len());
        after.read_flows(second + 5, &[2]);
        after.read_flows(second + 6, &[2]);
        let held = after.held(second + 6, "a.moh.vn");
        assert_eq!(held.contains(&address(1)), second == 100, "not used");
        assert!(held.contains(&address(2)), "used");
    }
    // Past the bound for flows, nothing is kept.
    let day = TTL + KEPT_MAX.as_secs();
    let mut after = restarted(&mut before, day);
    assert!(after.changes(day).is_empty() && after.book.in_force().is_empty());
}

#[test]
fn what_is_not_trusted_now_is_forgotten() {
    let heard = |security| (Source::Wire, answer(security));
    let listed = |security| (Source::Resolver, answer(security));
    for (answers, dnssec, is_held) in [
        (vec![listed(Security::Unchecked)], Dnssec::Off, true),
        (vec![listed(Security::Unchecked)], Dnssec::Opportunistic, false),
        (vec![listed(Security::Insecure)], Dnssec::Opportunistic, true),
        (vec![listed(Security::Insecure)], Dnssec::Required, false),
        (vec![listed(Security::Secure)], Dnssec::Required, true),
        // What is heard is never validated.
        (vec![heard(Security::Unchecked)], Dnssec::Opportunistic, true),
        (vec![heard(Security::Unchecked)], Dnssec::Required, false),
        (vec![listed(Security::Unchecked), heard(Security::Unchecked)], Dnssec::Opportunistic, true),
    ] {
        let mut play = Play::new(MOH);
        let saved = SavedAnswers { name: "moh.vn".into(), address: address(1), answers: answers.clone() };
        play.book = AddressBook::new(&settings());
        play.book.restore(std::slice::from_ref(&saved), |_| dnssec, play.at(0));
        assert_eq!(play.held(0, "moh.vn").len(), usize::from(is_held), "{answers:?}, {dnssec:?}");
        let kept = play.book.take_unsaved();
        let [kept] = &kept[..] else { panic!("{kept:?}") };
        assert_eq!(kept.answers.is_empty(), !is_held, "what is not taken up is forgotten");
    }
}

fn answer(security: Security) -> Answer {
    let learned_at = Timestamp::constant(1_580_515_200, 0);
    Answer { learned_at, ttl: Duration::from_secs(TTL), security, resolver: None, chain: Arc::new([]) }
}

#[test]
fn an_address_that_hygiene_refuses_now_is_forgotten() {
    let mut play = Play::new(MOH);
    let answers = vec![(Source::Wire, answer(Security::Unchecked))];
    let saved = SavedAnswers { name: "moh.vn".into(), address: [10, 20, 0, 1].into(), answers };
    play.book.restore(&[saved], |_| Dnssec::Off, play.at(0));
    assert!(play.book.addresses().is_empty());
}

#[test]
fn what_could_not_be_kept_is_given_again() {
    let mut play = Play::new(MOH);
    play.hear(0, "moh.vn", &[1]);
    let first = play.book.take_unsaved();
    assert_eq!(play.book.take_unsaved(), []);
    play.book.save_again(&first);
    assert_eq!(play.book.take_unsaved(), first);
}
