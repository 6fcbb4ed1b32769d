//! When each name is asked for, and how long its addresses stay.
//!
//! Nothing here waits, reads a clock or draws a random number: all of that is given, so that a year of DNS
//! passes in a test in no time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tollfree_core::address::Family;

use super::answer::{Outcome, Question};
use super::hygiene::{Refusal, check_address};
use super::resolver::ResolverSettings;
use super::saved::SavedAddress;
use super::status::{NameStatus, Resolved};

/// Addresses kept of one name in one family. Reason: no listed site needs more at once, and a hijacked name
/// must not fill the plan.
pub const ADDRESSES_MAX: usize = 64;

/// Wait after the first failure. Reason: a lost packet or a restarting server is over by then.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// Longest wait between failures. Reason: once a server is back, a name should be fresh within a minute.
const RETRY_MAX: Duration = Duration::from_mins(1);

/// Longest time ahead that is planned for. Reason: keeps sums of instants from overflowing, whatever is
/// configured.
const AHEAD_MAX: Duration = Duration::from_hours(24 * 365);

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For waiting.
    pub monotonic: Instant,
    /// For people, and for what outlives a restart.
    pub wall: Timestamp,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self { monotonic: Instant::now(), wall: Timestamp::now() }
    }
}

/// An address in use.
#[derive(Clone, Copy, Debug)]
struct Held {
    learned_at: Timestamp,
    ttl: Duration,
    leaves_at: Instant,
}

/// The last good answer.
#[derive(Clone, Debug)]
struct Good {
    learned_at: Timestamp,
    ttl: Duration,
    expires_at: Instant,
    aliases: Vec<String>,
}

/// One name in one family.
#[derive(Clone, Debug)]
struct Slot {
    held: BTreeMap<IpAddr, Held>,
    /// When to ask; `None` while an answer is awaited.
    ask_at: Option<Instant>,
    good: Option<Good>,
    failures: u32,
    last_error: Option<String>,
    refused: BTreeMap<IpAddr, Refusal>,
    refused_total: u64,
}

/// Asks for every name on its own clock, and keeps what was learned.
///
/// An address stays until the grace period after its answer's lifetime has passed without another answer that
/// holds it. So neither a failing server nor an empty answer empties a set at once, and one that lasts does
/// in the end.
#[derive(Clone, Debug)]
pub struct Scheduler {
    min_ttl: Duration,
    max_ttl: Duration,
    grace: Duration,
    allow_private: bool,
    saved: BTreeMap<Question, Vec<SavedAddress>>,
    slots: BTreeMap<Question, Slot>,
}

impl Scheduler {
    /// No names yet; `saved` is what was known before a restart.
    pub fn new(settings: &ResolverSettings, saved: Vec<SavedAddress>) -> Self {
        let mut by_question: BTreeMap<Question, Vec<SavedAddress>> = BTreeMap::new();
        for one in saved {
            let family = if one.address.is_ipv4() { Family::V4 } else { Family::V6 };
            by_question.entry(Question { name: one.name.clone(), family }).or_default().push(one);
        }
        Self {
            min_ttl: settings.min_ttl,
            max_ttl: settings.max_ttl,
            grace: settings.grace,
            allow_private: settings.allow_private,
            saved: by_question,
            slots: BTreeMap::new(),
        }
    }

    /// Follows exactly `names` from now on. New ones have their saved addresses and are due at once; the
    /// others' addresses go at once, because no policy lists them any longer.
    pub fn set_names(&mut self, names: &BTreeSet<String>, now: Moment) {
        self.slots.retain(|question, _| names.contains(&question.name));
        for name in names {
            for family in [Family::V4, Family::V6] {
                let question = Question { name: name.clone(), family };
                if !self.slots.contains_key(&question) {
                    let slot = self.new_slot(&question, now);
                    self.slots.insert(question, slot);
                }
            }
        }
    }

    /// A slot with what is saved of it. What would have left by now is not taken up, nor what is not allowed
    /// any longer. An address that seems to come from the future, because the clock was set, counts as
    /// learned now.
    fn new_slot(&self, question: &Question, now: Moment) -> Slot {
        let mut slot = Slot::new(now.monotonic);
        for saved in self.saved.get(question).into_iter().flatten() {
            let age = Duration::try_from(now.wall.duration_since(saved.learned_at)).unwrap_or(Duration::ZERO);
            let ttl = saved.ttl.min(self.max_ttl);
            let leaves_in = ttl.saturating_add(self.grace).saturating_sub(age);
            if leaves_in.is_zero() || slot.check(saved.address, self.allow_private).is_err() {
                continue;
            }
            let learned_at = saved.learned_at;
            let leaves_at = after(now.monotonic, leaves_in);
            slot.held.insert(saved.address, Held { learned_at, ttl, leaves_at });
            if slot.good.as_ref().is_none_or(|good| good.learned_at < learned_at) {
                let expires_at = after(now.monotonic, ttl.saturating_sub(age));
                slot.good = Some(Good { learned_at, ttl, expires_at, aliases: Vec::new() });
            }
        }
        slot
    }

    /// Up to `room` questions to ask now, the longest due first; each then awaits [`Scheduler::answered`].
    pub fn due(&mut self, now: Instant, room: usize) -> Vec<Question> {
        let mut due: Vec<_> = self
            .slots
            .iter_mut()
            .filter_map(|(question, slot)| Some((slot.ask_at.filter(|at| *at <= now)?, question, slot)))
            .collect();
        due.sort_by_key(|(at, ..)| *at);
        due.truncate(room);
        due.into_iter()
            .map(|(_, question, slot)| {
                slot.ask_at = None;
                question.clone()
            })
            .collect()
    }

    /// Takes an outcome, and plans the next question. `random` is any number: it spreads retries.
    pub fn answered(&mut self, question: &Question, outcome: Outcome, now: Moment, random: u32) {
        let Some(slot) = self.slots.get_mut(question) else { return };
        let wait = match outcome {
            Outcome::Addresses { addresses, ttl, aliases } => {
                let ttl = ttl.max(self.min_ttl).min(self.max_ttl);
                slot.learn(&addresses, Good::new(ttl, aliases, now), self.grace, self.allow_private, now)
            }
            Outcome::Empty { exists: false, .. } => Err("there is no such name".to_owned()),
            Outcome::Empty { .. } if !slot.held.is_empty() => {
                Err(format!("there is no {} record any longer", question.record_type()))
            }
            // A site without IPv6 has nothing wrong with it.
            Outcome::Empty { ttl, .. } => Ok(ttl.unwrap_or(self.min_ttl).max(self.min_ttl).min(self.max_ttl)),
            Outcome::Failed { error } => Err(error),
        };
        let wait = slot.plan(wait, random);
        slot.ask_at = Some(after(now.monotonic, wait));
        slot.expire(now.monotonic);
    }

    /// Lets go of addresses whose grace is over. Where a question is due or under way, its outcome comes
    /// first: a name whose lifetime is over this moment is not emptied while its new addresses are on their
    /// way.
    pub fn expire(&mut self, now: Instant) {
        for slot in self.slots.values_mut() {
            if slot.ask_at.is_some_and(|at| at > now) {
                slot.expire(now);
            }
        }
    }

    /// The next moment after `now` at which a question is due or an address goes. What is due already is
    /// waiting for room, not for a moment.
    pub fn next_event(&self, now: Instant) -> Option<Instant> {
        let asks = self.slots.values().filter_map(|slot| slot.ask_at);
        let leaves = self
            .slots
            .values()
            .filter(|slot| slot.ask_at.is_some_and(|at| at > now))
            .flat_map(|slot| slot.held.values().map(|held| held.leaves_at));
        asks.chain(leaves).filter(|at| *at > now).min()
    }

    /// Everything that is known, as of `now`.
    pub fn resolved(&self, now: Instant) -> Resolved {
        let mut resolved = Resolved::default();
        for (question, slot) in &self.slots {
            let addresses = resolved.addresses.entry(question.name.clone()).or_default();
            addresses.extend(slot.held.keys());
            resolved.status.push(slot.status(question, now));
            resolved.saved.extend(slot.held.iter().map(|(address, held)| SavedAddress {
                name: question.name.clone(),
                address: *address,
                learned_at: held.learned_at,
                ttl: held.ttl,
            }));
        }
        resolved
    }
}

impl Good {
    fn new(ttl: Duration, aliases: Vec<String>, now: Moment) -> Self {
        Self { learned_at: now.wall, ttl, expires_at: after(now.monotonic, ttl), aliases }
    }
}

impl Slot {
    fn new(ask_at: Instant) -> Self {
        Self {
            held: BTreeMap::new(),
            ask_at: Some(ask_at),
            good: None,
            failures: 0,
            last_error: None,
            refused: BTreeMap::new(),
            refused_total: 0,
        }
    }

    /// Whether `address` may be held; those that are held already keep their place.
    fn check(&self, address: IpAddr, allow_private: bool) -> Result<(), Refusal> {
        check_address(address, allow_private)?;
        let room = self.held.len() < ADDRESSES_MAX || self.held.contains_key(&address);
        if room { Ok(()) } else { Err(Refusal::TooMany) }
    }

    /// Holds what may be held of an answer: when to ask next, or what is wrong with it.
    fn learn(
        &mut self,
        addresses: &[IpAddr],
        good: Good,
        grace: Duration,
        allow_private: bool,
        now: Moment,
    ) -> Result<Duration, String> {
        self.refused.clear();
        let ttl = good.ttl;
        let leaves_at = after(now.monotonic, ttl.saturating_add(grace));
        let mut confirmed = false;
        for address in addresses {
            match self.check(*address, allow_private) {
                Ok(()) => {
                    self.held.insert(*address, Held { learned_at: now.wall, ttl, leaves_at });
                    confirmed = true;
                }
                Err(refusal) => {
                    self.refused.insert(*address, refusal);
                    self.refused_total = self.refused_total.saturating_add(1);
                }
            }
        }
        if !confirmed {
            return Err(format!("none of the answer's {} addresses may be used", addresses.len()));
        }
        self.good = Some(good);
        Ok(ttl)
    }

    /// How long to wait until the next question, after a wait that the answer gave or after an error.
    fn plan(&mut self, wait: Result<Duration, String>, random: u32) -> Duration {
        match wait {
            Ok(wait) => {
                self.failures = 0;
                self.last_error = None;
                wait
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.last_error = Some(error);
                retry_wait(self.failures, random)
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        self.held.retain(|_, held| held.leaves_at > now);
    }

    fn status(&self, question: &Question, now: Instant) -> NameStatus {
        let good = self.good.as_ref();
        let expires_at = good.map(|good| good.learned_at.checked_add(good.ttl).unwrap_or(Timestamp::MAX));
        NameStatus {
            name: question.name.clone(),
            family: question.family,
            addresses: self.held.keys().copied().collect(),
            aliases: good.map_or_else(Vec::new, |good| good.aliases.clone()),
            learned_at: good.map(|good| good.learned_at),
            expires_at,
            stale: !self.held.is_empty() && good.is_none_or(|good| good.expires_at <= now),
            last_error: self.last_error.clone(),
            refused: self.refused.clone(),
            refused_total: self.refused_total,
        }
    }
}

/// Doubles with each failure up to [`RETRY_MAX`]; `random` takes off up to a half, so that names that failed
/// together are not asked for together.
fn retry_wait(failures: u32, random: u32) -> Duration {
    let doubled =
        RETRY_FIRST.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let longest = doubled.min(RETRY_MAX);
    longest.mul_f64(1.0 - f64::from(random) / f64::from(u32::MAX) / 2.0)
}

fn after(now: Instant, wait: Duration) -> Instant {
    now + wait.min(AHEAD_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "moh.gov.vn";

    fn settings() -> ResolverSettings {
        ResolverSettings {
            servers: Vec::new(),
            timeout: Duration::from_secs(2),
            min_ttl: Duration::from_secs(30),
            max_ttl: Duration::from_mins(10),
            grace: Duration::from_secs(100),
            allow_private: false,
        }
    }

    fn v4() -> Question {
        Question { name: NAME.into(), family: Family::V4 }
    }

    fn address(last: u8) -> IpAddr {
        [203, 0, 113, last].into()
    }

    fn addresses(last: &[u8], ttl: u64) -> Outcome {
        let addresses = last.iter().map(|last| address(*last)).collect();
        Outcome::Addresses { addresses, ttl: Duration::from_secs(ttl), aliases: Vec::new() }
    }

    fn failed() -> Outcome {
        Outcome::Failed { error: "no answer".into() }
    }

    /// A scheduler of which only the IPv4 side is played.
    struct Play {
        start: Moment,
        scheduler: Scheduler,
    }

    impl Play {
        fn new(saved: Vec<SavedAddress>) -> Self {
            let start = Moment { monotonic: Instant::now(), wall: Timestamp::constant(1_580_515_200, 0) };
            let mut scheduler = Scheduler::new(&settings(), saved);
            scheduler.set_names(&BTreeSet::from([NAME.to_owned()]), start);
            scheduler.due(start.monotonic, usize::MAX);
            let none = Outcome::Empty { exists: true, ttl: Some(Duration::from_mins(10)) };
            scheduler.answered(&Question { name: NAME.into(), family: Family::V6 }, none, start, 0);
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
        // Within the floor of 30 s and the cap of 600 s; failures double from 1 s to 60 s, less up to a half.
        let none = |exists, ttl| Outcome::Empty { exists, ttl: Some(Duration::from_secs(ttl)) };
        for (outcome, random, expected) in [
            (addresses(&[1], 300), 0, 300.0),
            (addresses(&[1], 5), u32::MAX, 30.0),
            (addresses(&[1], 86_400), 0, 600.0),
            (none(true, 120), 0, 120.0),
            (none(true, 1), 0, 30.0),
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
        assert!((play.answer(second + 100, addresses(&[1], 300), 0) - 300.0).abs() < 1e-6);
        assert!((play.answer(second + 400, failed(), 0) - 1.0).abs() < 1e-6, "it starts again");
        assert_eq!(retry_wait(u32::MAX, 0), RETRY_MAX);
    }

    #[test]
    fn an_address_leaves_after_lifetime_and_grace() {
        let mut play = Play::new(Vec::new());
        play.answer(0, addresses(&[1, 2], 300), 0);
        play.answer(300, addresses(&[2, 3], 300), 0);
        // 1 was last seen at 0: 300 s of lifetime and 100 s of grace.
        assert_eq!(play.held(399), [address(1), address(2), address(3)]);
        assert_eq!(play.held(400), [address(2), address(3)]);
        assert_eq!(play.scheduler.next_event(play.at(400).monotonic), Some(play.at(600).monotonic));
    }

    #[test]
    fn failures_and_empty_answers_keep_the_last_good_one() {
        for bad in [
            failed(),
            Outcome::Empty { exists: true, ttl: None },
            Outcome::Empty { exists: false, ttl: None },
            addresses(&[], 300),
            Outcome::Addresses {
                addresses: vec![[127, 0, 0, 1].into()],
                ttl: Duration::from_mins(5),
                aliases: Vec::new(),
            },
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
            assert_eq!(play.held(302), [address(1)], "{bad:?}");
            play.answer(400, bad.clone(), 0);
            assert!(play.held(401).is_empty(), "the bound: {bad:?}");
        }
    }

    #[test]
    fn the_answer_under_way_comes_before_expiry() {
        let mut play = Play::new(Vec::new());
        play.answer(0, addresses(&[1], 300), 0);
        // Nobody asked for so long that lifetime and grace are over: the question is due first.
        assert_eq!(play.held(500), [address(1)]);
        assert_eq!(play.scheduler.due(play.at(500).monotonic, 9), [v4()]);
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
        };
        play.answer(0, outcome.clone(), 0);
        play.answer(300, outcome, 0);
        let status = play.status(300);
        assert_eq!(status.addresses, BTreeSet::from([address(1)]));
        assert_eq!(
            status.refused,
            BTreeMap::from([(bad[0], Refusal::Private), (bad[1], Refusal::LinkLocal)])
        );
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
        };
        let unfollowed = SavedAddress { name: "other.example".into(), ..saved(9, 0, 300) };
        // 1: good; 2: in its grace for 10 s more; 3: over; 4: from the future; 5: may not be used.
        let private = SavedAddress { address: [10, 0, 0, 5].into(), ..saved(5, 0, 300) };
        let all = vec![
            saved(1, 100, 300),
            saved(2, 390, 300),
            saved(3, 400, 300),
            saved(4, -50, 300),
            private,
            unfollowed,
        ];
        let mut play = Play::new(all);
        play.answer(0, failed(), 0);
        assert_eq!(play.held(0), [address(1), address(2), address(4)]);
        play.answer(10, failed(), 0);
        assert_eq!(play.held(10), [address(1), address(4)]);
        play.answer(300, failed(), 0);
        assert_eq!(play.held(300), [address(4)]);
        let resolved = play.scheduler.resolved(play.at(300).monotonic);
        assert_eq!(resolved.saved, [saved(4, -50, 300)], "as it was learned");
    }

    #[test]
    fn a_name_that_is_not_listed_any_longer_goes_at_once() {
        let mut play = Play::new(Vec::new());
        play.answer(0, addresses(&[1], 300), 0);
        let now = play.at(1);
        play.scheduler.set_names(&BTreeSet::from(["other.example".to_owned()]), now);
        let resolved = play.scheduler.resolved(now.monotonic);
        assert_eq!(resolved.addresses, BTreeMap::from([("other.example".to_owned(), BTreeSet::new())]));
        play.scheduler.answered(&v4(), addresses(&[2], 300), now, 0);
        assert_eq!(play.scheduler.resolved(now.monotonic), resolved, "its late answer changes nothing");
        assert_eq!(play.scheduler.due(now.monotonic, 1).len(), 1, "no more than there is room for");
        assert_eq!(play.scheduler.due(now.monotonic, 9).len(), 1);
        assert_eq!(play.scheduler.next_event(now.monotonic), None, "both are under way");
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

    /// What is known of each address is only until when it must stay.
    struct Model {
        play: Play,
        second: u64,
        under_way: bool,
        stays: BTreeMap<IpAddr, u64>,
    }

    impl Model {
        fn take(&mut self, step: Step) {
            let now = self.play.at(self.second);
            match step {
                Step::Wait(seconds) => self.second += seconds,
                Step::Ask => {
                    self.under_way |= self.play.scheduler.due(now.monotonic, usize::MAX).contains(&v4());
                }
                _ if !self.under_way => {}
                Step::Answer(last, ttl) => {
                    self.confirm(&last, ttl);
                    self.answered(addresses(&last, ttl));
                }
                Step::Fail => self.answered(failed()),
                Step::Empty(exists) => self.answered(Outcome::Empty { exists, ttl: None }),
            }
        }

        fn confirm(&mut self, last: &[u8], ttl: u64) {
            let mut known: BTreeSet<IpAddr> = self.play.held(self.second).into_iter().collect();
            for address in last.iter().map(|last| address(*last)) {
                if known.contains(&address) || known.len() < ADDRESSES_MAX {
                    known.insert(address);
                    self.stays.insert(address, self.second + ttl.clamp(30, 600) + 100);
                }
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
            let mut model = Model { play, second: 0, under_way: true, stays: BTreeMap::new() };
            for step in steps {
                model.take(step);
                model.check()?;
            }
        }
    }
}
