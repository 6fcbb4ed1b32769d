//! Names whose answers must be proven, by the gateway's own resolver.

use std::sync::Arc;

use super::super::answer::Answer;
use super::super::lesson::{Lesson, Refused};
use super::super::limits::WANTED_MAX;
use super::super::pair::Listed;
use super::AddressBook;
use crate::resolve::{Moment, Security};

impl AddressBook {
    /// Names whose answers the gateway must prove itself and that subscribers ask for, whether policies list them or what is
    /// above them.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        self.wanted.keys().map(|name| &**name)
    }

    /// Forgets names that nobody has asked for since the longest lifetime of an answer, and its grace, have passed;
    /// whether there were any.
    pub fn forget_wanted(&mut self, now: Moment) -> bool {
        let kept = self.settings.max_ttl.saturating_add(self.settings.grace);
        let before = self.wanted.len();
        self.wanted.retain(|_, asked_at| now.monotonic.saturating_duration_since(*asked_at) < kept);
        self.wanted.len() != before
    }

    /// Whether what is heard of a name does not suffice, because its rules ask for a proof.
    pub(super) fn is_unproven(&self, name: &str) -> bool {
        !Security::Unchecked.suffices(self.coverage.dnssec(name))
    }

    /// Notes that a subscriber asked for a name whose answers the gateway must prove itself; whether it is a new one.
    pub(super) fn want(&mut self, lesson: &Lesson) -> bool {
        let now = lesson.at.monotonic;
        if let Some(asked_at) = self.wanted.get_mut(lesson.name.as_str()) {
            *asked_at = now;
            return false;
        }
        let admitted = if self.wanted.len() < WANTED_MAX {
            self.teachers.admit(lesson.subscriber, now)
        } else {
            Err(Refused::Full)
        };
        if let Err(refused) = admitted {
            *self.refused.entry(refused).or_default() += 1;
            return false;
        }
        self.wanted.insert(lesson.name.as_str().into(), now);
        true
    }

    /// Forgets what rules in force no longer ask a proof of.
    pub(super) fn want_what_is_covered(&mut self) {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.retain(|name, _| self.is_unproven(name) && !self.coverage.rules(name).is_empty());
        self.wanted = wanted;
    }

    /// Forgets what was heard, or is known from before, of names whose rules ask for more of a proof now. What the resolver
    /// holds, it judges itself.
    pub(super) fn forget_unproven(&mut self, now: Moment) {
        let mut over = Vec::new();
        for (address, place) in &mut self.places {
            for (name, pair) in &mut place.pairs {
                let dnssec = self.coverage.dnssec(name);
                let is_known = |answer: &Answer| answer.security.suffices(dnssec);
                let heard = pair.heard.take_if(|heard| !is_known(&heard.answer)).is_some();
                let listed = |listed: &mut Listed| !listed.is_current && !is_known(&listed.answer);
                if heard | pair.listed.take_if(listed).is_some() {
                    self.unsaved.insert((Arc::clone(name), *address));
                    if pair.heard.is_none() && pair.listed.is_none() {
                        over.push((Arc::clone(name), *address));
                    }
                }
            }
        }
        for (name, address) in over {
            self.remove(&name, address, now);
        }
    }
}
