use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::answer::Outcome;
use super::super::dnssec::Security;
use super::super::hygiene::Refusal;
use super::super::slot::{ADDRESSES_MAX, CHANGE_WINDOW, HINTS_INTERVAL_MIN, NEW_ADDRESSES_MAX, retry_wait};
use super::super::status::NameStatus;
use super::super::tests::settings;
use super::*;

const NAME: &str = "moh.gov.vn";

fn v4() -> Question {
    Question { name: NAME.into(), kind: Kind::A }
}

fn address(last: u8) -> IpAddr {
    [203, 0, 113, last].into()
}

fn addresses(last: &[u8], ttl: u64) -> Outcome {
    let addresses = last.iter().map(|last| address(*last)).collect();
    let (ttl, security) = (Duration::from_secs(ttl), Security::Unchecked);
    Outcome::Addresses { addresses, ttl, aliases: Vec::new(), security }
}

fn failed() -> Outcome {
    Outcome::Failed { error: "no answer".into() }
}

fn names(name: &str) -> BTreeMap<String, NameTerms> {
    BTreeMap::from([(name.to_owned(), NameTerms::default())])
}

/// A scheduler of which only the IPv4 side is played.
struct Play {
    start: Moment,
    scheduler: Scheduler,
}

impl Play {
    fn new(saved: Vec<SavedAddress>) -> Self {
        Self::with(&settings(), saved)
    }

    fn with(settings: &ResolverSettings, saved: Vec<SavedAddress>) -> Self {
        let start = Moment { monotonic: Instant::now(), wall: Timestamp::constant(1_580_515_200, 0) };
        let mut scheduler = Scheduler::new(settings, saved);
        scheduler.set_names(&names(NAME), start);
        scheduler.due(start.monotonic, usize::MAX);
        let none = Outcome::Empty { exists: true, ttl: Some(Duration::from_mins(10)) };
        scheduler.answered(&Question { name: NAME.into(), kind: Kind::Aaaa }, none, start, 0);
        Self { start, scheduler }
    }

    fn at(&self, second: u64) -> Moment {
        let since = Duration::from_secs(second);
        let wall = self.start.wall.checked_add(since).expect("a short test");
        Moment { monotonic: self.start.monotonic + since, wall }
    }

    /// Gives an answer, and says how many seconds later the next question is due.
    fn answer(&mut self, second: u64, outcome: Outcome, random: u32) -> f64 {
        let now = self.at(second);
        self.scheduler.due(now.monotonic, usize::MAX);
        self.scheduler.answered(&v4(), outcome, now, random);
        let ask_at = self.scheduler.slots[&v4()].ask_at.expect("planned");
        ask_at.duration_since(now.monotonic).as_secs_f64()
    }

    fn held(&mut self, second: u64) -> Vec<IpAddr> {
        let now = self.at(second).monotonic;
        self.scheduler.expire(now);
        self.scheduler.resolved(now).addresses[NAME].iter().copied().collect()
    }

    fn status(&self, second: u64) -> NameStatus {
        self.scheduler.resolved(self.at(second).monotonic).status[0].clone()
    }
}

#[test]
fn each_outcome_sets_the_next_question() {
    // Within the floor of 30 s and the cap of 600 s, less 5 to 15 %; failures double from 1 s to 60 s, less up to a
    // half.
    let none = |exists, ttl| Outcome::Empty { exists, ttl: Some(Duration::from_secs(ttl)) };
    for (outcome, random, expected) in [
        (addresses(&[1], 300), 0, 285.0),
        (addresses(&[1], 5), u32::MAX, 25.5),
        (addresses(&[1], 86_400), 0, 570.0),
        (none(true, 120), 0, 114.0),
        (none(true, 1), 0, 28.5),
        (none(false, 120), 0, 1.0),
        (failed(), 0, 1.0),
        (failed(), u32::MAX, 0.5),
        (addresses(&[], 300), 0, 1.0),
    ] {
        let next = Play::new(Vec::new()).answer(0, outcome.clone(), random);
        assert!((next - expected).abs() < 1e-6, "{outcome:?}: {next}");
    }
}

#[test]
fn failures_back_off() {
    let mut play = Play::new(Vec::new());
    let mut second = 0;
    for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        second += 100;
        assert!((play.answer(second, failed(), 0) - expected).abs() < 1e-6);
    }
    assert!((play.answer(second + 100, addresses(&[1], 300), 0) - 285.0).abs() < 1e-6);
    assert!((play.answer(second + 400, failed(), 0) - 1.0).abs() < 1e-6, "it starts again");
    assert_eq!(retry_wait(u32::MAX, 0), Duration::from_mins(1));
}

#[test]
fn an_address_leaves_after_lifetime_and_grace() {
    let mut play = Play::new(Vec::new());
    play.answer(0, addresses(&[1, 2], 300), 0);
    play.answer(300, addresses(&[2, 3], 300), 0);
    // 1 was last seen at 0: 300 s of lifetime and 100 s of grace.
    assert_eq!(play.held(399), [address(1), address(2), address(3)]);
    assert_eq!(play.held(400), [address(2), address(3)]);
    // 95 % of the 600 s for which there is no IPv6 address.
    assert_eq!(play.scheduler.next_event(play.at(400).monotonic), Some(play.at(570).monotonic));
}

#[test]
fn failures_and_empty_answers_keep_the_last_good_one() {
    let loopback = Outcome::Addresses {
        addresses: vec![[127, 0, 0, 1].into()],
        ttl: Duration::from_mins(5),
        aliases: Vec::new(),
        security: Security::Unchecked,
    };
    // Past the lifetime of 300 s: the grace of 100 s, or 1000 s where there is no answer.
    for (bad, bound) in [
        (failed(), 1300),
        (Outcome::Bogus { error: "forged".into() }, 1300),
        (Outcome::Empty { exists: true, ttl: None }, 400),
        (Outcome::Empty { exists: false, ttl: None }, 400),
        (addresses(&[], 300), 400),
        (loopback, 400),
    ] {
        let mut play = Play::new(Vec::new());
        play.answer(0, addresses(&[1], 300), 0);
        assert_eq!(play.status(10).last_error, None);
        play.answer(300, bad.clone(), 0);
        let status = play.status(300);
        assert!(status.stale && status.last_error.is_some(), "{bad:?}");
        assert_eq!(status.learned_at, Some(play.at(0).wall));
        assert_eq!(status.expires_at, Some(play.at(300).wall));
        // Asked again after a second, and bad again.
        play.answer(301, bad.clone(), 0);
        play.answer(bound - 1, bad.clone(), 0);
        assert_eq!(play.held(bound - 1), [address(1)], "{bad:?}");
        play.answer(bound, bad.clone(), 0);
        assert!(play.held(bound).is_empty(), "the bound: {bad:?}");
    }
}

#[test]
fn after_an_outage_addresses_come_back_one_after_the_other() {
    let mut play = Play::new(Vec::new());
    play.answer(0, addresses(&[1, 2], 300), 0);
    play.answer(300, failed(), 0);
    play.answer(900, failed(), 0);
    play.answer(1000, addresses(&[1], 300), 0);
    assert_eq!(play.held(1099), [address(1), address(2)], "100 s of grace begin with the first answer");
    assert_eq!(play.held(1100), [address(1)]);
}

/// A name with a time to live of 1 s whose answers hold one of 64 addresses each, while the server is gone for ten
/// minutes, with the settings that hold by default.
#[test]
fn rotation_through_an_outage_interrupts_nothing() {
    const DIES: u64 = 1000;
    const COMES_BACK: u64 = 1600;
    let own: [(&ipnet::IpNet, &tollfree_core::plan::Local); 0] = [];
    let settings = ResolverSettings::new(&crate::config::ResolverConfig::default(), own);
    let mut play = Play::with(&settings, Vec::new());
    let mut turns = (0..64).cycle();
    // When each address was last told of.
    let mut told: BTreeMap<IpAddr, u64> = BTreeMap::new();
    // The next question comes after 4.75 s at the latest: once in 5 s.
    for second in (0..3000).step_by(5) {
        let is_dead = (DIES..COMES_BACK).contains(&second);
        if is_dead {
            play.answer(second, failed(), 0);
        } else {
            let turn = turns.next().expect("without end");
            told.insert(address(turn), second);
            play.answer(second, addresses(&[turn], 1), 0);
        }
        let held = play.held(second);
        // The 300 s for which subscribers' caches may lag behind, in which the outage does not count.
        let since = |told: u64| {
            let outage = second.min(COMES_BACK).saturating_sub(DIES);
            second - told - if told < DIES { outage } else { 0 }
        };
        for (address, at) in told.iter().filter(|(_, at)| since(**at) < 300) {
            assert!(held.contains(address), "{address}, last told of at {at}, is gone at {second}");
        }
        let status = play.status(second);
        assert_eq!((status.stale, status.refused_total), (is_dead, 0), "at {second}");
    }
}

#[test]
fn a_name_may_change_only_so_fast() {
    // Addresses go at once, so that only the rate bounds how many there are in all.
    let settings = ResolverSettings { grace: Duration::ZERO, ..settings() };
    let mut play = Play::with(&settings, Vec::new());
    let first: Vec<u8> = (0..50).collect();
    play.answer(0, addresses(&first, 30), 0);
    let second: Vec<u8> = (50..100).collect();
    play.answer(30, addresses(&second, 30), 0);
    let status = play.status(30);
    assert_eq!(status.addresses.len(), NEW_ADDRESSES_MAX - first.len());
    assert_eq!((status.refused_total, status.refused[&address(99)]), (36, Refusal::TooFast));
    // The first ones are past the window; those of before the limit count on.
    let window = CHANGE_WINDOW.as_secs();
    play.answer(window, addresses(&second, 30), 0);
    assert_eq!(play.status(window).addresses.len(), second.len());
}

#[test]
fn only_a_proven_answer_counts_where_it_is_required() {
    let of = |security| Outcome::Addresses {
        addresses: vec![address(1)],
        ttl: Duration::from_mins(5),
        aliases: Vec::new(),
        security,
    };
    for (dnssec, security, is_used) in [
        (Dnssec::Required, Security::Secure, true),
        (Dnssec::Required, Security::Insecure, false),
        (Dnssec::Required, Security::Indeterminate, false),
        (Dnssec::Required, Security::Unchecked, false),
        (Dnssec::Required, Security::Bogus, false),
        (Dnssec::Opportunistic, Security::Insecure, true),
        (Dnssec::Opportunistic, Security::Bogus, false),
    ] {
        let mut play = Play::with(&ResolverSettings { dnssec, ..settings() }, Vec::new());
        play.answer(0, of(security), 0);
        assert_eq!(play.held(1).len(), usize::from(is_used), "{dnssec:?}, {security:?}");
        let status = play.status(1);
        assert_eq!((status.security, status.last_error.is_none()), (Some(security), is_used));
    }
}

#[test]
fn what_becomes_required_is_asked_for_at_once() {
    let mut play = Play::new(Vec::new());
    play.answer(0, addresses(&[1], 300), 0);
    let mut terms = NameTerms::default();
    terms.add(Some(Dnssec::Required), None);
    let now = play.at(10);
    play.scheduler.set_names(&BTreeMap::from([(NAME.to_owned(), terms)]), now);
    assert!(play.scheduler.due(now.monotonic, 9).contains(&(v4(), Dnssec::Required)));
    // What was learned without a proof is not kept through failures.
    play.answer(300, failed(), 0);
    assert_eq!(play.held(300), [address(1)]);
    play.answer(400, failed(), 0);
    assert!(play.held(400).is_empty());
}

#[test]
fn aliases_are_told_whole_and_foreign_ones_flagged() {
    let mut play = Play::new(Vec::new());
    let mut terms = NameTerms::default();
    terms.add(None, Some(vec!["gov.vn".into(), "edge.example".into()]));
    play.scheduler.set_names(&BTreeMap::from([(NAME.to_owned(), terms)]), play.at(0));
    let aliases: Vec<String> = ["www.gov.vn", "cdn.example", "a.edge.example"].map(str::to_owned).into();
    let outcome = Outcome::Addresses {
        addresses: vec![address(1)],
        ttl: Duration::from_mins(5),
        aliases: aliases.clone(),
        security: Security::Unchecked,
    };
    play.answer(0, outcome, 0);
    let status = play.status(0);
    assert_eq!((status.aliases, status.foreign), (aliases, vec!["cdn.example".to_owned()]));
    assert_eq!(status.addresses.len(), 1, "it is flagged, not refused");
}

#[test]
fn hints_are_told_and_not_used() {
    let mut play = Play::new(Vec::new());
    play.answer(0, addresses(&[1], 300), 0);
    let question = Question { name: NAME.into(), kind: Kind::Https };
    let hints = super::super::ServiceHints {
        ech: true,
        addresses: BTreeSet::from([address(9), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 9].into()]),
        aliases: vec!["pool.example".into()],
    };
    let outcome = Outcome::Service { hints, ttl: Duration::from_secs(30) };
    play.scheduler.answered(&question, outcome, play.at(0), 0);
    let status = play.status(0);
    assert_eq!((status.ech, status.hints), (Some(true), BTreeSet::from([address(9)])));
    assert_eq!(status.service_aliases, ["pool.example"]);
    assert_eq!(play.held(0), [address(1)]);
    let asked_again = play.scheduler.slots[&question].ask_at.expect("planned");
    assert_eq!(asked_again, play.at(0).monotonic + HINTS_INTERVAL_MIN);
}

#[test]
fn the_answer_under_way_comes_before_expiry() {
    let mut play = Play::new(Vec::new());
    play.answer(0, addresses(&[1], 300), 0);
    // Nobody asked for so long that lifetime and grace are over: the question is due first.
    assert_eq!(play.held(500), [address(1)]);
    assert_eq!(play.scheduler.due(play.at(500).monotonic, 9), [(v4(), Dnssec::Off)]);
    assert_eq!(play.held(501), [address(1)]);
    play.answer(502, addresses(&[2], 300), 0);
    assert_eq!(play.held(502), [address(2)]);
}

#[test]
fn bad_addresses_are_counted_and_left() {
    let mut play = Play::new(Vec::new());
    let bad: [IpAddr; 2] = [[10, 0, 0, 1].into(), [169, 254, 1, 1].into()];
    let outcome = Outcome::Addresses {
        addresses: vec![bad[0], address(1), bad[1]],
        ttl: Duration::from_mins(5),
        aliases: vec!["cdn.example".into()],
        security: Security::Unchecked,
    };
    play.answer(0, outcome.clone(), 0);
    play.answer(300, outcome, 0);
    let status = play.status(300);
    assert_eq!(status.addresses, BTreeSet::from([address(1)]));
    assert_eq!(status.refused, BTreeMap::from([(bad[0], Refusal::Private), (bad[1], Refusal::LinkLocal)]));
    assert_eq!((status.refused_total, status.last_error), (4, None));
    assert_eq!(status.aliases, ["cdn.example"]);
}

#[test]
fn the_first_addresses_stay_when_there_are_too_many() {
    let mut play = Play::new(Vec::new());
    let first: Vec<u8> = (100..164).collect();
    play.answer(0, addresses(&first, 300), 0);
    let all: Vec<u8> = (90..170).collect();
    play.answer(300, addresses(&all, 300), 0);
    let status = play.status(300);
    assert_eq!(status.addresses, first.iter().map(|last| address(*last)).collect());
    assert_eq!((status.refused_total, status.refused[&address(90)]), (16, Refusal::TooMany));
    assert_eq!(play.held(401).len(), ADDRESSES_MAX, "and they were confirmed");
}

#[test]
fn saved_addresses_go_on_where_they_were() {
    let start = Play::new(Vec::new()).start.wall;
    let saved = |last, age: i64, ttl| SavedAddress {
        name: NAME.into(),
        address: address(last),
        learned_at: start.checked_sub(jiff::SignedDuration::from_secs(age)).expect("a short time"),
        ttl: Duration::from_secs(ttl),
        security: Security::Unchecked,
        resolver: Some([192, 0, 2, 53].into()),
        aliases: Arc::new([]),
    };
    let unfollowed = SavedAddress { name: "other.example".into(), ..saved(9, 0, 300) };
    // 1: good; 2: past its grace, which the failures before may have prolonged, for 10 s more; 3: over; 4: from the
    // future; 5: may not be used. 300 s of lifetime, 1000 s without answers.
    let private = SavedAddress { address: [10, 0, 0, 5].into(), ..saved(5, 0, 300) };
    let all = vec![
        saved(1, 100, 300),
        saved(2, 1290, 300),
        saved(3, 1300, 300),
        saved(4, -50, 300),
        private,
        unfollowed,
    ];
    let mut play = Play::new(all);
    play.answer(0, failed(), 0);
    assert_eq!(play.held(0), [address(1), address(2), address(4)]);
    play.answer(10, failed(), 0);
    assert_eq!(play.held(10), [address(1), address(4)]);
    play.answer(1200, failed(), 0);
    assert_eq!(play.held(1200), [address(4)]);
    let resolved = play.scheduler.resolved(play.at(1200).monotonic);
    assert_eq!(resolved.saved, [saved(4, -50, 300)], "as it was learned");
    play.answer(1300, failed(), 0);
    assert!(play.held(1300).is_empty());
}

#[test]
fn the_first_answer_ends_what_was_saved_past_its_grace() {
    let start = Play::new(Vec::new()).start.wall;
    let learned_at = start.checked_sub(jiff::SignedDuration::from_secs(900)).expect("a short time");
    let ttl = Duration::from_mins(5);
    let saved = saved_as(Security::Unchecked, learned_at, ttl);
    let mut play = Play::new(vec![saved]);
    play.answer(0, addresses(&[2], 300), 0);
    assert_eq!(play.held(99), [address(1), address(2)]);
    assert_eq!(play.held(100), [address(2)]);
}

fn saved_as(security: Security, learned_at: Timestamp, ttl: Duration) -> SavedAddress {
    let (resolver, aliases) = (Some([192, 0, 2, 53].into()), Arc::from(["cdn.example".to_owned()]));
    SavedAddress { name: NAME.into(), address: address(1), learned_at, ttl, security, resolver, aliases }
}

#[test]
fn what_was_proven_stays_proven_through_a_restart_and_nothing_else() {
    let start = Play::new(Vec::new()).start.wall;
    let ttl = Duration::from_mins(5);
    for (dnssec, security, is_trusted) in [
        (Dnssec::Off, Security::Unchecked, true),
        (Dnssec::Opportunistic, Security::Unchecked, false),
        (Dnssec::Opportunistic, Security::Insecure, true),
        (Dnssec::Opportunistic, Security::Bogus, false),
        (Dnssec::Required, Security::Insecure, false),
        (Dnssec::Required, Security::Secure, true),
    ] {
        let settings = ResolverSettings { dnssec, ..settings() };
        let saved = saved_as(security, start, ttl);
        let mut play = Play::with(&settings, vec![saved.clone()]);
        // No answer can be had: 300 s of lifetime, 1000 s without answers.
        for second in [0, 300, 1299] {
            play.answer(second, Outcome::Bogus { error: "forged".into() }, 0);
            assert_eq!(play.held(second).len(), usize::from(is_trusted), "{dnssec:?}, {security:?}");
        }
        let told = play.scheduler.resolved(play.at(1299).monotonic).saved;
        assert_eq!(told, if is_trusted { vec![saved] } else { Vec::new() });
        play.answer(1300, failed(), 0);
        assert!(play.held(1300).is_empty());
    }
}

#[test]
fn who_answered_is_kept_with_each_address() {
    let mut play = Play::new(Vec::new());
    let resolver = Some([192, 0, 2, 53].into());
    let first = Answered { outcome: addresses(&[1, 2], 300), resolver };
    play.scheduler.answered(&v4(), first, play.at(0), 0);
    play.answer(300, addresses(&[2], 300), 0);
    let saved = play.scheduler.resolved(play.at(300).monotonic).saved;
    let told: Vec<_> = saved.iter().map(|saved| (saved.address, saved.resolver)).collect();
    assert_eq!(told, [(address(1), resolver), (address(2), None)]);
}

#[test]
fn a_name_that_is_not_listed_any_longer_goes_at_once() {
    let mut play = Play::new(Vec::new());
    play.answer(0, addresses(&[1], 300), 0);
    let now = play.at(1);
    play.scheduler.set_names(&names("other.example"), now);
    let resolved = play.scheduler.resolved(now.monotonic);
    assert_eq!(resolved.addresses, BTreeMap::from([("other.example".to_owned(), BTreeSet::new())]));
    play.scheduler.answered(&v4(), addresses(&[2], 300), now, 0);
    assert_eq!(play.scheduler.resolved(now.monotonic), resolved, "its late answer changes nothing");
    assert_eq!(play.scheduler.due(now.monotonic, 1).len(), 1, "no more than there is room for");
    assert_eq!(play.scheduler.due(now.monotonic, 9).len(), 2);
    assert_eq!(play.scheduler.next_event(now.monotonic), None, "all three are under way");
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Ask,
    Answer(Vec<u8>, u64),
    Fail,
    Empty(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..200u64).prop_map(Step::Wait),
        3 => Just(Step::Ask),
        2 => (prop::collection::vec(any::<u8>(), 0..80), any::<u32>())
            .prop_map(|(last, ttl)| Step::Answer(last, ttl.into())),
        2 => (prop::collection::vec(0..6u8, 0..6), 0..900u64)
            .prop_map(|(last, ttl)| Step::Answer(last, ttl)),
        1 => Just(Step::Fail),
        1 => any::<bool>().prop_map(Step::Empty),
    ]
}

/// What is known of each address is only until when its answer is good, and until when it must stay.
struct Model {
    play: Play,
    second: u64,
    under_way: bool,
    good: BTreeMap<IpAddr, u64>,
    stays: BTreeMap<IpAddr, u64>,
    outlasting: bool,
    /// When addresses came anew.
    arrivals: Vec<u64>,
}

impl Model {
    fn take(&mut self, step: Step) {
        let now = self.play.at(self.second);
        match step {
            Step::Wait(seconds) => self.second += seconds,
            Step::Ask => {
                let due = self.play.scheduler.due(now.monotonic, usize::MAX);
                self.under_way |= due.contains(&(v4(), Dnssec::Off));
            }
            _ if !self.under_way => {}
            Step::Answer(last, ttl) => {
                self.recover();
                self.confirm(&last, ttl);
                self.answered(addresses(&last, ttl));
            }
            Step::Fail => {
                self.outlasting = true;
                for address in self.play.held(self.second) {
                    let stays = self.stays[&address].max(self.good[&address] + 1000);
                    self.stays.insert(address, stays);
                }
                self.answered(failed());
            }
            Step::Empty(exists) => {
                self.recover();
                self.answered(Outcome::Empty { exists, ttl: None });
            }
        }
    }

    fn recover(&mut self) {
        if std::mem::take(&mut self.outlasting) {
            for (address, stays) in &mut self.stays {
                *stays = (*stays).min(self.good[address].max(self.second) + 100);
            }
        }
    }

    fn confirm(&mut self, last: &[u8], ttl: u64) {
        let mut known: BTreeSet<IpAddr> = self.play.held(self.second).into_iter().collect();
        let has = |address: &IpAddr| last.iter().any(|last| self::address(*last) == *address);
        known.retain(|address| self.stays[address] > self.second || has(address));
        for address in last.iter().map(|last| address(*last)) {
            let lately = self.arrivals.iter().filter(|at| self.second - **at < 300).count();
            let is_new = !known.contains(&address);
            if is_new && (known.len() >= ADDRESSES_MAX || lately >= NEW_ADDRESSES_MAX) {
                continue;
            }
            if is_new {
                self.arrivals.push(self.second);
            }
            known.insert(address);
            self.good.insert(address, self.second + ttl.clamp(30, 600));
            self.stays.insert(address, self.second + ttl.clamp(30, 600) + 100);
        }
    }

    fn answered(&mut self, outcome: Outcome) {
        let now = self.play.at(self.second);
        self.play.scheduler.answered(&v4(), outcome, now, 0);
        self.under_way = false;
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let held: BTreeSet<IpAddr> = self.play.held(self.second).into_iter().collect();
        let staying = self.stays.iter().filter(|(_, until)| **until > self.second);
        let must: BTreeSet<IpAddr> = staying.map(|(address, _)| *address).collect();
        prop_assert!(held.is_superset(&must), "left early: {:?}", must.difference(&held));
        let now = self.play.at(self.second).monotonic;
        if self.play.scheduler.slots[&v4()].ask_at.is_some_and(|at| at > now) {
            prop_assert_eq!(held, must, "and none stays longer");
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_set_never_shrinks_faster_than_grace(steps in prop::collection::vec(step(), 1..80)) {
        let play = Play::new(Vec::new());
        let (good, stays) = (BTreeMap::new(), BTreeMap::new());
        let (under_way, outlasting, arrivals) = (true, false, Vec::new());
        let mut model = Model { play, second: 0, under_way, good, stays, outlasting, arrivals };
        for step in steps {
            model.take(step);
            model.check()?;
        }
    }
}
