//! What the book learns: from the gateway's resolver, and from answers to subscribers.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::super::answer::Answer;
use super::super::known::Known;
use super::super::lesson::{Lesson, Refused, Taught};
use super::super::limits::CHAIN_MAX;
use super::super::pair::{Heard, Listed};
use super::AddressBook;
use crate::resolve::{Moment, Resolved, SavedAddress, Security};

impl AddressBook {
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
        if !self.has(&saved.name, saved.address)
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
        if !lesson.addresses.is_empty() && self.is_unproven(&lesson.name) {
            taught.is_wanted = self.want(lesson);
        }
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
        if self.is_unproven(name) {
            // What the gateway has proven itself needs no lesson.
            return if self.has(name, address) { Ok(false) } else { Err(Refused::Unproven) };
        }
        if self.bogus.contains(name) {
            return Err(Refused::Bogus);
        }
        let is_new = !self.has(name, address);
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
        if !self.names.contains_key(lesson.name.as_str()) {
            self.teachers.admit(lesson.subscriber, now)?;
        }
        let rules = self.rules(&lesson.name);
        let known = self.names.entry(lesson.name.as_str().into()).or_insert_with(|| Known::of(rules));
        known.admit(address, now)
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
}
