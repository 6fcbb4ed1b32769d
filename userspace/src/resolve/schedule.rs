//! When each name is asked for, and how long its addresses stay.
//!
//! Nothing here waits, reads a clock or draws a random number: all of that is given, so that a year of DNS
//! passes in a test in no time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tollfree_core::address::Family;

use super::agenda::Agenda;
use super::answer::{Answered, Kind, Question};
use super::dnssec::Dnssec;
use super::moment::Moment;
use super::pace::Pace;
use super::saved::SavedAddress;
use super::settings::ResolverSettings;
use super::slot::Slot;
use super::status::Resolved;
use super::terms::NameTerms;

/// Asks for every name on its own clock, and keeps what was learned.
///
/// An address stays until the grace period after its answer's lifetime has passed without another answer that
/// holds it, and for longer while there are no answers. So neither a failing server nor an empty answer empties a set at
/// once, and one that lasts does in the end.
#[derive(Clone, Debug)]
pub struct Scheduler {
    settings: ResolverSettings,
    saved: BTreeMap<Question, Vec<SavedAddress>>,
    terms: BTreeMap<String, NameTerms>,
    slots: BTreeMap<Question, Slot>,
    agenda: Agenda,
    pace: Pace,
    has_changed: bool,
}

impl Scheduler {
    /// No names yet; `saved` is what was known before a restart.
    pub fn new(settings: &ResolverSettings, saved: Vec<SavedAddress>) -> Self {
        let mut by_question: BTreeMap<Question, Vec<SavedAddress>> = BTreeMap::new();
        for one in saved {
            let kind = if one.address.is_ipv4() { Kind::A } else { Kind::Aaaa };
            by_question.entry(Question { name: one.name.clone(), kind }).or_default().push(one);
        }
        Self {
            settings: settings.clone(),
            saved: by_question,
            terms: BTreeMap::new(),
            slots: BTreeMap::new(),
            agenda: Agenda::default(),
            pace: Pace::new(settings.rate),
            has_changed: true,
        }
    }

    /// Follows exactly `names` from now on. New ones have their saved addresses and are due at once; the
    /// others' addresses go at once, because no policy lists them any longer. A name of which more is asked than before
    /// is due at once, too.
    pub fn set_names(&mut self, names: &BTreeMap<String, NameTerms>, now: Moment) {
        let default = self.settings.dnssec;
        let gone = self.slots.extract_if(.., |question, _| !names.contains_key(&question.name));
        gone.for_each(|(question, _)| self.agenda.forget(&question));
        for (name, terms) in names {
            let dnssec = terms.dnssec(default);
            let is_stricter = self.terms.get(name).is_some_and(|before| before.dnssec(default) < dnssec);
            for kind in Kind::ALL {
                let question = Question { name: name.clone(), kind };
                let slot = match self.slots.get_mut(&question) {
                    Some(slot) if is_stricter && slot.ask_at.is_some() => {
                        slot.ask_at = Some(now.monotonic);
                        &*slot
                    }
                    Some(_) => continue,
                    None => {
                        let slot = self.new_slot(&question, dnssec, now);
                        self.slots.entry(question.clone()).or_insert(slot)
                    }
                };
                self.agenda.list(&question, slot);
            }
        }
        self.terms.clone_from(names);
        self.has_changed = true;
    }

    /// A slot with what is saved of it.
    fn new_slot(&self, question: &Question, dnssec: Dnssec, now: Moment) -> Slot {
        let mut slot = Slot::new(now.monotonic);
        for saved in self.saved.get(question).into_iter().flatten() {
            slot.restore(saved, &self.settings, dnssec, now);
        }
        slot
    }

    fn dnssec(&self, name: &str) -> Dnssec {
        self.terms.get(name).map_or(self.settings.dnssec, |terms| terms.dnssec(self.settings.dnssec))
    }

    /// Up to `room` questions to ask now, the longest due first, and no more in a second than the rate allows; each then
    /// awaits [`Scheduler::answered`]. With each, what is asked of its signatures.
    pub fn due(&mut self, now: Instant, room: usize) -> Vec<(Question, Dnssec)> {
        let mut due = Vec::new();
        while due.len() < room
            && let Some(question) = self.agenda.due(now)
            && self.pace.admit(now)
        {
            if let Some(slot) = self.slots.get_mut(&question) {
                slot.ask_at = None;
                self.agenda.list(&question, slot);
            }
            let dnssec = self.dnssec(&question.name);
            due.push((question, dnssec));
        }
        due
    }

    /// Takes an outcome, and plans the next question. `random` is any number: it spreads questions.
    pub fn answered(&mut self, question: &Question, answered: impl Into<Answered>, now: Moment, random: u32) {
        let dnssec = self.dnssec(&question.name);
        let Some(slot) = self.slots.get_mut(question) else { return };
        slot.answered(question, answered.into(), &self.settings, dnssec, now, random);
        self.agenda.list(question, slot);
        self.has_changed = true;
    }

    /// Lets go of addresses whose grace is over. Where a question is due or under way, its outcome comes
    /// first: a name whose lifetime is over this moment is not emptied while its new addresses are on their
    /// way.
    pub fn expire(&mut self, now: Instant) {
        while let Some(question) = self.agenda.take_leaving(now) {
            // The others are listed anew when they are answered.
            if let Some(slot) = self.slots.get_mut(&question)
                && slot.ask_at.is_some_and(|at| at > now)
            {
                self.has_changed |= slot.expire(now);
                self.agenda.list(&question, slot);
            }
        }
    }

    /// The next moment after `now` at which a question is due, or may be asked, or an address goes. What is due and may
    /// be asked is waiting for room, not for a moment.
    pub fn next_event(&self, now: Instant) -> Option<Instant> {
        self.agenda.next_event(now, self.pace.admits_at(now))
    }

    /// Whether anything is known that was not when this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// Everything that is known, as of `now`.
    pub fn resolved(&self, now: Instant) -> Resolved {
        let mut resolved = Resolved::default();
        for (question, slot) in &self.slots {
            match question.kind.family() {
                Some(family) => self.tell(question, family, slot, now, &mut resolved),
                None => tell_hints(question, slot, &mut resolved),
            }
        }
        resolved
    }

    fn tell(&self, question: &Question, family: Family, slot: &Slot, now: Instant, resolved: &mut Resolved) {
        let addresses = resolved.addresses.entry(question.name.clone()).or_default();
        addresses.extend(slot.held.keys());
        let terms = self.terms.get(&question.name);
        resolved.status.push(slot.status(&question.name, family, terms, now));
        resolved.saved.extend(slot.held.iter().map(|(address, held)| SavedAddress {
            name: question.name.clone(),
            address: *address,
            learned_at: held.learned_at,
            ttl: held.ttl,
            security: held.security,
            resolver: held.resolver,
            aliases: Arc::clone(&held.aliases),
        }));
    }
}

/// Adds what HTTPS records say to both families' states, which come right before.
fn tell_hints(question: &Question, slot: &Slot, resolved: &mut Resolved) {
    let Some(hints) = slot.service() else { return };
    for status in resolved.status.iter_mut().rev().take_while(|status| status.name == question.name) {
        status.ech = Some(hints.ech);
        let of_family = hints.addresses.iter().filter(|address| match status.family {
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        });
        status.hints = of_family.copied().collect();
        status.service_aliases.clone_from(&hints.aliases);
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
