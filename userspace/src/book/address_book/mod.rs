//! The book.

mod learn;
mod report;
mod wanted;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{Answer, SavedAnswers, Source};
use super::change::{Holding, HoldingEvent};
use super::coverage::{Coverage, NoCoverage};
use super::known::Known;
use super::lesson::Refused;
use super::limits::{NAMES_MAX, PAIRS_MAX, PLACES_MAX, WANTED_MAX};
use super::pair::{Heard, Listed, Pair, Use};
use super::passers_by::{PasserBy, PassersBy};
use super::place::Place;
use super::teachers::Teachers;
use crate::resolve::{Dnssec, Moment, Resolved, ResolverSettings, Security};

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
    passers_by: PassersBy,
    teachers: Teachers,
    /// Names that the gateway is to resolve itself, and when a subscriber asked for them last.
    wanted: BTreeMap<Arc<str>, Instant>,
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
            passers_by: PassersBy::default(),
            teachers: Teachers::default(),
            wanted: BTreeMap::new(),
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
            let is_proven = |(_, answer): &(Source, Answer)| answer.security == Security::Secure;
            if one.answers.iter().any(is_proven) && self.wanted.len() < WANTED_MAX {
                self.wanted.insert(one.name.as_str().into(), now.monotonic);
            }
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
        self.forget_unproven(now);
        let names: Vec<(Arc<str>, IpAddr)> = self.all_pairs().collect();
        for (name, address) in names {
            self.state_rules(&name, address, now);
        }
        for (address, place) in &mut self.places {
            place.judge_again(&*self.coverage);
            self.touched.insert(*address);
        }
        self.want_what_is_covered();
        self.expire(now);
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

    /// No name has the address any longer; who was seen there is remembered.
    fn forget_place(&mut self, address: IpAddr) {
        let Some(place) = self.places.remove(&address) else { return };
        let seen = place.witnesses.into_iter();
        let seen = seen.map(|witness| PasserBy { name: witness.name, seen_at: witness.seen_at });
        self.passers_by.put(address, seen.collect());
    }

    /// Whether there is room for one more address of `name`, and for this one.
    fn check_room(&self, name: &str, address: IpAddr) -> Result<(), Refused> {
        self.settings.hygiene.check(address).map_err(Refused::Address)?;
        let has_room = (self.names.contains_key(name) || self.names.len() < NAMES_MAX)
            && (self.places.contains_key(&address) || self.places.len() < PLACES_MAX)
            && self.pairs < PAIRS_MAX;
        if has_room { Ok(()) } else { Err(Refused::Full) }
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
            self.passers_by.see(name, address, now);
            return;
        };
        if place.see(name, chain, rules, &*self.coverage, now) {
            self.touched.insert(address);
        }
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

    fn rules(&self, name: &str) -> BTreeSet<u32> {
        self.names.get(name).map_or_else(|| self.coverage.rules(name), |known| known.rules.clone())
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
        let known = self.names.entry(Arc::clone(&name)).or_insert_with(|| Known::of(coverage.rules(&name)));
        if known.addresses.insert(address) {
            self.pairs += 1;
            self.version += 1;
        }
        let passers_by = &mut self.passers_by;
        let place = self.places.entry(address).or_insert_with(|| {
            let mut place = Place::default();
            for passer in passers_by.take(address) {
                let rules = coverage.rules(&passer.name);
                place.see(&passer.name, &[], &rules, &**coverage, passer.seen_at);
            }
            place
        });
        place.pairs.entry(name).or_insert_with(|| Pair::new(now))
    }

    fn touch(&mut self, name: &str, address: IpAddr) {
        if self.has(name, address) {
            self.touched.insert(address);
        }
    }
}
