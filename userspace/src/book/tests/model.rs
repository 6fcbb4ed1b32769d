//! Any history, held against a model that knows only until when each name has each address.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["a.moh.vn", "b.moh.vn", "hospital.example", "stranger.example"];
const ADDRESSES: u8 = 4;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Hear(usize, Vec<u8>, u64),
    Resolve(Vec<(usize, u8)>),
    ReadFlows(Vec<u8>),
    Rules(bool, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let last = || 0..ADDRESSES;
    prop_oneof![
        4 => prop_oneof![0..90u64, 90..500u64, Just(90_000)].prop_map(Step::Wait),
        4 => (0..NAMES.len(), prop::collection::vec(last(), 0..3), 0..900u64)
            .prop_map(|(name, last, ttl)| Step::Hear(name, last, ttl)),
        2 => prop::collection::vec((0..NAMES.len(), last()), 0..5).prop_map(Step::Resolve),
        4 => prop::collection::vec(last(), 0..3).prop_map(Step::ReadFlows),
        1 => any::<(bool, bool)>().prop_map(|(moh, hospital)| Step::Rules(moh, hospital)),
    ]
}

/// What is known of one name's address.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    listed: bool,
    /// Until when what was heard is good, with its grace.
    heard_until: u64,
    /// The end of the longest lifetime.
    good_until: u64,
    over_since: Option<u64>,
}

struct Model {
    play: Play,
    second: u64,
    pairs: BTreeMap<(usize, u8), Known>,
    flows: Option<(u64, Vec<u8>)>,
    moh: bool,
    hospital: bool,
    /// What who follows the book has.
    changed: BTreeMap<IpAddr, Change>,
    open: BTreeMap<(IpAddr, String, u32), Timestamp>,
    shared: BTreeSet<IpAddr>,
}

impl Model {
    fn rules(&self, name: usize) -> BTreeSet<u32> {
        let covered = match name {
            0 | 1 => self.moh.then_some(1),
            2 => self.hospital.then_some(2),
            _ => None,
        };
        covered.into_iter().collect()
    }

    fn coverage(&self) -> Arc<Rules> {
        let rules = [self.moh.then_some(("moh.vn", 1)), self.hospital.then_some(("hospital.example", 2))];
        Arc::new(Rules::of(&rules.into_iter().flatten().collect::<Vec<_>>()))
    }

    fn take(&mut self, step: Step) {
        let now = self.play.at(self.second);
        match step {
            Step::Wait(seconds) => {
                self.second += seconds;
                let now = self.play.at(self.second);
                self.play.book.expire(now);
            }
            Step::Hear(name, last, ttl) => {
                let addresses: Vec<_> = last.iter().map(|last| (address(*last), ttl)).collect();
                let lesson = self.play.lesson(self.second, NAMES[name], &[], &addresses);
                self.play.book.learn(&lesson);
                if !self.rules(name).is_empty() {
                    for last in last {
                        let good_until = self.second + ttl.clamp(30, 600);
                        let known = self.pairs.entry((name, last)).or_default();
                        known.heard_until = good_until + GRACE;
                        known.good_until = known.good_until.max(good_until);
                        known.over_since = None;
                    }
                }
                self.play.book.expire(now);
            }
            Step::Resolve(state) => self.resolve(&state),
            Step::ReadFlows(last) => {
                self.play.read_flows(self.second, &last);
                self.flows = Some((self.second, last));
            }
            Step::Rules(moh, hospital) => {
                (self.moh, self.hospital) = (moh, hospital);
                self.play.book.set_coverage(self.coverage(), now);
            }
        }
        self.expire();
    }

    fn resolve(&mut self, state: &[(usize, u8)]) {
        let state: BTreeSet<(usize, u8)> = state.iter().copied().collect();
        let told: Vec<(&str, [u8; 1])> = state.iter().map(|(name, last)| (NAMES[*name], [*last])).collect();
        let told: Vec<(&str, &[u8])> = told.iter().map(|(name, last)| (*name, &last[..])).collect();
        for known in self.pairs.values_mut() {
            known.listed = false;
        }
        for pair in state {
            let known = self.pairs.entry(pair).or_default();
            known.listed = true;
            known.good_until = known.good_until.max(self.second + TTL);
            known.over_since = None;
        }
        self.play.resolve(self.second, &told);
        self.play.book.expire(self.play.at(self.second));
    }

    fn expire(&mut self) {
        let (second, flows) = (self.second, self.flows.clone());
        let covered: Vec<bool> = (0..NAMES.len()).map(|name| !self.rules(name).is_empty()).collect();
        self.pairs.retain(|(name, last), known| {
            if known.listed {
                return true;
            }
            if !covered[*name] {
                return false;
            }
            if known.heard_until > second {
                return true;
            }
            let over_since = *known.over_since.get_or_insert(second);
            if second >= known.good_until + KEPT_MAX.as_secs() {
                return false;
            }
            match &flows {
                // Flows were read since.
                Some((at, used)) if *at >= over_since => used.contains(last) && second - at < 60,
                _ => second - over_since < 60,
            }
        });
    }

    /// The book's, and what those have who follow its changes and events.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let now = self.play.at(self.second);
        let mut wanted: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        let mut rules: BTreeMap<IpAddr, BTreeSet<u32>> = BTreeMap::new();
        let mut open = BTreeSet::new();
        for (name, last) in self.pairs.keys() {
            wanted.entry(NAMES[*name].to_owned()).or_default().insert(address(*last));
            for rule in self.rules(*name) {
                rules.entry(address(*last)).or_default().insert(rule);
                open.insert((address(*last), NAMES[*name].to_owned(), rule));
            }
        }
        prop_assert_eq!(self.play.book.addresses(), wanted);
        for change in self.play.book.take_changes(now) {
            if change.rules.is_empty() {
                prop_assert!(self.changed.remove(&change.address).is_some(), "it was told of");
            } else {
                self.changed.insert(change.address, change);
            }
        }
        let in_force: Vec<Change> = self.changed.values().cloned().collect();
        prop_assert_eq!(self.play.book.in_force(), in_force);
        let told: BTreeMap<_, _> =
            self.changed.values().map(|change| (change.address, change.rules.clone())).collect();
        prop_assert_eq!(told, rules);
        self.follow_events();
        prop_assert_eq!(self.open.keys().cloned().collect::<BTreeSet<_>>(), open);
        let shared = self.changed.values().filter(|change| change.shared).map(|change| change.address);
        prop_assert_eq!(&self.shared, &shared.collect::<BTreeSet<_>>());
        self.check_sharing()
    }

    fn follow_events(&mut self) {
        for event in self.play.book.take_events() {
            match event {
                HoldingEvent::Opened(Holding { address, name, rule, since, .. }) => {
                    assert_eq!(self.open.insert((address, name, rule), since), None, "it is not open");
                }
                HoldingEvent::Closed { address, name, rule, at } => {
                    let since = self.open.remove(&(address, name, rule)).expect("it is open");
                    assert!(since <= at);
                }
                HoldingEvent::Shared { address, .. } => assert!(self.shared.insert(address)),
                HoldingEvent::Unshared { address, .. } => assert!(self.shared.remove(&address)),
            }
        }
    }

    /// Names of two policies, which have one address now, share it.
    fn check_sharing(&self) -> Result<(), TestCaseError> {
        for last in 0..ADDRESSES {
            let has = |name| self.pairs.contains_key(&(name, last)) && !self.rules(name).is_empty();
            if (has(0) || has(1)) && has(2) {
                prop_assert!(self.shared.contains(&address(last)), "{last}");
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn any_history(steps in prop::collection::vec(step(), 1..60)) {
        let mut model = Model {
            play: Play::new(&[("moh.vn", 1), ("hospital.example", 2)]),
            second: 0,
            pairs: BTreeMap::new(),
            flows: None,
            moh: true,
            hospital: true,
            changed: BTreeMap::new(),
            open: BTreeMap::new(),
            shared: BTreeSet::new(),
        };
        for step in steps {
            model.take(step);
            model.check()?;
        }
    }
}
