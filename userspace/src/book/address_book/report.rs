//! What the book tells: the data plane, the ledger, and who asks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::super::answer::SavedAnswers;
use super::super::change::{Change, Holding, HoldingEvent};
use super::super::pair::Pair;
use super::super::place::{Place, Told};
use super::super::status::BookStatus;
use super::AddressBook;
use crate::resolve::Moment;

impl AddressBook {
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
}
