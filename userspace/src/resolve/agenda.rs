//! What is to be done, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::answer::{Kind, Question};
use super::slot::Slot;

/// Questions by when something is to be done about them.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    /// To be asked, for addresses.
    addresses: BTreeSet<(Instant, Question)>,
    /// To be asked, for hints: when nothing else is.
    hints: BTreeSet<(Instant, Question)>,
    /// The first of their addresses goes.
    leaves: BTreeSet<(Instant, Question)>,
    /// Under which moments each is listed: to be asked, to lose an address.
    listed: BTreeMap<Question, (Option<Instant>, Option<Instant>)>,
}

impl Agenda {
    fn asks(&mut self, kind: Kind) -> &mut BTreeSet<(Instant, Question)> {
        if kind == Kind::Https { &mut self.hints } else { &mut self.addresses }
    }

    /// Nothing is to be done about it any longer.
    pub(super) fn forget(&mut self, question: &Question) {
        let Some((asked, leaves)) = self.listed.remove(question) else { return };
        if let Some(at) = asked {
            self.asks(question.kind).remove(&(at, question.clone()));
        }
        if let Some(at) = leaves {
            self.leaves.remove(&(at, question.clone()));
        }
    }

    /// Lists a question anew, as its slot says.
    pub(super) fn list(&mut self, question: &Question, slot: &Slot) {
        self.forget(question);
        let moments = (slot.ask_at, slot.leaves_at());
        if let Some(at) = moments.0 {
            self.asks(question.kind).insert((at, question.clone()));
        }
        if let Some(at) = moments.1 {
            self.leaves.insert((at, question.clone()));
        }
        self.listed.insert(question.clone(), moments);
    }

    /// The first question that is due; for hints only if none for addresses is.
    pub(super) fn due(&self, now: Instant) -> Option<Question> {
        let first = |asks: &BTreeSet<(Instant, Question)>| {
            asks.first().filter(|(at, _)| *at <= now).map(|(_, question)| question.clone())
        };
        first(&self.addresses).or_else(|| first(&self.hints))
    }

    /// The next question whose first address goes by `now`; each is given once, until it is listed anew.
    pub(super) fn take_leaving(&mut self, now: Instant) -> Option<Question> {
        if self.leaves.first().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        let (_, question) = self.leaves.pop_first()?;
        if let Some((_, leaves)) = self.listed.get_mut(&question) {
            *leaves = None;
        }
        Some(question)
    }

    /// The next moment after `now` at which something is to be done, if what is due now may be asked at `admitted`.
    pub(super) fn next_event(&self, now: Instant, admitted: Instant) -> Option<Instant> {
        let asks = [self.addresses.first(), self.hints.first()];
        let asks = asks.into_iter().flatten().map(|(at, _)| if *at <= now { admitted } else { *at });
        let leaves = self.leaves.first().map(|(at, _)| *at);
        asks.chain(leaves).filter(|at| *at > now).min()
    }
}
