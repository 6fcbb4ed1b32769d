//! The book.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tollfree_core::address::SubscriberId;

use super::answer::{Answer, SavedAnswers, Source};
use super::change::{Change, Holding, HoldingEvent};
use super::coverage::{Coverage, NoCoverage};
use super::lesson::{Lesson, Refused, Taught};
use super::limits::{
    CHAIN_MAX, NAMES_MAX, NEW_NAMES_MAX, PAIRS_MAX, PASSERS_BY_MAX, PASSERS_EACH_MAX, PLACES_MAX,
    TEACHERS_MAX,
};
use super::pair::{Heard, Listed, Pair, Use};
use super::place::{Place, Told};
use super::status::BookStatus;
use crate::recent::Recent;
use crate::resolve::{
    ADDRESSES_MAX, CHANGE_WINDOW, Dnssec, Moment, NEW_ADDRESSES_MAX, Refusal, Resolved, ResolverSettings,
    SavedAddress, Security,
};

/// What is known of one name beside its addresses' answers.
#[derive(Debug, Default)]
struct Known {
    addresses: BTreeSet<IpAddr>,
    rules: BTreeSet<u32>,
    /// When addresses came anew by lessons, within [`CHANGE_WINDOW`].
    arrivals: VecDeque<Instant>,
}

/// A name that was seen at an address which no listed name has.
#[derive(Clone, Debug)]
struct PasserBy {
    name: Arc<str>,
    seen_at: Instant,
}

/// How many new names a subscriber's answers brought in.
#[derive(Clone, Copy, Debug)]
struct Teacher {
    since: Instant,
    names: u32,
}

/// Which name has which address: see the [module](super).
#[derive(Debug)]
pub struct AddressBook {
    settings: ResolverSettings,
    coverage: Arc<dyn Coverage>,
    names: BTreeMap<Arc<str>, Known>,
    places: BTreeMap<IpAddr, Place>,
    pairs: usize,
    /// Grows whenever a name gets an address or loses one.
    version: u64,
    /// Names of which the gateway's own resolver found the last answer to be forged.
    bogus: BTreeSet<String>,
    /// Names whose HTTPS records have keys for Encrypted `ClientHello`s.
    encrypting: BTreeSet<String>,
    /// The resolver's last state.
    resolved: Arc<Resolved>,
    /// A policy is in force: only then can a name be one that no rule covers.
    has_coverage: bool,
    used: HashSet<IpAddr>,
    used_read_at: Option<Instant>,
    passers_by: Recent<IpAddr, Vec<PasserBy>>,
    teachers: Recent<SubscriberId, Teacher>,
    /// Addresses of which something changed that may concern the data plane.
    touched: BTreeSet<IpAddr>,
    /// Answers that changed since they were last kept.
    unsaved: BTreeSet<(Arc<str>, IpAddr)>,
    events: Vec<HoldingEvent>,
    lessons: u64,
    learned: u64,
    refused: BTreeMap<Refused, u64>,
}

impl AddressBook {
    /// An empty book, which takes from `settings` the bounds of lifetimes, the grace, and what may be an address. No name
    /// is covered yet.
    pub fn new(settings: &ResolverSettings) -> Self {
        Self {
            settings: settings.clone(),
            coverage: Arc::new(NoCoverage),
            names: BTreeMap::new(),
            places: BTreeMap::new(),
            pairs: 0,
            version: 0,
            bogus: BTreeSet::new(),
            encrypting: BTreeSet::new(),
            resolved: Arc::default(),
            has_coverage: false,
            used: HashSet::new(),
            used_read_at: None,
            passers_by: Recent::new(PASSERS_BY_MAX),
            teachers: Recent::new(TEACHERS_MAX),
            touched: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            events: Vec::new(),
            lessons: 0,
            learned: 0,
            refused: BTreeMap::new(),
        }
    }

    /// Takes up what was known before a restart. What is over is kept until flows have been read once, because the data
    /// plane went on with it. `dnssec` says what is asked of a name's signatures: an answer that does not suffice now is
    /// not trusted.
    pub fn restore(&mut self, saved: &[SavedAnswers], dnssec: impl Fn(&str) -> Dnssec, now: Moment) {
        for one in saved {
            let asked = dnssec(&one.name);
            let is_trusted = |(source, answer): &&(Source, Answer)| match source {
                Source::Resolver => answer.security.outlasts_restart(asked),
                Source::Wire => answer.security.suffices(asked),
            };
            let trusted: Vec<_> = one.answers.iter().filter(is_trusted).collect();
            // What is not taken up is forgotten.
            self.unsaved.insert((one.name.as_str().into(), one.address));
            if trusted.is_empty() || self.check_room(&one.name, one.address).is_err() {
                continue;
            }
            let settings = &self.settings;
            let (grace, max_ttl) = (settings.grace, settings.max_ttl);
            let pair = self.pair(&one.name, one.address, now.monotonic);
            for (source, answer) in trusted {
                let age = now.wall.duration_since(answer.learned_at);
                let age = Duration::try_from(age).unwrap_or(Duration::ZERO);
                let ttl = answer.ttl.min(max_ttl);
                pair.restore(now.monotonic, ttl, age);
                let answer = answer.clone();
                match source {
                    Source::Resolver => pair.listed = Some(Listed { answer, is_current: false }),
                    Source::Wire => {
                        let leaves_at = now.monotonic + ttl.saturating_add(grace).saturating_sub(age);
                        pair.heard = Some(Heard { answer, leaves_at });
                    }
                }
            }
            self.touch(&one.name, one.address);
        }
    }

    /// Takes up which names had an address that was shared before a restart, as if they were seen now.
    pub fn restore_sharing(&mut self, seen: &[(IpAddr, String)], now: Moment) {
        for (address, name) in seen {
            self.see(&name.as_str().into(), &[], &BTreeSet::new(), *address, now.monotonic);
        }
    }

    /// Other rules are in force: everything is judged anew.
    pub fn set_coverage(&mut self, coverage: Arc<dyn Coverage>, now: Moment) {
        self.coverage = coverage;
        self.has_coverage = true;
        for (name, known) in &mut self.names {
            known.rules = self.coverage.rules(name);
        }
        let names: Vec<(Arc<str>, IpAddr)> = self.all_pairs().collect();
        for (name, address) in names {
            self.state_rules(&name, address, now);
        }
        for (address, place) in &mut self.places {
            place.judge_again(&*self.coverage);
            self.touched.insert(*address);
        }
        self.expire(now);
    }

    /// Takes the resolver's latest state, as [`Scheduler::resolved`](crate::resolve::Scheduler::resolved) gives it. Only what
    /// differs from the state before is looked at.
    pub fn take_resolved(&mut self, resolved: &Arc<Resolved>, now: Moment) {
        if Arc::ptr_eq(&self.resolved, resolved) {
            return;
        }
        let bogus = resolved.status.iter().filter(|status| status.security == Some(Security::Bogus));
        self.bogus = bogus.map(|status| status.name.clone()).collect();
        let encrypting = resolved.status.iter().filter(|status| status.ech == Some(true));
        self.encrypting = encrypting.map(|status| status.name.clone()).collect();
        let before = std::mem::replace(&mut self.resolved, Arc::clone(resolved));
        let (mut before, mut latest) = (before.saved.iter().peekable(), resolved.saved.iter().peekable());
        // Both are in the order of names and addresses.
        loop {
            let order = match (before.peek(), latest.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => (&old.name, old.address).cmp(&(&new.name, new.address)),
            };
            let old = if order.is_le() { before.next() } else { None };
            let new = if order.is_ge() { latest.next() } else { None };
            match (old, new) {
                (Some(old), None) => self.let_go(old),
                (old, Some(new)) if old != Some(new) => self.take_saved(new, now),
                _ => {}
            }
        }
    }

    /// The resolver holds it no longer.
    fn let_go(&mut self, saved: &SavedAddress) {
        let place = self.places.get_mut(&saved.address);
        if let Some(listed) = place
            .and_then(|place| place.pairs.get_mut(saved.name.as_str()))
            .and_then(|pair| pair.listed.as_mut())
        {
            listed.is_current = false;
        }
    }

    fn take_saved(&mut self, saved: &SavedAddress, now: Moment) {
        if !self.holds(&saved.name, saved.address)
            && let Err(refused) = self.check_room(&saved.name, saved.address)
        {
            *self.refused.entry(refused).or_default() += 1;
            return;
        }
        let pair = self.pair(&saved.name, saved.address, now.monotonic);
        pair.listed = Some(Listed { answer: saved.into(), is_current: true });
        pair.confirm(now.monotonic, saved.ttl);
        self.unsaved.insert((saved.name.as_str().into(), saved.address));
        self.learn_pair(&saved.name, saved.address, &saved.aliases, now);
    }

    /// Takes a lesson. Where no rule covers the name, nothing is learned; but an address that a covered name has is
    /// shared then.
    pub fn learn(&mut self, lesson: &Lesson) -> Taught {
        let rules = self.rules(&lesson.name);
        let chain = lesson.chain.get(..CHAIN_MAX).unwrap_or(&lesson.chain);
        if rules.is_empty() {
            let name: Arc<str> = lesson.name.as_str().into();
            for (address, _) in &lesson.addresses {
                self.see(&name, chain, &rules, *address, lesson.at.monotonic);
            }
            return Taught::default();
        }
        self.lessons += 1;
        let mut taught = Taught { is_covered: true, ..Taught::default() };
        let chain: Arc<[String]> = chain.into();
        for (address, ttl) in &lesson.addresses {
            match self.learn_one(lesson, *address, *ttl, &chain) {
                Ok(true) => taught.new.push(*address),
                Ok(false) => {}
                Err(refused) => {
                    *self.refused.entry(refused).or_default() += 1;
                    taught.refused.push((*address, refused));
                }
            }
        }
        self.learned += taught.new.len() as u64;
        taught
    }

    /// Whether the name has this address anew.
    fn learn_one(
        &mut self,
        lesson: &Lesson,
        address: IpAddr,
        ttl: Duration,
        chain: &Arc<[String]>,
    ) -> Result<bool, Refused> {
        let Lesson { at: now, name, .. } = lesson;
        if !Security::Unchecked.suffices(self.coverage.dnssec(name)) {
            return Err(Refused::Unproven);
        }
        if self.bogus.contains(name) {
            return Err(Refused::Bogus);
        }
        let is_new = !self.holds(name, address);
        if is_new {
            self.check_room(name, address)?;
            self.admit(lesson, address)?;
        }
        let ttl = self.settings.bounded(ttl);
        let leaves_at = now.monotonic + ttl.saturating_add(self.settings.grace);
        let pair = self.pair(name, address, now.monotonic);
        pair.confirm(now.monotonic, ttl);
        let answer = Answer {
            learned_at: now.wall,
            ttl,
            security: Security::Unchecked,
            resolver: Some(lesson.resolver),
            chain: Arc::clone(chain),
        };
        pair.heard = Some(Heard { answer, leaves_at });
        self.unsaved.insert((name.as_str().into(), address));
        self.learn_pair(name, address, chain, *now);
        Ok(is_new)
    }

    /// Counts a new address of a name against what the name, and who asked for it, may bring in.
    fn admit(&mut self, lesson: &Lesson, address: IpAddr) -> Result<(), Refused> {
        let now = lesson.at.monotonic;
        let is_over = |since: Instant| now.saturating_duration_since(since) >= CHANGE_WINDOW;
        if let Some(known) = self.names.get_mut(lesson.name.as_str()) {
            let of_family = known.addresses.iter().filter(|other| other.is_ipv4() == address.is_ipv4());
            if of_family.count() >= ADDRESSES_MAX {
                return Err(Refused::Address(Refusal::TooMany));
            }
            while known.arrivals.front().is_some_and(|at| is_over(*at)) {
                known.arrivals.pop_front();
            }
            if known.arrivals.len() >= NEW_ADDRESSES_MAX {
                return Err(Refused::Address(Refusal::TooFast));
            }
        } else {
            let teacher = self.teachers.get(&lesson.subscriber).copied();
            let teacher = teacher.filter(|teacher| !is_over(teacher.since));
            let Teacher { since, names } = teacher.unwrap_or(Teacher { since: now, names: 0 });
            if names >= NEW_NAMES_MAX {
                return Err(Refused::TooManyNames);
            }
            self.teachers.insert(lesson.subscriber, Teacher { since, names: names + 1 });
        }
        let rules = self.rules(&lesson.name);
        let known = self
            .names
            .entry(lesson.name.as_str().into())
            .or_insert_with(|| Known { rules, ..Known::default() });
        known.arrivals.push_back(now);
        Ok(())
    }

    /// Whether there is room for one more address of `name`, and for this one.
    fn check_room(&self, name: &str, address: IpAddr) -> Result<(), Refused> {
        self.settings.hygiene.check(address).map_err(Refused::Address)?;
        let has_room = (self.names.contains_key(name) || self.names.len() < NAMES_MAX)
            && (self.places.contains_key(&address) || self.places.len() < PLACES_MAX)
            && self.pairs < PAIRS_MAX;
        if has_room { Ok(()) } else { Err(Refused::Full) }
    }

    /// An answer gave `name` this address.
    fn learn_pair(&mut self, name: &str, address: IpAddr, chain: &[String], now: Moment) {
        let rules = self.rules(name);
        if !rules.is_empty()
            && let Some(place) = self.places.get_mut(&address)
        {
            place.know_aliases(chain);
        }
        self.state_rules(name, address, now);
        self.see(&name.into(), chain, &rules, address, now.monotonic);
        self.touch(name, address);
    }

    /// Remembers that a name has an address, whether it is covered or not.
    fn see(
        &mut self,
        name: &Arc<str>,
        chain: &[String],
        rules: &BTreeSet<u32>,
        address: IpAddr,
        now: Instant,
    ) {
        let Some(place) = self.places.get_mut(&address) else {
            self.pass_by(name, address, now);
            return;
        };
        if place.see(name, chain, rules, &*self.coverage, now) {
            self.touched.insert(address);
        }
    }

    /// Remembers who was seen at an address that no listed name has.
    fn pass_by(&mut self, name: &Arc<str>, address: IpAddr, now: Instant) {
        let mut passers = self.passers_by.get(&address).cloned().unwrap_or_default();
        passers.retain(|passer| passer.name != *name);
        if passers.len() >= PASSERS_EACH_MAX {
            passers.remove(0);
        }
        passers.push(PasserBy { name: Arc::clone(name), seen_at: now });
        self.passers_by.insert(address, passers);
    }

    /// Brings what is stated of a pair up to the rules that cover its name.
    fn state_rules(&mut self, name: &str, address: IpAddr, now: Moment) {
        let rules = self.rules(name);
        let Some(place) = self.places.get_mut(&address) else { return };
        let Some((name, pair)) = place.pairs.get_key_value(name) else { return };
        let Some((source, answer)) = pair.answer() else { return };
        if pair.rules == rules {
            return;
        }
        let closed = pair.rules.difference(&rules).map(|rule| HoldingEvent::Closed {
            address,
            name: name.to_string(),
            rule: *rule,
            at: now.wall,
        });
        let opened = rules.difference(&pair.rules).map(|rule| {
            let (name, answer) = (name.to_string(), answer.clone());
            HoldingEvent::Opened(Holding { address, name, rule: *rule, since: now.wall, source, answer })
        });
        self.events.extend(closed.chain(opened));
        let name = Arc::clone(name);
        if let Some(pair) = place.pairs.get_mut(&name) {
            pair.rules.clone_from(&rules);
        }
        place.hold_against(&name, &rules, &*self.coverage);
        self.touched.insert(address);
    }

    /// Takes which addresses flows are open to, as read at `now`.
    pub fn set_used(&mut self, used: HashSet<IpAddr>, now: Moment) {
        self.used = used;
        self.used_read_at = Some(now.monotonic);
        self.expire(now);
    }

    /// Lets go of what is over. To be called every few seconds.
    pub fn expire(&mut self, now: Moment) {
        if !self.has_coverage {
            return;
        }
        let mut over = Vec::new();
        for (address, place) in &mut self.places {
            let flows = Use { read_at: self.used_read_at, is_used: self.used.contains(address) };
            for (name, pair) in &mut place.pairs {
                let is_listed = pair.listed.as_ref().is_some_and(|listed| listed.is_current);
                // A name that no rule covers is not kept for its flows: they are charged. What the resolver follows for
                // a rule that is yet to begin is.
                let stays = is_listed || (!pair.rules.is_empty() && pair.stays(now.monotonic, flows));
                if !stays {
                    over.push((Arc::clone(name), *address));
                }
            }
            if place.forget(now.monotonic) {
                self.touched.insert(*address);
            }
        }
        for (name, address) in over {
            self.remove(&name, address, now);
        }
    }

    fn remove(&mut self, name: &Arc<str>, address: IpAddr, now: Moment) {
        let Some(place) = self.places.get_mut(&address) else { return };
        let Some(pair) = place.pairs.remove(name) else { return };
        self.pairs -= 1;
        self.version += 1;
        place.let_go(name, &*self.coverage);
        self.events.extend(pair.rules.into_iter().map(|rule| HoldingEvent::Closed {
            address,
            name: name.to_string(),
            rule,
            at: now.wall,
        }));
        if let Some(known) = self.names.get_mut(name) {
            known.addresses.remove(&address);
            if known.addresses.is_empty() {
                self.names.remove(name);
            }
        }
        self.unsaved.insert((Arc::clone(name), address));
        self.touched.insert(address);
    }

    /// What the data plane is to hold otherwise than it was last told, by address.
    pub fn take_changes(&mut self, now: Moment) -> Vec<Change> {
        let mut changes = Vec::new();
        for address in std::mem::take(&mut self.touched) {
            let Some(place) = self.places.get_mut(&address) else { continue };
            let rules = place.rules();
            let sharing = place.sharing().filter(|_| !rules.is_empty());
            let sharing = sharing.map(|(name, other)| (name.to_string(), other.to_string()));
            let told = Told { shared: sharing.is_some(), rules };
            if told.shared != place.told.shared {
                let at = now.wall;
                self.events.push(match sharing {
                    Some((name, other)) => HoldingEvent::Shared { address, name, other, at },
                    None => HoldingEvent::Unshared { address, at },
                });
            }
            if told != place.told {
                let (rules, shared) = (told.rules.clone(), told.shared);
                changes.push(Change { address, rules, shared });
                place.told = told;
            }
            if place.pairs.is_empty() {
                self.forget_place(address);
            }
        }
        changes
    }

    /// No name has the address any longer; who was seen there is remembered.
    fn forget_place(&mut self, address: IpAddr) {
        let Some(place) = self.places.remove(&address) else { return };
        let seen = place.witnesses.into_iter();
        let seen = seen.map(|witness| PasserBy { name: witness.name, seen_at: witness.seen_at });
        let seen: Vec<_> = seen.collect();
        if !seen.is_empty() {
            self.passers_by.insert(address, seen);
        }
    }

    /// All that the data plane was told of, as if it had been told of nothing before: for a plan that is made anew.
    pub fn in_force(&self) -> Vec<Change> {
        let told = self.places.iter().filter(|(_, place)| !place.told.rules.is_empty());
        let change = |(address, place): (&IpAddr, &Place)| Change {
            address: *address,
            rules: place.told.rules.clone(),
            shared: place.told.shared,
        };
        told.map(change).collect()
    }

    /// What is to be remembered, in the order in which it happened, since this was last asked. Sharing is in it once
    /// [`AddressBook::take_changes`] has told of it.
    pub fn take_events(&mut self) -> Vec<HoldingEvent> {
        std::mem::take(&mut self.events)
    }

    /// What rules hold now.
    pub fn holdings(&self) -> Vec<Holding> {
        let pairs = self
            .places
            .iter()
            .flat_map(|(address, place)| place.pairs.iter().map(move |(name, pair)| (*address, name, pair)));
        let mut holdings = Vec::new();
        for (address, name, pair) in pairs {
            let Some((source, answer)) = pair.answer() else { continue };
            holdings.extend(pair.rules.iter().map(|rule| Holding {
                address,
                name: name.to_string(),
                rule: *rule,
                since: answer.learned_at,
                source,
                answer: answer.clone(),
            }));
        }
        holdings
    }

    /// Addresses that unrelated names share now, each with a covered name and another.
    pub fn sharings(&self) -> Vec<(IpAddr, String, String)> {
        let shared = self.places.iter().filter(|(_, place)| place.told.shared);
        let pairs = shared.filter_map(|(address, place)| {
            place.sharing().map(|(name, other)| (*address, name.to_string(), other.to_string()))
        });
        pairs.collect()
    }

    /// The rules whose names have an address, as the data plane was told last, and whether strangers' names have it too.
    pub fn told(&self, address: IpAddr) -> (BTreeSet<u32>, bool) {
        let told = self.places.get(&address).map(|place| (place.told.rules.clone(), place.told.shared));
        told.unwrap_or_default()
    }

    /// Whether a name has an address; the name in lower case, without a trailing dot.
    pub fn has(&self, name: &str, address: IpAddr) -> bool {
        self.names.get(name).is_some_and(|known| known.addresses.contains(&address))
    }

    /// Whether behind an encrypted hello to `name` at `address` another name may be (decision 9): strangers' names have the
    /// address too, or `name`, or one that has the address, publishes keys for such hellos (RFC 9848). The name in lower case,
    /// without a trailing dot.
    pub fn may_encrypt(&self, name: &str, address: IpAddr) -> bool {
        let is_encrypting = |name: &str| self.encrypting.contains(name);
        let at_address =
            |place: &Place| place.told.shared || place.pairs.keys().any(|name| is_encrypting(name));
        is_encrypting(name) || self.places.get(&address).is_some_and(at_address)
    }

    /// A number that is another one whenever [`AddressBook::addresses`] is.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Every name's addresses, whether a rule in force covers it or not.
    pub fn addresses(&self) -> BTreeMap<String, BTreeSet<IpAddr>> {
        self.names.iter().map(|(name, known)| (name.to_string(), known.addresses.clone())).collect()
    }

    /// Answers that changed since this was last asked, to be kept for the next start.
    pub fn take_unsaved(&mut self) -> Vec<SavedAnswers> {
        let unsaved = std::mem::take(&mut self.unsaved);
        let answers = |name: &Arc<str>, address: &IpAddr| {
            let pair = self.places.get(address)?.pairs.get(name)?;
            Some(pair.answers())
        };
        unsaved
            .into_iter()
            .map(|(name, address)| SavedAnswers {
                answers: answers(&name, &address).unwrap_or_default(),
                name: name.to_string(),
                address,
            })
            .collect()
    }

    /// These could not be kept: they are given again next time, as they are then.
    pub fn save_again(&mut self, unsaved: &[SavedAnswers]) {
        self.unsaved.extend(unsaved.iter().map(|one| (one.name.as_str().into(), one.address)));
    }

    /// How full it is, and what came of what it was told.
    pub fn status(&self) -> BookStatus {
        let is_kept = |pair: &Pair| pair.over_since.is_some();
        let kept = |place: &&&Place| place.pairs.values().all(is_kept);
        // One that has just lost its last name is there until that is told.
        let places: Vec<&Place> = self.places.values().filter(|place| !place.pairs.is_empty()).collect();
        let count = |found: usize| found as u64;
        BookStatus {
            names: count(self.names.len()),
            addresses: count(places.len()),
            shared: count(places.iter().filter(|place| place.told.shared).count()),
            kept_in_use: count(places.iter().filter(kept).count()),
            lessons: self.lessons,
            learned: self.learned,
            refused: self.refused.iter().map(|(why, times)| (why.name().to_owned(), *times)).collect(),
        }
    }

    fn rules(&self, name: &str) -> BTreeSet<u32> {
        self.names.get(name).map_or_else(|| self.coverage.rules(name), |known| known.rules.clone())
    }

    fn holds(&self, name: &str, address: IpAddr) -> bool {
        self.names.get(name).is_some_and(|known| known.addresses.contains(&address))
    }

    fn all_pairs(&self) -> impl Iterator<Item = (Arc<str>, IpAddr)> {
        self.names
            .iter()
            .flat_map(|(name, known)| known.addresses.iter().map(|address| (Arc::clone(name), *address)))
    }

    /// The pair of a name and an address, which is made if it is not there.
    fn pair(&mut self, name: &str, address: IpAddr, now: Instant) -> &mut Pair {
        let name: Arc<str> =
            self.names.get_key_value(name).map_or_else(|| name.into(), |(name, _)| Arc::clone(name));
        let coverage = &self.coverage;
        let known = self
            .names
            .entry(Arc::clone(&name))
            .or_insert_with(|| Known { rules: coverage.rules(&name), ..Known::default() });
        if known.addresses.insert(address) {
            self.pairs += 1;
            self.version += 1;
        }
        let passers_by = &mut self.passers_by;
        let place = self.places.entry(address).or_insert_with(|| {
            let mut place = Place::default();
            for passer in passers_by.get(&address).into_iter().flatten() {
                let rules = coverage.rules(&passer.name);
                place.see(&passer.name, &[], &rules, &**coverage, passer.seen_at);
            }
            passers_by.remove(&address);
            place
        });
        place.pairs.entry(name).or_insert_with(|| Pair::new(now))
    }

    fn touch(&mut self, name: &str, address: IpAddr) {
        if self.holds(name, address) {
            self.touched.insert(address);
        }
    }
}
